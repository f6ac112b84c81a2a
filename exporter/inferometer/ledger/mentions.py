"""Whether what an answer states is in what its trace's searches gave, known by keyed digests alone.

Neither what was said nor what was looked up is kept for it: a digest is of one trace, and means
nothing without the key.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from inferometer.evaluations import (
    CHECKS,
    CITATIONS_KNOWN,
    DOCUMENTS,
    FACTS_SUPPORTED,
    NO_MARK,
    PART,
    PROMPT,
    mark_of,
)
from inferometer.facts import Fact, ModelCall, Retrieval
from inferometer.ledger.keys import KeyRing

_BETWEEN, _NOWHERE = "/", "-"


def sealed(fact: ModelCall | Retrieval, keys: KeyRing) -> Fact:
    """The fact with digests in the place of what its text states."""
    return replace(fact, mentions=tuple(_BETWEEN.join(
        reading if reading == _NOWHERE else keys.mention_digest(fact.trace_id, reading)
        for reading in one.split(_BETWEEN)) for one in fact.mentions))


def marks_of(call: ModelCall, retrievals: Sequence[Retrieval]) -> str:
    """The marks of a call's answer, with those that depend on what its trace's searches gave."""
    marks = dict(zip(CHECKS, call.checks, strict=False))
    if marks.get(FACTS_SUPPORTED, NO_MARK) != NO_MARK:
        marks[FACTS_SUPPORTED] = mark_of(supported(call, retrievals))
    if call.cited and retrievals:
        marks[CITATIONS_KNOWN] = mark_of(_are_numbers(call.cited, retrievals))
    return "".join(marks.values())


def _are_numbers(cited: int, retrievals: Sequence[Retrieval]) -> bool | None:
    """Whether so many documents came back; None where a search does not say."""
    documents = [one.documents for one in retrievals]
    if cited <= sum(number or 0 for number in documents):
        return True
    return None if None in documents else False


def supported(call: ModelCall, retrievals: Sequence[Retrieval]) -> bool | None:
    """Whether all that an answer states was given; None where nobody can say.

    That is where no documents were seen, or not all that the model was given.
    """
    has_documents = call.given in (DOCUMENTS, PART) or any(
        one.documents != 0 for one in retrievals)
    if not has_documents:
        return None
    retrieved: Set[str] = {digest for one in retrievals for digest in one.mentions} - {_NOWHERE}
    if all(any(digest in retrieved for digest in one.split(_BETWEEN)) for one in call.mentions):
        return True
    return False if call.given in (DOCUMENTS, PROMPT) else None
