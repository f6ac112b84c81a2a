"""What is reckoned from a ledger once an hour: when the hour is over, and its calls are counted.

A connection of its own reads, so that neither senders nor scrapes wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Generic, TypeVar

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.threads import Loop

SETTLED = 120 * 10**9  # nanoseconds, after which all calls of an hour are counted
RETRY_SECONDS = 60.0  # after a turn that failed
KEPT = 2 * HOUR  # a reading that is older tells of another time
_T = TypeVar("_T")


class HourlyReading(Generic[_T]):
    """A reading of all gateways of a ledger, which go on writing it.

    `reckoned` makes it of the ledger, and of now in Unix nanoseconds. `nothing`: one of no calls.
    """

    def __init__(self, name: str, opened: Callable[[], Database],
                 reckoned: Callable[[Database, int], _T], nothing: _T,
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._reckoned, self._clock = opened, reckoned, clock
        self._nothing = self._last = nothing
        self._reckoned_at = 0  # Unix nanoseconds
        self.loop = Loop(name, self.reckon, self._pause)

    def reading(self) -> _T:
        """The last one; nothing where none could be reckoned of late."""
        return self._last if self._clock() - self._reckoned_at < KEPT else self._nothing

    def reckon(self) -> None:
        """Replace all of it. Raises what the database does; then the old one stays a while."""
        now = self._clock()
        with closing(self._opened()) as database:
            last = self._reckoned(database, now)
        self._last, self._reckoned_at = last, now

    def _pause(self) -> float:
        """Seconds until the next hour is over, and counted."""
        now = self._clock()
        if complete_until(now) != complete_until(self._reckoned_at):
            return RETRY_SECONDS
        return (HOUR - (now - SETTLED) % HOUR) / 1e9


def complete_until(now: int) -> int:
    """The hour before which all are over, and their calls counted."""
    return (now - SETTLED) // HOUR
