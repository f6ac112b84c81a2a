"""What a day of judging may take: its calls and its money, and which part of traces is chosen.

A day is one of UTC, and all that judge for a ledger share it. Where what is left would not last
until its end, a smaller part of the traces is chosen for the rest of it; traces are chosen by their
place, so these are among those of the larger part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from inferometer.evaluations import RANDOM
from inferometer.ledger.counting import BILLION, HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.judging.statements import statements_of

DAY = 24 * HOUR
VOTED_SHARE = 0.25  # of a day's calls, at most, for answers that were voted down
TRAFFIC = HOUR  # nanoseconds, by whose traces those of the rest of the day are reckoned
LEAST_TIME = HOUR // 60  # of traffic that is reckoned with
LEAST_CHOSEN = 5  # units, below which nothing is reckoned
USUAL_CALLS = 4.0  # for a unit, while none is judged


@dataclass(frozen=True)
class DailyLimits:
    """What the configuration allows."""

    ratio: float  # of traces
    usd: float
    calls: int


class JudgedDay(NamedTuple):
    """What has been taken of a day."""

    ratio: float  # of traces, of which answers are chosen now
    calls: int = 0
    voted_calls: int = 0
    cost: int = 0  # nano-USD, of requests that are priced
    priced_calls: int = 0
    open_calls: int = 0  # on their way, or lost

    @property
    def call_cost(self) -> float:
        """Nano-USD of one call, as far as that is known."""
        return self.cost / self.priced_calls if self.priced_calls else 0.0

    def spent_ratio(self, limits: DailyLimits) -> float:
        """Which part of the budget is spent, of calls or of money, whichever is more."""
        money = self.cost / BILLION / limits.usd if limits.usd else float(self.cost > 0)
        return min(1.0, max(self.calls / limits.calls, money))

    def is_spent(self, limits: DailyLimits, voted: bool = False) -> bool:
        """Whether one call more would be too many, or too dear."""
        dear = self.cost + (self.open_calls + 1) * self.call_cost > limits.usd * BILLION
        return self.calls >= limits.calls or dear or (voted and (
            self.voted_calls >= VOTED_SHARE * limits.calls
            or self.voted_calls * self.call_cost > VOTED_SHARE * limits.usd * BILLION))


def read_day(database: Database, now: int, limits: DailyLimits) -> JudgedDay:
    """The day of `now`, Unix nanoseconds."""
    connection, statements = database.connection, statements_of(database.dialect)
    day = now // DAY
    row = connection.execute(statements.find_day, (day,)).fetchone()
    if row is None:
        return JudgedDay(limits.ratio)
    _, ratio, calls, voted_calls, cost, priced_calls = row
    (open_calls,) = connection.execute(statements.count_open, (day,)).fetchone()
    return JudgedDay(min(limits.ratio, ratio / BILLION), calls, voted_calls, cost, priced_calls,
                     open_calls)


def add_to_day(database: Database, day: int, calls: int = 0, voted_calls: int = 0, cost: int = 0,
               priced_calls: int = 0) -> None:
    """Add to the sums of a day, in the caller's transaction."""
    database.connection.execute(statements_of(database.dialect).add_to_day, (
        day, BILLION, calls, voted_calls, cost, priced_calls))


class UnseenTraces(NamedTuple):
    """Traces that have settled and are not looked at yet, where these are many."""

    traces: float = 0.0
    since: int = 0  # when the first of them arrived; Unix nanoseconds


NONE_UNSEEN = UnseenTraces()


def lasting_ratio(database: Database, now: int, limits: DailyLimits,
                  unseen: UnseenTraces = NONE_UNSEEN) -> float:
    """Which part of the traces is to be chosen now; written down where it has become less.

    In the caller's transaction.
    """
    day = read_day(database, now, limits)
    left = _units_left(database, now, limits, day)
    expected = _expected(database, now, unseen)
    ratio = min(day.ratio, left / expected) if expected > left else day.ratio
    if ratio < day.ratio:
        database.connection.execute(statements_of(database.dialect).put_ratio, (
            now // DAY, round(ratio * BILLION), 0, 0, 0, 0))
    return ratio


def _units_left(database: Database, now: int, limits: DailyLimits, day: JudgedDay) -> float:
    """Answers that may be chosen yet, by what those of today and yesterday took."""
    connection, statements = database.connection, statements_of(database.dialect)
    left = float(limits.calls - day.calls)
    if day.call_cost:
        left = min(left, (limits.usd * BILLION - day.cost) / day.call_cost - day.open_calls)
    asked, units = connection.execute(statements.count_asked, (now // DAY - 1,)).fetchone()
    per_unit = asked / units if units else USUAL_CALLS
    waiting: dict[str, int] = dict(connection.execute(statements.count_waiting).fetchall())
    return max(0.0, left / per_unit - waiting.get(RANDOM, 0))


def _expected(database: Database, now: int, unseen: UnseenTraces) -> float:
    """Traces that come until the day ends, and unseen ones; 0 where nothing tells how many."""
    rest = DAY - now % DAY
    if unseen.traces:
        return unseen.traces * (1 + rest / max(now - unseen.since, TRAFFIC))
    since = now - TRAFFIC
    chosen, traces, first = 0, 0.0, now
    for probability, number, begin in database.connection.execute(
            statements_of(database.dialect).sum_sample, (since // DAY, since)).fetchall():
        chosen, traces = chosen + number, traces + number * BILLION / probability
        first = min(first, begin)
    if chosen < LEAST_CHOSEN:
        return 0.0
    # Of the time that they took: what began just now is no hour's traffic.
    return traces * rest / max(now - first, LEAST_TIME)
