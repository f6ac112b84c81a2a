"""When votes are cast, joined and deleted: the ledger's own thread asks it in its turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inferometer.ledger.ballots import Ballots, Joined
from inferometer.ledger.database import Database
from inferometer.ledger.retention import DAY
from inferometer.ledger.settler import Settler
from inferometer.ledger.store import Forms
from inferometer.votes import Casting

EXPIRE_SECONDS = 60.0  # between looks for votes whose call does not come


class VoteKeeper:
    """Counters are the settler's: each step is one transaction of its."""

    def __init__(self, database: Database, forms: Forms, settler: Settler, takes_votes: bool,
                 monotonic: Callable[[], float], joined: Joined | None = None) -> None:
        self._settler, self._monotonic = settler, monotonic
        self._ballots = Ballots(database, forms, joined)
        settler.subjects.enabled = takes_votes or self._ballots.any_vote()
        self._joins_all = True  # what waits from before the start
        self._expire_at = 0.0

    def cast(self, votes: Sequence[tuple[Casting, int]]) -> None:
        """Write votes, each with its arrival in Unix nanoseconds, and what becomes of them."""
        if votes:
            self._settler.subjects.enabled = True
            self._settler.meter(lambda seats: self._ballots.cast(votes, seats))

    def join_new(self) -> None:
        """Join votes that wait with the calls that have settled since."""
        new = self._settler.subjects.new
        if not (new or self._joins_all):
            return
        subjects = None if self._joins_all else {*new}
        if self._ballots.waits():
            self._settler.meter(lambda seats: self._ballots.join(subjects, seats))
        new.clear()
        self._joins_all = False

    def purge(self, now: int, days: int) -> bool:
        """Delete some of what is old; whether there may be more. `now`: Unix nanoseconds.

        `days`: for which votes are kept; 0 where that is not set yet.
        """
        if self._monotonic() >= self._expire_at:
            self._expire_at = self._monotonic() + EXPIRE_SECONDS
            # Of several gateways, votes may come to another one.
            self._settler.subjects.enabled |= self._ballots.any_vote()
            if self._ballots.waits():
                self._settler.meter(lambda _: self._ballots.expire(now))
        return bool(days) and self._ballots.purge(now, days * DAY)
