"""Answers that wait for a judge: who has one judged, what is asked of it, and what came of that.

A request is written down before it is sent, and its reply before the next one is. So who goes on
with a unit after a crash pays for no reply twice: only what was on its way then is sent once more,
and counts as spent. A verdict, its counters and the unit's state are one transaction. A unit is
one's who took it: each time it is taken its tries grow, and who has an older number of them writes
nothing more.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inferometer.catalogue import SCORE_BOUNDS
from inferometer.evaluations import FAIL, PASS, RANDOM, REFUSAL, UNKNOWN, VOTED, JudgementResult
from inferometer.ledger.counting import BILLION, SUM
from inferometer.ledger.database import JUDGING, Database, SqlConnection
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.answers import TraceAnswer, answer_of_trace
from inferometer.ledger.judging.days import DAY, DailyLimits, JudgedDay, add_to_day, read_day
from inferometer.ledger.judging.statements import ENDED, LEFT_OUT, WAITING, statements_of
from inferometer.ledger.store import Forms
from inferometer.quality.judge.interface import AnswerVerdict, JudgeReply, JudgeVersion
from inferometer.sinks.answers import REFUSED_BY_JUDGE

MOST_TRIES = 4
PAUSES = 60, 300, 1500  # seconds, after each try but the last
SPARE_SECONDS = 20.0  # that a unit is somebody's beyond the time of a call
MOST_LOST = 2  # requests of one step whose reply was lost with who sent it
SECOND = 10**9
MILLION = 10**6
_PARTS = [*map(str, SCORE_BOUNDS), "inf"]


class UnitLostError(Exception):
    """Another one has the unit by now."""


class BudgetSpentError(Exception):
    """One call more would be too many for the day, or too dear."""


class QueuedUnit(NamedTuple):
    """An answer that is judged: a row of the table `judged_units`."""

    id: int
    trace: bytes
    stratum: str
    call: int
    arrived: int
    day: int
    service_name: str
    model: str
    conversation: str
    digest: bytes
    probability: int
    state: int
    tries: int  # this one included
    due: int


class SentRequest(NamedTuple):
    """A request that is written down, and may be sent."""

    id: int
    day: int


class RequestPrice(NamedTuple):
    """What a request costs."""

    cost: int | None = None  # nano-USD; None where nobody knows it
    hosted: bool = False  # whether it is spent by it


# Of tokens in and out, at a time in Unix nanoseconds.
PriceTokens = Callable[[int | None, int | None, int], RequestPrice]


class JudgeQueue:
    """Those of a ledger, for one judge. Threads share it."""

    def __init__(self, database: Database, version: JudgeVersion, limits: DailyLimits,
                 price: PriceTokens, call_seconds: float,
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._database, self._version, self._price = database, version, price
        self._statements = statements_of(database.dialect)
        self.limits = limits
        self._lease = int((call_seconds + SPARE_SECONDS) * SECOND)
        self._clock = clock
        self._forms = Forms(database, read_only=True)
        self._lock = threading.RLock()  # over the connection
        self._judge = self._number_of_judge()

    def day(self) -> JudgedDay:
        """What is taken of this day."""
        with self._lock:
            return read_day(self._database, self._clock(), self.limits)

    @property
    def is_current(self) -> bool:
        """Whether the ledger is still the one of its name."""
        return self._database.is_current()

    def take(self) -> QueuedUnit | None:
        """One that is due, which is ours for a while; those of the random sample are first."""
        with self._lock:
            due = [self._database.connection.execute(self._statements.next_unit, (
                stratum, self._clock(), 1, 0)).fetchone() for stratum in (RANDOM, VOTED)]
        if due == [None, None]:
            return None  # without a transaction, for which others would wait
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            now = self._clock()
            day = read_day(self._database, now, self.limits)
            for stratum in (RANDOM, VOTED):
                if day.is_spent(self.limits, stratum == VOTED):
                    continue
                row = connection.execute(self._statements.next_unit, (
                    stratum, now, 1, 0)).fetchone()
                if row is None:
                    continue
                unit = QueuedUnit(*row)
                taken = unit._replace(tries=unit.tries + 1, due=now + self._lease)
                connection.execute(self._statements.take_unit, (
                    taken.tries, taken.due, unit.id, unit.tries))
                return taken
        return None

    def answer(self, unit: QueuedUnit) -> TraceAnswer | None:
        """What is to be judged; None where it is not kept any more."""
        with self._lock:
            return answer_of_trace(self._database, self._forms, unit.trace, unit.call)

    def reply_to(self, unit: QueuedUnit, step: str) -> JudgeReply | None:
        """What has come of a step before: its reply, or that it is not to be sent once more."""
        with self._lock:
            rows = self._database.connection.execute(
                self._statements.requests_of, (unit.id,)).fetchall()
        lost = 0
        for _, of_step, of_judge, result, tokens, output, answer in rows:
            if (of_step, of_judge) != (step, self._judge):
                continue
            if result == JudgementResult.JUDGED and answer is not None:
                return JudgeReply(answer, JudgementResult.JUDGED, "", tokens, output)
            lost += result is None
        return JudgeReply("", JudgementResult.FAILED, "its replies were lost") if (
            lost >= MOST_LOST) else None

    def begin(self, unit: QueuedUnit, step: str) -> SentRequest:
        """Write down that a request is about to be sent.

        Raises UnitLostError, and BudgetSpentError where it is one too many.
        """
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            now = self._clock()
            if not self._is_ours(connection, unit, now):
                raise UnitLostError
            is_voted = unit.stratum == VOTED
            if read_day(self._database, now, self.limits).is_spent(self.limits, is_voted):
                raise BudgetSpentError
            day = now // DAY
            last = connection.execute(self._statements.last_request).fetchone()[0] or 0
            connection.execute(self._statements.insert_request, (
                last + 1, unit.id, step, self._judge, day, now, None, None, None, None, None))
            add_to_day(self._database, day, calls=1, voted_calls=int(is_voted))
            return SentRequest(last + 1, day)

    def end(self, unit: QueuedUnit, sent: SentRequest, reply: JudgeReply) -> None:
        """Write down what came of it; without its words, where the unit is ours no more."""
        price = self._price(
            reply.input_tokens, reply.output_tokens, self._clock()) if (
            reply.input_tokens is not None or reply.output_tokens is not None) else RequestPrice()
        answer = _clean(reply.text) if reply.result == JudgementResult.JUDGED else None
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            if not self._is_ours(connection, unit, self._clock()):
                answer = None
            if not connection.execute(self._statements.end_request, (
                    str(reply.result), reply.input_tokens, reply.output_tokens, price.cost, answer,
                    sent.id)).rowcount:
                return
            if price.cost is not None:
                add_to_day(self._database, sent.day, cost=price.cost, priced_calls=1)
            counters.add(self._database, {counters.labels("judge", self._version.model): {
                ("input", ""): reply.input_tokens or 0, ("output", ""): reply.output_tokens or 0,
                ("cost", ""): price.cost or 0, ("hosted", ""): int(price.hosted),
                ("priced", ""): int(price.cost is not None)}})

    def finish(self, unit: QueuedUnit, verdicts: Sequence[AnswerVerdict]) -> None:
        """Write verdicts, what counters grow by, and that the unit is judged.

        Raises UnitLostError.
        """
        statements = self._statements
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            now = self._clock()
            self._leave(connection, unit, ENDED, now)
            connection.execute(statements.put_judge, (self._judge, *self._version, now))
            last = connection.execute(statements.last_judgement).fetchone()[0] or 0
            connection.executemany(statements.insert_judgement, [
                (last + i, unit.id, one.evaluation, self._judge, str(one.result),
                 None if one.flagged is None else int(one.flagged),
                 None if one.score is None else round(one.score * MILLION), now,
                 _clean(one.reasons) or None) for i, one in enumerate(verdicts, start=1)])
            connection.execute(statements.forget_answers, (unit.id,))
            if unit.stratum == RANDOM:  # what people chose to vote on is no figure
                counters.add(self._database, grown_by(unit, verdicts))

    def leave_out(self, unit: QueuedUnit) -> None:
        """Judge it no more: what was said is not there. Raises UnitLostError."""
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            self._leave(connection, unit, LEFT_OUT, self._clock())
            connection.execute(self._statements.forget_answers, (unit.id,))

    def put_back(self, unit: QueuedUnit, seconds: float, is_try: bool = True) -> None:
        """Have it asked about again after a while. `is_try`: whether it counts as tried.

        Raises UnitLostError.
        """
        with self._lock, self._database.transaction(alone=JUDGING) as connection:
            now = self._clock()
            # Also without: who had it must not have it by its old number.
            tries = unit.tries if is_try else unit.tries - 1
            self._leave(connection, unit, WAITING, now + int(seconds * SECOND), tries)

    def today(self) -> int:
        """Days of UTC since 1970."""
        return self._clock() // DAY

    def until_midnight(self) -> float:
        """Seconds that are left of the day."""
        return (DAY - self._clock() % DAY) / SECOND

    def close(self) -> None:
        """Close the ledger."""
        with self._lock:
            self._database.close()

    def _is_ours(self, connection: SqlConnection, unit: QueuedUnit, now: int) -> bool:
        """Have it for longer; whether it is ours."""
        return connection.execute(self._statements.take_unit, (
            unit.tries, now + self._lease, unit.id, unit.tries)).rowcount == 1

    def _leave(self, connection: SqlConnection, unit: QueuedUnit, state: int, due: int,
               tries: int | None = None) -> None:
        if not connection.execute(self._statements.leave_unit, (
                state, unit.tries if tries is None else tries, due, unit.id, unit.tries)).rowcount:
            raise UnitLostError

    def _number_of_judge(self) -> int:
        """The number that the ledger has of it, which is given once and for good."""
        statements = self._statements
        with self._database.transaction(alone=JUDGING) as connection:
            row = connection.execute(statements.find_judge, self._version).fetchone()
            if row is None:
                row = ((connection.execute(statements.last_judge).fetchone()[0] or 0) + 1,)
            connection.execute(statements.put_judge, (*row, *self._version, self._clock()))
            return int(row[0])


def grown_by(unit: QueuedUnit, verdicts: Iterable[AnswerVerdict]) -> counters.Grown:
    """What verdicts on an answer of the random sample add to counters."""
    grown: dict[tuple[str, str, str, str, str, str], dict[tuple[str, str], int]] = {}

    def count(kind: str, evaluation: str, name: str, part: str, value: int = 1) -> None:
        parts = grown.setdefault(
            counters.labels(kind, unit.model, unit.service_name, evaluation), {})
        parts[name, part] = parts.get((name, part), 0) + value

    for one in verdicts:
        count("judgements", "", "judged", str(one.result))
        if one.result != JudgementResult.JUDGED:
            continue
        label = UNKNOWN if one.flagged is None else FAIL if one.flagged else PASS
        count("evaluation", one.evaluation, "evaluated", label)
        if one.flagged is not None:
            count("judged", one.evaluation, "sample", "judged")
        if one.score is not None:
            count("evaluation", one.evaluation, "score",
                  _PARTS[bisect_left(SCORE_BOUNDS, one.score)])
            count("evaluation", one.evaluation, "score", SUM, round(one.score * BILLION))
        if one.evaluation == REFUSAL:
            count(REFUSED_BY_JUDGE, "", "ended", "success", int(bool(one.flagged)))
    return grown


def _clean(text: str) -> str:
    """What every database takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
