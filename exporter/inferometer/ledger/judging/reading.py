"""Reads what judges say of the random sample, and what people say of the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inferometer.evaluations import JudgedAnswer, JudgementResult
from inferometer.ledger.database import Database
from inferometer.ledger.judging.reading_statements import statements_of
from inferometer.ledger.judging.statements import statements_of as judging_statements
from inferometer.quality.rates.labels import AnswerStream, LabelledAnswer

PARTS_OF_PROBABILITY = 1_000_000_000  # that a row has as a whole number
PARTS_OF_SCORE = 1_000_000


class PresentJudge(NamedTuple):
    """The judge that was seen last."""

    number: int  # in the ledger
    model: str
    prompts: str  # a digest


def present_judge(database: Database) -> PresentJudge | None:
    """None before the first one."""
    row = database.connection.execute(
        judging_statements(database.dialect).present_judge, (1, 0)).fetchone()
    return PresentJudge(*row) if row else None


def judged_after(database: Database, judge: int, number: int) -> Iterator[JudgedAnswer]:
    """Verdicts of a judge on the random sample after the one of this number, in their order.

    In a snapshot or a transaction.
    """
    for row in database.stream(
            statements_of(database.dialect).judged_after, (judge, number)):
        answer = JudgedAnswer._make(row)
        yield answer._replace(
            probability=answer.probability / PARTS_OF_PROBABILITY,
            flagged=None if answer.flagged is None else bool(answer.flagged),
            score=None if answer.score is None else answer.score / PARTS_OF_SCORE,
            result=JudgementResult(answer.result))


def count_between(database: Database, judge: int, after: int, until: int) -> int:
    """How many of these there are after the one of a number, up to the one of another."""
    return int(database.connection.execute(
        statements_of(database.dialect).count_between, (judge, after, until)).fetchone()[0])


def labels_of(database: Database, judge: int) -> Sequence[LabelledAnswer]:
    """All labels of answers of the random sample on which the judge has a verdict."""
    return [LabelledAnswer(AnswerStream(*row[:3]), row[3], row[4], bool(row[5]), bool(row[6]),
                           row[7])
            for row in database.connection.execute(
                statements_of(database.dialect).labels, (judge,))]
