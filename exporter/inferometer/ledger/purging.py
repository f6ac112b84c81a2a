"""Deletes the oldest rows of a file, in chunks that hold no commit up for long."""

from __future__ import annotations

from inferometer.ledger.counting import Additions, CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.schema import FactState
from inferometer.ledger.seats import SeatTable

CHUNK = 500  # facts
PURGED = "purged_until"  # in the table meta: when the youngest row that is deleted had arrived


def delete_oldest(database: Database, horizon: int, seats: SeatTable) -> bool:
    """Delete one chunk of what arrived before the horizon; whether there was any."""
    last = arrived = 0
    for seq, arrived_at, state in database.connection.execute(
            database.statements.oldest_facts, (CHUNK, 0)):
        if arrived_at >= horizon or state == FactState.PENDING:
            break
        last, arrived = seq, max(arrived, arrived_at)
    if last:
        _delete(database, last, arrived, seats)
    return bool(last)


def delete_content(database: Database, horizon: int = 0) -> bool:
    """Delete what was said, of the oldest facts that have it; whether there was any.

    `horizon`: of those that arrived before it; 0: of any.
    """
    statements, connection = database.statements, database.connection
    last = 0
    for seq, arrived in connection.execute(statements.oldest_contents, (CHUNK, 0)).fetchall():
        if horizon and arrived >= horizon:
            break
        last = seq
    if last:
        with database.transaction():
            connection.execute(statements.delete_contents_until, (last,))
    return bool(last)


def _delete(database: Database, last: int, arrived: int, seats: SeatTable) -> None:
    statements, added = database.statements, Additions(seats.shown)
    with database.transaction() as connection:
        for row in connection.execute(statements.counted_until, (last,)):
            added.add(CountedRow(*row))
        connection.executemany(statements.add_counter, [
            (database.gateway, *key, 0, value) for key, value in added.counters.items()])
        for delete in statements.delete_until:
            connection.execute(delete, (last,))
        connection.execute(statements.put_meta, (PURGED, str(arrived)))
