"""Deletes what is kept for long enough, in chunks that hold no commit up for long.

Counters stay: what of them came from rows that are deleted is noted beside, so that `verify` can
still reckon them from the rows.
"""

from __future__ import annotations

from inferometer.ledger.counting import HOUR, Additions, CountedRow
from inferometer.ledger.file import File
from inferometer.ledger.schema import FactState
from inferometer.ledger.seats import SeatTable

CHUNK = 500  # facts
DAY = 24 * HOUR
FREED_PAGES = 200  # that are given back at a time
PURGED = "purged_until"  # in the table meta: when the youngest row that is deleted had arrived


class Retention:
    """What is kept for how long."""

    def __init__(self, file: File) -> None:
        self._file = file
        self.days = self.rollup_days = 0  # 0: not told yet
        self._rollups_until = 0  # hour

    def purge(self, now: int, seats: SeatTable) -> bool:
        """Delete one chunk of what is too old; whether there was any. `now`: Unix nanoseconds."""
        if not self.days:
            return False
        statements, connection = self._file.statements, self._file.connection
        horizon = now - self.days * DAY
        last = 0
        arrived = 0
        for seq, arrived_at, state in connection.execute(statements.oldest_facts, (CHUNK, 0)):
            if arrived_at >= horizon or state == FactState.PENDING:
                break
            last, arrived = seq, max(arrived, arrived_at)
        if last:
            self._delete(last, arrived, seats)
        elif self._rollups_until < (hour := (now - self.rollup_days * DAY) // HOUR):
            connection.execute(statements.delete_rollups, (self._file.gateway, hour))
            self._rollups_until = hour
        return bool(last)

    def _delete(self, last: int, arrived: int, seats: SeatTable) -> None:
        statements, gateway = self._file.statements, self._file.gateway
        added = Additions(seats.shown)
        with self._file.transaction() as connection:
            for row in connection.execute(statements.counted_until, (last,)):
                added.add(CountedRow(*row))
            connection.executemany(statements.add_counter, [
                (gateway, *key, 0, value) for key, value in added.counters.items()])
            for delete in statements.delete_until:
                connection.execute(delete, (last,))
            connection.execute(statements.put_meta, (PURGED, str(arrived)))
        # A pragma that gives rows gives back pages only as these are read, to the last.
        self._file.connection.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")
