"""What each user's calls cost in this month: reckoned once an hour from the roll-ups.

A connection of its own reads them, so that neither senders nor scrapes wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.dearest import dearest
from inferometer.threads import Loop

RETRY_SECONDS = 60.0  # after a turn that failed
KEPT = 2 * HOUR  # a reading that is older tells of another time
_NOTHING: Mapping[str, int] = {}


class UserCosts:
    """The dearest users of the month, in UTC; of a ledger that its gateway goes on writing."""

    def __init__(self, opened: Callable[[], Database],
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._clock = opened, clock
        self._reckoned_at = 0  # Unix nanoseconds
        self._costs = _NOTHING
        self.loop = Loop("users", self.reckon, self._pause)

    def reading(self) -> Mapping[str, int]:
        """Nano-USD by the user's hash; nothing where they could not be reckoned of late."""
        return self._costs if self._clock() - self._reckoned_at < KEPT else _NOTHING

    def reckon(self) -> None:
        """Replace all of it. Raises what the database does; then the old ones stay a while."""
        now = self._clock()
        with closing(self._opened()) as database:
            costs = month_costs(database, now)
        self._costs, self._reckoned_at = dearest(costs, self._costs), now

    def _pause(self) -> float:
        """Seconds until the next hour."""
        now = self._clock()
        if now // HOUR != self._reckoned_at // HOUR:
            return RETRY_SECONDS
        return (HOUR - now % HOUR) / 1e9


def month_costs(database: Database, now: int) -> dict[str, int]:
    """Nano-USD of the month of `now` by user, of calls whose price is known and not 0."""
    costs: dict[str, int] = {}
    with database.snapshot() as connection:
        # Hour by hour: the database has in memory what it groups at a time.
        for hour in range(_month_begin(now) // HOUR, now // HOUR + 1):
            for user, cost in connection.execute(
                    database.statements.user_costs, (database.gateway, hour)):
                costs[user] = costs.get(user, 0) + cost
    return costs


def _month_begin(now: int) -> int:
    """Unix nanoseconds of its first moment, UTC."""
    day = datetime.fromtimestamp(now / 1e9, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 10**9
