"""Whether answers are good: what is evaluated, who says so, and what a judge makes of an answer.

A judge sees a random part of the answers; the figures of a sample are made of these alone. What
people voted down is judged as well, in a stratum of its own, for review.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

# What a judge is asked. An answer is flagged where it fails.
FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL, SELF_CONTRADICTION = JUDGED = (
    "faithfulness", "answer_relevance", "refusal", "self_contradiction")
PASS, FAIL, UNKNOWN = LABELS = ("pass", "fail", "unknown")
RANDOM, VOTED = STRATA = ("random", "voted")
# What each answer is looked at for by the gateway itself. What is new stands last: an answer has a
# mark for each of these in this order.
CHECKS = (FACTS_SUPPORTED, CITATIONS_KNOWN, JSON_VALID, SCHEMA_VALID, TOOL_ARGUMENTS, NOT_REFUSED,
          NOT_REPETITIVE, NOT_EMPTY) = (
    "facts_supported", "citations_known", "json_valid", "schema_valid", "tool_arguments",
    "not_refused", "not_repetitive", "not_empty")
OF_SOURCES = frozenset((FACTS_SUPPORTED, CITATIONS_KNOWN))  # those that prompts are read for
# What of a call's prompt was there to hold its answer against: all of it, with documents or without
# any, or a part with documents; empty where less was.
PROMPT, DOCUMENTS, PART = "prompt", "documents", "part"
NO_MARK = "-"  # it was not looked at, or there was nothing to look at
_MARKS = {label[0]: label for label in LABELS}
_OF_OTHERS = "application_"


def mark_of(passed: bool | None) -> str:
    """The letter that stands for what a check came to."""
    return (UNKNOWN if passed is None else PASS if passed else FAIL)[0]


def labels_of(marks: str) -> Iterator[tuple[str, str]]:
    """Each check that the marks of an answer have, with what it came to."""
    for check, mark in zip(CHECKS, marks, strict=False):  # those of an older version are fewer
        if mark in _MARKS:
            yield check, _MARKS[mark]


def label_of(mark: str) -> str:
    """What one mark stands for; empty where it is none."""
    return _MARKS.get(mark, "")


def evaluation_of_sender(name: str) -> str:
    """The name of an evaluation that an application made: never that of one that is made here."""
    return f"{_OF_OTHERS}{name}" if name in CHECKS or name in JUDGED else name


class JudgementResult(StrEnum):
    """What came of asking a judge."""

    JUDGED = "judged"
    NONSENSE = "nonsense"  # what it answered is no verdict
    TIMEOUT = "timeout"
    FAILED = "failed"  # it cannot be reached, or answered with an error


class JudgedAnswer(NamedTuple):
    """A verdict of a judge on one answer, for one evaluation."""

    number: int  # in the order of judging, of all evaluations
    unit: int  # the answer
    service_name: str
    model: str  # that answered
    evaluation: str  # one of JUDGED
    stratum: str  # one of STRATA
    probability: float  # that the answer came into the sample
    conversation: str  # a keyed hash, or empty
    flagged: bool | None  # None: the judge left it open, or said nothing that can be read
    score: float | None  # 0 to 1
    result: JudgementResult
    judge: int  # the judge's model and prompt, by the number that the ledger has of them
    judged: int  # Unix nanoseconds
    arrived: int  # the call; Unix nanoseconds


class AnswerLabel(NamedTuple):
    """What a person says of an answer that was judged."""

    unit: int
    evaluation: str
    reviewer: str
    flagged: bool  # what the person says, who did not see the verdict
    labelled: int  # Unix nanoseconds
