"""What the votes that hold come to, of calls of the last complete hours: reckoned once an hour.

A connection of its own reads them, so that neither senders nor scrapes wait for it. A ratio is of
one set of calls, those that arrived in these hours, whenever people voted on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.vote_statements import statements_of
from inferometer.sinks.feedback import Ratios
from inferometer.threads import Loop

HOURS = 24  # that are looked at
SETTLED = 120 * 10**9  # nanoseconds, after which all calls of an hour are counted
RETRY_SECONDS = 60.0  # after a turn that failed
KEPT = 2 * HOUR  # a reading that is older tells of another time
SATISFACTION = "satisfaction"
OF_CALLS = ("regenerate", "copy")  # kinds that are held against all calls


class VoteRatios:
    """Those of all gateways of a ledger, which go on writing it."""

    def __init__(self, opened: Callable[[], Database],
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._clock = opened, clock
        self._reckoned_at = 0  # Unix nanoseconds
        self._ratios: Ratios = {}
        self.loop = Loop("feedback", self.reckon, self._pause)

    def reading(self) -> Ratios:
        """By service, model and kind; nothing where they could not be reckoned of late."""
        return self._ratios if self._clock() - self._reckoned_at < KEPT else {}

    def reckon(self) -> None:
        """Replace all of it. Raises what the database does; then the old ones stay a while."""
        now = self._clock()
        with closing(self._opened()) as database:
            ratios = ratios_of(database, now)
        self._ratios, self._reckoned_at = ratios, now

    def _pause(self) -> float:
        """Seconds until the next hour is over, and counted."""
        now = self._clock()
        if complete_until(now) != complete_until(self._reckoned_at):
            return RETRY_SECONDS
        return (HOUR - (now - SETTLED) % HOUR) / 1e9


def complete_until(now: int) -> int:
    """The hour before which all are over, and their calls counted."""
    return (now - SETTLED) // HOUR


def ratios_of(database: Database, now: int) -> Ratios:
    """Those of the complete hours before `now`, Unix nanoseconds."""
    until = complete_until(now)
    since = until - HOURS
    statements = statements_of(database.dialect)
    ratios: dict[tuple[str, str, str], float] = {}
    with database.snapshot() as connection:
        kinds = {*map(tuple, connection.execute(statements.kinds_by_service).fetchall())}
        if not kinds:
            return ratios
        votes = {(service, model, kind): (calls, number) for service, model, kind, calls, number
                 in connection.execute(statements.sum_votes, (since * HOUR, until * HOUR))}
        calls_by_model = connection.execute(statements.sum_calls, (since, until)).fetchall()
    for service, model in {key[:2] for key in votes}:
        up, down = (votes.get((service, model, kind), (0, 0))[1]
                    for kind in ("thumbs_up", "thumbs_down"))
        if up + down:
            ratios[service, model, SATISFACTION] = up / (up + down)
    for service, model, calls in calls_by_model:
        for kind in OF_CALLS:
            if calls and (service, kind) in kinds:
                ratios[service, model, kind] = votes.get(
                    (service, model, kind), (0, 0))[0] / int(calls)
    return ratios
