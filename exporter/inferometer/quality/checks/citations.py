"""Which documents an answer cites, and whether it was given them: by number, or by name."""

from __future__ import annotations

import re
from typing import NamedTuple

_MOST = 64  # citations of an answer
_MOST_RANGE = 20  # documents of one mark, as in [3-7]
_WORD = r"(?:doc(?:ument)?|source|ref(?:erence)?|passage|excerpt|chunk|dokument|quelle)"
# [1], [1, 2], [3-5], [^1], [doc 1], and what OpenAI's assistants write: a number and a dagger.
_MARK = re.compile(
    rf"[\[\u3010]\^?(?:{_WORD}[ _#-]?)?(\d{{1,3}}(?: ?[,;\u2013-] ?\^?\d{{1,3}}){{0,20}})"
    r"(?:\]|[\u2020:][^\u3010\u3011\n]{0,80}\u3011|\u3011)", re.I)
_NAME = re.compile(r"[\[\u3010]([\w-]{1,80}\.(?:pdf|md|html?|txt|docx?|pptx?|xlsx?|csv|json))"
                   r"(?:[,:#\u2020][^\[\]\u3010\u3011\n]{0,40})?[\]\u3011]", re.I)
_CODE = re.compile(r"`[^`\n]{0,500}`")
_FENCE = "```"
# What stands before the number of a document in a prompt: [1] at the begin of a line, Document 1,
# <document index="1">, "id": 1.
_BEFORE = re.compile(
    rf"(?:(?:\n|\A)[ \t#*>-]{{0,8}}[\[(]\^?(?:{_WORD}[ _#-]?)?"
    rf"|\b{_WORD}s?[ _-]?(?:id|no|number|index)?[ :=#(\[\"]{{0,3}}"
    r"|\b(?:id|index|number|rank)\"? ?[=:] ?\"?)\Z", re.I)
_BACK = 40  # characters that these have at most
_MOST_PLACES = 200  # of one number in a prompt
_FIRST = range(4)  # numbers of documents, of which a prompt that numbers them has one


class Citations(NamedTuple):
    """Those of an answer."""

    numbers: frozenset[int]
    names: frozenset[str]  # of files

    def __bool__(self) -> bool:
        return bool(self.numbers or self.names)


def citations_of(answer: str) -> Citations:
    """What an answer cites; brackets in code are none."""
    if "[" not in answer and "\u3010" not in answer:
        return Citations(frozenset(), frozenset())
    text = _CODE.sub(" ", " ".join(answer.split(_FENCE)[::2]))
    numbers: set[int] = set()
    for match in _MARK.finditer(text):
        numbers.update(_numbers(match.group(1)))
        if len(numbers) >= _MOST:
            break
    names = frozenset(match.group(1).casefold() for match in _NAME.finditer(text))
    return Citations(frozenset(numbers), names)


def are_known(citations: Citations, prompt: str) -> bool | None:
    """Whether all are of documents in the prompt; None where it has none with numbers."""
    if any(name not in prompt.casefold() for name in citations.names):
        return False
    if not citations.numbers:
        return True
    unknown = [number for number in citations.numbers if not _is_numbered(number, prompt)]
    if not unknown:
        return True
    is_numbered = len(unknown) < len(citations.numbers) or any(
        _is_numbered(number, prompt) for number in _FIRST)
    return False if is_numbered else None


def _is_numbered(number: int, prompt: str) -> bool:
    """Whether a document of the prompt has this number."""
    text, place = str(number), -1
    if f"\n[{text}]" in prompt:  # as most do
        return True
    for _ in range(_MOST_PLACES):
        place = prompt.find(text, place + 1)
        if place < 0:
            return False
        if not prompt[place + len(text):][:1].isalnum() and _BEFORE.search(
                prompt[max(0, place - _BACK):place]):
            return True
    return False


def _numbers(mark: str) -> set[int]:
    """All of one mark, with those between the ends of a range."""
    made: set[int] = set()
    for part in re.split("[,;]", mark.replace("^", "")):
        ends = [int(end) for end in re.split("[\u2013-]", part)]
        made.update(ends)
        if len(ends) == 2 and 0 < ends[1] - ends[0] <= _MOST_RANGE:
            made.update(range(*ends))
    return made
