"""What people say of judged answers: drawn for them at random, written down, and undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from typing import NamedTuple

from inferometer.evaluations import RANDOM, AnswerLabel
from inferometer.ledger.database import JUDGING, Database
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.answers import answer_of_trace
from inferometer.ledger.judging.reading import present_judge
from inferometer.ledger.judging.reading_statements import statements_of
from inferometer.quality.judge.interface import JudgeUnit
from inferometer.quality.rates.sample import WINDOW


class UnlabelledAnswer(NamedTuple):
    """An answer to be labelled. The judge's verdict is no part of it."""

    unit: int
    evaluation: str
    content: JudgeUnit  # what was asked, brought and answered
    trace: bytes


class LabelDraw(NamedTuple):
    """Answers in a random order, and why there are no more."""

    answers: Sequence[UnlabelledAnswer]
    without_content: int  # of those that were drawn, left out
    is_complete: bool  # whether there were enough on either side of the verdict


class NewLabel(NamedTuple):
    """A label, and what its reviewer wrote with it."""

    unit: int
    evaluation: str
    flagged: bool  # the answer fails
    note: str = ""


class WrittenLabels(NamedTuple):
    """What became of labels."""

    new: int
    changed: int
    same: int


class UnknownAnswersError(ValueError):
    """No judge has a verdict on these answers."""

    def __init__(self, answers: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"no judged answers: {answers}")
        self.answers = answers  # their numbers, with the evaluation


def draw(database: Database, evaluation: str, many: int, reviewer: str, now: int,
         chance: Random | None = None) -> LabelDraw:
    """Answers that this reviewer has not labelled: half of them flagged by the judge, half not.

    They are of the random sample of the 28 days before `now`, Unix nanoseconds, as the present
    judge saw it. Either half is drawn at random from all that there are.
    """
    chance = chance or SystemRandom()
    judge = present_judge(database)
    if judge is None:
        return LabelDraw((), 0, False)
    sides: dict[bool, list[int]] = {True: [], False: []}
    for unit, flagged in database.connection.execute(
            statements_of(database.dialect).drawable,
            (judge.number, evaluation, now - WINDOW, reviewer)).fetchall():
        sides[bool(flagged)].append(unit)
    answers: list[UnlabelledAnswer] = []
    without = 0
    complete = True
    for flagged, size in ((True, (many + 1) // 2), (False, many // 2)):
        units = sorted(sides[flagged])
        chance.shuffle(units)
        chosen: list[UnlabelledAnswer] = []
        for unit in units:
            if len(chosen) == size:
                break
            answer = read(database, unit, evaluation)
            without += answer is None
            if answer is not None:
                chosen.append(answer)
        complete &= len(chosen) == size
        answers += chosen
    chance.shuffle(answers)  # so that their order tells nothing of the verdicts
    return LabelDraw(tuple(answers), without, complete)


def read(database: Database, unit: int, evaluation: str) -> UnlabelledAnswer | None:
    """An answer with what was said; None where that is not kept any more."""
    row = database.connection.execute(
        statements_of(database.dialect).unit, (unit,)).fetchone()
    answer = row and answer_of_trace(database, bytes(row[0]), row[1])
    return UnlabelledAnswer(unit, evaluation, answer.unit, bytes(row[0])) if answer else None


def write(database: Database, labels: Sequence[NewLabel], reviewer: str,
          clock: Callable[[], int]) -> WrittenLabels:
    """Write all of them, or none. Raises UnknownAnswersError.

    What the reviewer has said already stays as it was said, at its time.
    """
    statements = statements_of(database.dialect)
    with database.transaction(alone=JUDGING) as connection:
        streams = {}
        for label in labels:
            key = label.unit, label.evaluation
            streams[key] = connection.execute(statements.stream_of, key).fetchone()
        if unknown := [key for key, stream in streams.items() if stream is None]:
            raise UnknownAnswersError(unknown)
        now = clock()
        outcome = {"new": 0, "changed": 0, "same": 0}
        for label in labels:
            key = label.unit, label.evaluation
            before = connection.execute(statements.find_label, (*key, reviewer)).fetchone()
            if before and (bool(before[0]), before[1] or "") == (label.flagged, label.note):
                outcome["same"] += 1
                continue
            is_labelled = connection.execute(statements.find_any_label, (*key, 1, 0)).fetchone()
            connection.execute(statements.put_label, (
                *key, reviewer, int(label.flagged), now, label.note or None))
            outcome["changed" if before else "new"] += 1
            service, model, stratum = streams[key]
            if is_labelled is None and stratum == RANDOM:
                counters.add(database, {counters.labels(
                    "judged", model, service, label.evaluation): {("sample", "labelled"): 1}})
    return WrittenLabels(**outcome)


def undo(database: Database, unit: int, evaluation: str, reviewer: str) -> bool:
    """Remove a label; whether there was one."""
    with database.transaction(alone=JUDGING) as connection:
        return bool(connection.execute(statements_of(database.dialect).delete_label, (
            unit, evaluation, reviewer)).rowcount)


def label_of(database: Database, unit: int, evaluation: str, reviewer: str
             ) -> AnswerLabel | None:
    """What the reviewer says of an answer."""
    row = database.connection.execute(statements_of(database.dialect).find_label, (
        unit, evaluation, reviewer)).fetchone()
    return AnswerLabel(unit, evaluation, reviewer, bool(row[0]), row[2]) if row else None
