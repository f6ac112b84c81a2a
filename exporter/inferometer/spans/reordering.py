"""How far two orders of documents differ.

The distance is Kendall's: of all pairs of documents that both lists have, the share that stands
the other way round. Source: M. G. Kendall, A new measure of rank correlation, Biometrika 30, 1938.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import blake2b

MOST_COMPARED = 1024  # documents of a list that is compared: what a hostile one may cost
_LONGEST_ID = 256  # characters of an id that stands for itself
# Names of a document's id and of its content, as GenAI, LangChain, LlamaIndex, Haystack have them.
_IDS, _CONTENTS = ("id", "id_"), ("content", "page_content", "text")


def identity(document: object) -> str:
    """A document by its id, else by a digest of its content; empty where it has neither.

    A text or a number alone is all that its sender says of it.
    """
    if not isinstance(document, Mapping):
        return _marked("content", _word(document))
    scored = document.get("node")
    if isinstance(scored, Mapping):  # LlamaIndex has the document within what it scores
        document = scored
    for kind, names in (("id", _IDS), ("content", _CONTENTS)):
        for name in names:
            if word := _word(document.get(name)):
                return _marked(kind, word)
    return ""


def _word(value: object) -> str:
    """A text, or a number as one: an id may be either."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) \
        else ""


def _marked(kind: str, word: str) -> str:
    if word and (kind == "content" or len(word) > _LONGEST_ID):
        word = blake2b(word.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return word and f"{kind}:{word}"


def disagreement(before: Sequence[str], after: Sequence[str]) -> float | None:
    """From 0, the same order, to 1, the reverse; None where fewer than two documents are in both.

    A document stands where it stands first. One without an identity, an empty text, is in neither.
    """
    places = _places(before)
    common = [places[document] for document in _places(after) if document in places]
    if len(common) < 2:
        return None
    passed: list[int] = []
    crossed = 0
    for place in common:
        rank = bisect_left(passed, place)
        crossed += len(passed) - rank
        passed.insert(rank, place)
    return crossed / (len(common) * (len(common) - 1) // 2)


def top_changed(before: Sequence[str], after: Sequence[str]) -> bool | None:
    """Whether another document is the first one; None where either list has none that is known."""
    if not before or not after or not before[0] or not after[0]:
        return None
    return before[0] != after[0]


def _places(documents: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, document in enumerate(documents):
        if document:
            places.setdefault(document, place)
    return places
