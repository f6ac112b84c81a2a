"""How long what is kept is kept.

Counters stay: what of them came from rows that are deleted is noted beside, so that `verify` can
still reckon them from the rows.
"""

from __future__ import annotations

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import PURGING, Database
from inferometer.ledger.judging.keeping import JudgingRetention
from inferometer.ledger.request_statements import statements_of
from inferometer.ledger.seats import SeatTable

DAY = 24 * HOUR


class Retention:
    """What is kept for how long."""

    def __init__(self, database: Database) -> None:
        self._database, self._judging = database, JudgingRetention(database)
        self.days = self.rollup_days = self.content_days = 0  # 0: not told yet
        self._rollups_until = 0  # hour

    def purge(self, now: int, seats: SeatTable) -> bool:
        """Delete some of what is too old; whether there may be more. `now`: Unix nanoseconds."""
        if not self.days:
            return False
        database = self._database
        if database.purge(now - self.days * DAY, seats):
            return True
        if self.content_days and database.delete_content(now - self.content_days * DAY):
            return True
        if self._rollups_until < (hour := (now - self.rollup_days * DAY) // HOUR):
            with database.transaction(alone=PURGING) as connection:
                for statement in (database.statements.delete_rollups,
                                  *database.statements.ranking.delete_until):
                    connection.execute(statement, (hour,))
                connection.execute(statements_of(database.dialect).delete_settled_before,
                                   (now - self.days * DAY,))
            self._rollups_until = hour
        return self._judging.purge(now, self.days, self.content_days or self.days,
                                   self.rollup_days)
