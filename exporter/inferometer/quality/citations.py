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
# How a prompt numbers its documents.
_NUMBERS = tuple(re.compile(pattern, re.I | re.M) for pattern in (
    rf"^[ \t#*>-]{{0,8}}[\[(]\^?(?:{_WORD}[ _#-]?)?(\d{{1,3}})[\])]",
    rf"\b{_WORD}s?[ _-]?(?:id|no|number|index)?[ :=#(\[\"]{{0,3}}(\d{{1,3}})\b",
    r"\b(?:id|index|number|rank)\"?[ ]?[=:][ ]?\"?(\d{1,3})\b"))


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
    given = {int(match.group(1)) for pattern in _NUMBERS for match in pattern.finditer(prompt)}
    return citations.numbers <= given if given else None


def _numbers(mark: str) -> set[int]:
    """All of one mark, with those between the ends of a range."""
    made: set[int] = set()
    for part in re.split("[,;]", mark.replace("^", "")):
        ends = [int(end) for end in re.split("[\u2013-]", part)]
        made.update(ends)
        if len(ends) == 2 and 0 < ends[1] - ends[0] <= _MOST_RANGE:
            made.update(range(*ends))
    return made
