"""Whether a ledger takes anything now: what waits for its writer, what fails, and how much room is.

Nothing is taken while nothing can be written, and before the disk is full: what is left is for what
was acknowledged, whose counting writes as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from inferometer.catalogue import REFUSAL
from inferometer.ledger.database import Database
from inferometer.threads import Failures

LEAST_FREE = 0.05  # of the disk: below it nothing is taken
TIGHT_FREE = 0.1  # below it content goes
TIGHT_SIZE = 0.9  # the same, of max_bytes
AGAIN = 0.2  # by which it must be better than a bound until it holds no more
STUCK_SECONDS = 15.0  # for which something waits that could be written
WRITE_FAILED, DISK_FULL, TOO_LARGE = REFUSAL.values
WHY: Mapping[str, str] = {
    WRITE_FAILED: "nothing can be written to the ledger",
    DISK_FULL: f"less than {LEAST_FREE:.0%} of the ledger's disk is free",
    TOO_LARGE: "the ledger has come to ledger.max_bytes"}

log = logging.getLogger(__name__)


class Pressure:
    """Asked by all threads; told by the writer's alone."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock
        self.max_bytes = 0  # 0: as many as the disk has
        self.waits_since: int | None = None  # arrival of the oldest that waits, Unix nanoseconds
        self.failing = False
        self._failing_since = 0
        self._failures = Failures("ledger")
        self._no_room = ""  # why there is no room; empty if there is
        self._reported = ""
        self.tight = False  # whether content is to go

    @property
    def lag(self) -> float:
        """Seconds for which the oldest has waited to be written, or nothing could be."""
        since = [one for one in (self.waits_since, self._failing_since if self.failing else None)
                 if one is not None]
        return max(0.0, (self._clock() - min(since)) / 1e9) if since else 0.0

    @property
    def refusal(self) -> str:
        """A value of REFUSAL while nothing is taken; empty otherwise."""
        return WRITE_FAILED if self.failing or self.lag >= STUCK_SECONDS else self._no_room

    def try_to(self, write: Callable[[], object]) -> None:
        """Write something small, and know by it whether anything can be written."""
        try:
            write()
        except self._database.failures as error:
            self._failures.note(error)
            if not self.failing:
                self._failing_since = self._clock()
            self.failing = True
        else:
            self.failing = False
        self._report()

    def look(self) -> None:
        """See how much room there is."""
        size, disk = self._database.bytes(), self._database.disk()
        free, total = disk or (1, 1)
        slack = 1 + AGAIN if self._no_room == DISK_FULL else 1.0
        most = self.max_bytes * (1 - AGAIN / 10 if self._no_room == TOO_LARGE else 1.0)
        self._no_room = (DISK_FULL if free < slack * LEAST_FREE * total else
                         TOO_LARGE if self.max_bytes and size >= most else "")
        self.tight = free < TIGHT_FREE * total or bool(
            self.max_bytes and size >= TIGHT_SIZE * self.max_bytes)
        self._report()

    def _report(self) -> None:
        """One line where it begins, or ends, to take nothing."""
        if (now := self.refusal) == self._reported:
            return
        if now:
            log.error("the ledger takes nothing: senders are put off", extra={"why": WHY[now]})
        else:
            log.warning("the ledger takes calls again")
        self._reported = now
