"""What came of reconciling bills, kept for 13 months: written by the command, read every minute.

A connection of its own reads it, so that neither senders nor scrapes wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cache

from sqlalchemy import bindparam, delete, select

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.database import Database
from inferometer.ledger.schema import RECONCILIATIONS
from inferometer.sinks.reconciliation import MONTHS_KEPT, ReconciledMonth
from inferometer.threads import Loop

PAUSE_SECONDS = 60.0
_COLUMNS = [column.name for column in RECONCILIATIONS.c]


class ReconciliationStatements(Compiler):
    """Statements of one dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        table = RECONCILIATIONS
        self.months = self._text(select(*table.c).order_by(table.c.month.desc()))
        self.put = self._text(self._upsert(table, set_=tuple(_COLUMNS[1:])))
        self.delete_before = self._text(delete(table).where(table.c.month < bindparam("month_")))


@cache
def statements_of(dialect: str) -> ReconciliationStatements:
    """Those of a dialect, compiled once."""
    return ReconciliationStatements(dialect)


def months_of(database: Database) -> list[ReconciledMonth]:
    """The months that are kept, the newest first."""
    rows: Iterable[Iterable[object]] = database.connection.execute(
        statements_of(database.dialect).months).fetchall()
    return [ReconciledMonth(*row) for row in rows]  # type: ignore[arg-type]  # as the table has it


def keep(database: Database, month: ReconciledMonth) -> None:
    """Write it in the place of what was kept of this month, and drop what is too old."""
    statements = statements_of(database.dialect)
    with database.transaction() as connection:
        connection.execute(statements.put, tuple(month))
        kept = connection.execute(statements.months).fetchall()
        if len(kept) > MONTHS_KEPT:
            connection.execute(statements.delete_before, (kept[MONTHS_KEPT - 1][0],))


class Reconciliations:
    """Those of a ledger, for the page."""

    def __init__(self, opened: Callable[[], Database]) -> None:
        self._opened = opened
        self._months: Mapping[str, ReconciledMonth] = {}
        self.loop = Loop("reconciliations", self.read, lambda: PAUSE_SECONDS)

    def reading(self) -> Mapping[str, ReconciledMonth]:
        """By month, as it was read last."""
        return self._months

    def read(self) -> None:
        """Replace all of it. Raises what the database does; then the old ones stay."""
        with closing(self._opened()) as database:
            self._months = {one.month: one for one in months_of(database)}
