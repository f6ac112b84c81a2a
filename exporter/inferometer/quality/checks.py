"""What an answer is looked at for, beside whether it can be read: a mark for each check.

A check that cannot be decided is unknown; one that has nothing to look at leaves no mark. What an
answer states is held against its prompt here, and against what the trace's searches gave once the
trace is quiet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from inferometer.evaluations import (
    CHECKS,
    DOCUMENTS,
    FACTS_SUPPORTED,
    NO_MARK,
    PART,
    PROMPT,
    mark_of,
)
from inferometer.quality.answer import ModelAnswer
from inferometer.quality.given import Given, given_of
from inferometer.quality.mentions import mentions_of
from inferometer.quality.support import GivenText

NOWHERE = "-"  # in the place of readings: it is in no document


class Checked(NamedTuple):
    """What came of it, by the names of ModelCall's fields."""

    checks: str = ""
    given: str = ""
    mentions: tuple[str, ...] = ()


def checked(answer: ModelAnswer, content: Mapping[str, str], names: Collection[str]) -> Checked:
    """What one answer comes to."""
    marks: dict[str, bool | None] = {}
    mentions: tuple[str, ...] = ()
    given = ""
    if FACTS_SUPPORTED in names and (stated := mentions_of(answer.text)):
        prompt = given_of(content)
        text = GivenText(prompt.text)
        missing = text.missing(stated)
        marks[FACTS_SUPPORTED] = None  # until it is known what was retrieved
        mentions = tuple("/".join(one.readings) or NOWHERE for one in missing)
        if not answer.is_complete:
            mentions = (*mentions, NOWHERE)
        given = given_part(prompt, answer.is_complete and text.is_read)
    return Checked("".join(mark_of(marks[check]) if check in marks else NO_MARK
                           for check in CHECKS) if marks else "", given, mentions)


def given_part(prompt: Given, is_read: bool) -> str:
    """How much of what it was given could be looked at: one of `given`."""
    if prompt.is_whole and is_read:
        return DOCUMENTS if prompt.has_documents else PROMPT
    return PART if prompt.has_documents else ""
