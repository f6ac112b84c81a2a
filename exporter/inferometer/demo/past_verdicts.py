"""Five weeks in which a judge saw answers of the demo's applications, and people labelled some.

They are written into the demo's ledger before its gateway begins: rates and alarms are of weeks,
and nobody looks at a demo for so long. The judge of that time errs, as labels show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random

from inferometer.config import LedgerSection
from inferometer.demo.answers import INVENTED, REFUSED
from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    RANDOM,
    REFUSAL,
    JudgementResult,
)
from inferometer.ledger.database import JUDGING, Database
from inferometer.ledger.judging import reading_statements
from inferometer.ledger.judging.days import DAY
from inferometer.ledger.judging.statements import ENDED, statements_of
from inferometer.ledger.opening import open_to_write
from inferometer.quality.judge.interface import JudgeVersion

DAYS, ANSWERS_A_DAY = 36, 40
MOST_LABELS = 60  # of answers that the judge flags, and of those that it does not
SENSITIVITY, SPECIFICITY, MISSED = 0.85, 0.985, 0.01  # the last one: shares that were not judged
WRONG = {FAITHFULNESS: INVENTED, ANSWER_RELEVANCE: 0.01, REFUSAL: REFUSED}  # shares of answers
REVIEWER = "ada"
_MILLION, _MILLIARD = 10**6, 10**9


@dataclass(frozen=True)
class PastVerdict:
    """What the judge said of one answer, and what is true of it."""

    unit: int
    evaluation: str
    flagged: bool | None  # None: it could not be judged
    is_wrong: bool
    judged: int  # Unix nanoseconds


def write_past(section: LedgerSection, judge: JudgeVersion, callers: Sequence[tuple[str, str]],
               now: int) -> None:
    """Write verdicts on answers of these services and their models, and labels of the first's.

    `now`: Unix nanoseconds. Raises LedgerError.
    """
    dice = Random(20)
    with closing(open_to_write(section)) as database, database.transaction(alone=JUDGING):
        statements = statements_of(database.dialect)
        database.connection.execute(statements.put_judge, (1, *judge, now))
        verdicts = [verdict for verdict in _verdicts(database, callers, now, dice)]
        database.connection.executemany(statements.insert_judgement, [
            (number, one.unit, one.evaluation, 1, *_outcome(one), one.judged, None)
            for number, one in enumerate(verdicts, start=1)])
        database.connection.executemany(
            reading_statements.statements_of(database.dialect).put_label, [
                (one.unit, one.evaluation, REVIEWER, int(one.is_wrong), one.judged + DAY // 4, None)
                for one in _labelled(verdicts, len(callers))])


def _verdicts(database: Database, callers: Sequence[tuple[str, str]], now: int, dice: Random
              ) -> Iterator[PastVerdict]:
    """Write answers in the order of judging, and make what the judge said of each."""
    statements, step = statements_of(database.dialect), DAY // ANSWERS_A_DAY
    for number in range((DAYS - 1) * ANSWERS_A_DAY):
        arrived = now - DAYS * DAY + number * step
        for place, (service, model) in enumerate(callers):
            unit = number * len(callers) + place + 1
            database.connection.execute(statements.insert_unit, (
                unit, dice.randbytes(16), RANDOM, 0, arrived, arrived // DAY, service, model, "",
                dice.randbytes(16), _MILLIARD // 100, ENDED, 1, arrived))
            for evaluation, share in WRONG.items():
                is_wrong = dice.random() < share
                flagged = dice.random() < (SENSITIVITY if is_wrong else 1 - SPECIFICITY)
                yield PastVerdict(unit, evaluation, None if dice.random() < MISSED else flagged,
                                  is_wrong, arrived + step // 2)


def _outcome(verdict: PastVerdict) -> tuple[str, int | None, int | None]:
    """Result, flag and score."""
    if verdict.flagged is None:
        return JudgementResult.TIMEOUT.value, None, None
    score = None if verdict.evaluation == REFUSAL else _MILLION // (2 if verdict.flagged else 1)
    return JudgementResult.JUDGED.value, int(verdict.flagged), score


def _labelled(verdicts: Iterable[PastVerdict], callers: int) -> Iterator[PastVerdict]:
    """The last ones of the first service: as many that are flagged as that are not."""
    left = {True: MOST_LABELS, False: MOST_LABELS}
    for one in reversed([*verdicts]):
        if one.unit % callers == 1 % callers and one.evaluation == FAITHFULNESS and (
                one.flagged is not None and left[one.flagged]):
            left[one.flagged] -= 1
            yield one
