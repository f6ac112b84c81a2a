"""What an answer is looked at for, beside whether it can be read: a mark for each check.

A check that cannot be decided is unknown; one that has nothing to look at leaves no mark. What an
answer states and cites is held against its prompt here, and against what the trace's searches gave
once the trace is quiet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import NamedTuple

from inferometer.evaluations import (
    CHECKS,
    CITATIONS_KNOWN,
    DOCUMENTS,
    FACTS_SUPPORTED,
    NO_MARK,
    NOT_EMPTY,
    NOT_REPETITIVE,
    PART,
    PROMPT,
    mark_of,
)
from inferometer.quality.answer import ModelAnswer
from inferometer.quality.checks.citations import are_known, citations_of
from inferometer.quality.checks.given import ModelPrompt, given_of
from inferometer.quality.checks.mentions import LONGEST_ANSWER, MOST, mentions_of
from inferometer.quality.checks.repetition import is_repetitive
from inferometer.quality.checks.support import GivenText

COSTLY = frozenset((FACTS_SUPPORTED, CITATIONS_KNOWN, NOT_REPETITIVE))  # the longer the more
NOWHERE = "-"  # in the place of readings: it is in no document


class Checked(NamedTuple):
    """What came of it, by the names of ModelCall's fields."""

    checks: str = ""
    given: str = ""
    mentions: tuple[str, ...] = ()
    cited: int = 0


def checked(answer: ModelAnswer, content: Mapping[str, str], passed: Mapping[str, bool | None],
            names: Collection[str]) -> Checked:
    """What one answer comes to. `passed`: what checks came to that are made already.

    `names`: those of CHECKS that are to be made.
    """
    text = answer.text
    marks = dict(passed)
    made = Checked()
    if NOT_EMPTY in names and not (answer.tools or answer.refusal):
        marks[NOT_EMPTY] = bool(text.strip())
    if NOT_REPETITIVE in names and text.strip():
        repeats = is_repetitive(text)
        # What is cut off may repeat further on.
        marks[NOT_REPETITIVE] = False if repeats else (
            None if repeats is None or not answer.is_complete else True)
    source = _PromptReader(content)
    if FACTS_SUPPORTED in names and (stated := mentions_of(text)):
        missing = source.text.missing(stated)
        is_whole = answer.is_complete and len(stated) < MOST and len(text) <= LONGEST_ANSWER
        marks[FACTS_SUPPORTED] = None  # until it is known what was retrieved
        made = made._replace(
            mentions=(*("/".join(one.readings) or NOWHERE for one in missing),
                      *(() if is_whole else (NOWHERE,))),
            given=_given(source.given, is_whole and source.text.is_read))
    if CITATIONS_KNOWN in names and (citations := citations_of(text)):
        is_known = are_known(citations, source.given.text)
        marks[CITATIONS_KNOWN] = is_known if is_known or source.given.is_whole else None
        made = made._replace(cited=max(citations.numbers, default=0) if is_known is None else 0)
    return made._replace(checks=marks_of(marks, names))


class _PromptReader:
    """What a call was given, read once and only if somebody asks."""

    def __init__(self, content: Mapping[str, str]) -> None:
        self._content = content

    @cached_property
    def given(self) -> ModelPrompt:
        return given_of(self._content)

    @cached_property
    def text(self) -> GivenText:
        return GivenText(self.given.text)


def _given(prompt: ModelPrompt, is_read: bool) -> str:
    """How much there was to look into, of all that the model was given."""
    if prompt.is_whole and is_read:
        return DOCUMENTS if prompt.has_documents else PROMPT
    return PART if prompt.has_documents else ""


def marks_of(passed: Mapping[str, bool | None], names: Collection[str]) -> str:
    """A mark for each of CHECKS that has come to something and is one of these."""
    marks = [mark_of(passed[check]) if check in passed and check in names else NO_MARK
             for check in CHECKS]
    return "".join(marks) if any(mark != NO_MARK for mark in marks) else ""
