"""What judging has come to, read again and again: whichever process judges writes it down.

A connection of its own reads it, so that neither senders nor scrapes wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from inferometer.ledger.database import Database
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.days import DailyLimits, read_day
from inferometer.ledger.judging.statements import statements_of
from inferometer.sinks.judging import JudgeCondition
from inferometer.sinks.metrics import CounterReading
from inferometer.threads import Loop

READ_SECONDS = 5.0  # between two readings
KEPT = 120 * 10**9  # nanoseconds, after which a reading tells of another time
NOTHING = CounterReading(-1, {}, {})


class JudgingFigures:
    """Those of a gateway's ledger."""

    def __init__(self, opened: Callable[[], Database], limits: DailyLimits,
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._clock, self.limits = opened, clock, limits
        self._counters = NOTHING  # counters stay as they were where they cannot be read
        self._condition: JudgeCondition | None = None
        self._read_at = 0
        self.loop = Loop("judging", self.read, lambda: READ_SECONDS)

    def counters(self) -> CounterReading:
        """All that it has counted, as it was last seen."""
        return self._counters

    def condition(self) -> JudgeCondition | None:
        """How it does; None where that could not be read of late."""
        return self._condition if self._clock() - self._read_at < KEPT else None

    def read(self) -> None:
        """Read all of it anew. Raises what the database does."""
        now = self._clock()
        with closing(self._opened()) as database, database.snapshot() as connection:
            statements = statements_of(database.dialect)
            grown = counters.read(database)
            day = read_day(database, now, self.limits)
            waiting = dict(connection.execute(statements.count_waiting).fetchall())
            judge = connection.execute(statements.present_judge, (1, 0)).fetchone()
        self._condition = JudgeCondition(
            sum(waiting.values()), 0.0 if day.is_spent(self.limits) else day.ratio,
            day.spent_ratio(self.limits), (judge[1], judge[2]) if judge else None)
        self._counters, self._read_at = grown, now
