"""Counters of judging: of a gateway's ledger, whichever process judges.

They are under a name and under label tuples of their own, so that another process may write them
beside the gateway, which has its own counters in memory; the gateway reads these, and shows them.
They have no rows that retention deletes: as `verify` sees them, such rows are deleted already.
"""

from __future__ import annotations

from collections.abc import Mapping

from inferometer.ledger.database import Database
from inferometer.ledger.judging.statements import statements_of
from inferometer.ledger.seats import NUMBERS_BITS, Labels, SeatRow, SeatTable
from inferometer.sinks.metrics import CounterReading

SUFFIX = " judge"  # behind the name of a gateway
JUDGE = "judge"  # in the place of a provider: so a sender's own evaluation has another tuple
_FIRST = 2**20  # the number, in label tuples, of what judges for gateway 0
Grown = Mapping[tuple[str, str, str, str, str, str], Mapping[tuple[str, str], int]]


def name_of(gateway: str) -> str:
    """Whose counters they are, for a gateway."""
    return f"{gateway}{SUFFIX}"


def labels(kind: str, model: str, service: str = "", name: str = ""
           ) -> tuple[str, str, str, str, str, str]:
    """The label tuple of a counter."""
    return kind, JUDGE, model, "", service, name


def add(database: Database, grown: Grown) -> None:
    """Write what counters grow by, by label tuple, and by name and part.

    The caller's transaction holds it, alone with the name JUDGING.
    """
    connection, first = database.connection, _first_seat(database)
    seats = _seats(database, first)
    rows: dict[tuple[int, str, str], int] = {}
    for of_seat, parts in grown.items():
        seat = seats.shown(seats.id_of(of_seat))
        for (name, part), value in parts.items():
            key = seat, name, part
            rows[key] = rows.get(key, 0) + value
    database.insert(database.statements.insert_seat, [
        (seat.id, *seat.labels, int(seat.seated)) for seat in seats.unsaved])
    connection.executemany(database.statements.add_counter, [
        (name_of(database.gateway), *key, value, value) for key, value in sorted(rows.items())])


def read(database: Database) -> CounterReading:
    """All of them; the caller's snapshot holds it."""
    counters = {(seat, name, part): value for seat, name, part, value
                in database.connection.execute(
                    statements_of(database.dialect).counters_of,
                    (name_of(database.gateway),)).fetchall()}
    seats = _seats(database, _first_seat(database)).seats
    return CounterReading(sum(counters.values()), counters, {
        number: seat.labels for number, seat in seats.items() if seat.seated})


def _first_seat(database: Database) -> int:
    return (_FIRST + (database.first_seat >> NUMBERS_BITS)) << NUMBERS_BITS | 1


def _seats(database: Database, first: int) -> SeatTable:
    last = (first >> NUMBERS_BITS) + 1 << NUMBERS_BITS
    return SeatTable((SeatRow(row[0], Labels(*row[1:7]), bool(row[7])) for row
                      in database.connection.execute(
                          statements_of(database.dialect).seats_between,
                          (first, last - 1)).fetchall()), first)
