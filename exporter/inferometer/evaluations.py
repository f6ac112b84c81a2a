"""Whether answers are good: what is evaluated, who says so, and what a judge makes of an answer.

A judge sees a random part of the answers; the figures of a sample are made of these alone. What
people voted down is judged as well, in a stratum of its own, for review.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

# What a judge is asked. An answer is flagged where it fails.
FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL, SELF_CONTRADICTION = JUDGED = (
    "faithfulness", "answer_relevance", "refusal", "self_contradiction")
PASS, FAIL, UNKNOWN = LABELS = ("pass", "fail", "unknown")
RANDOM, VOTED = STRATA = ("random", "voted")


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
