"""Reckons counters and roll-ups anew from the rows, and says what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer.ledger.counting import HOUR, MEASURES, Additions, CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.purging import PURGED
from inferometer.ledger.schema import FactState
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.store import load_all_seats

MOST_SHOWN = 100  # differences


@dataclass(frozen=True)
class Discrepancy:
    """Something that is not as the rows have it."""

    place: str  # counters, rollups, facts
    key: str
    stored: object
    reckoned: object


@dataclass(frozen=True)
class Verified:
    """How much was looked at, and what differs."""

    facts: int
    rows: int
    counters: int
    rollups: int
    differences: Sequence[Discrepancy]


def verify(database: Database) -> Verified:
    """Compare everything, as it was at one moment; a gateway may go on meanwhile."""
    with database.snapshot() as connection:
        statements = database.statements
        meta = dict(connection.execute(statements.all_meta).fetchall())
        seats = load_all_seats(database)
        reckoned = Additions(seats.shown)
        counted: set[int] = set()
        rows = 0
        for row in database.stream(statements.all_counted):
            one = CountedRow(*row)
            reckoned.add(one)
            counted.add(one.seq)
            rows += 1
        counters = connection.execute(statements.every_counter).fetchall()
        rollups = connection.execute(statements.every_rollup).fetchall()
        facts, wrong = _facts(database, counted)
        differences = [
            *wrong, *_counters(counters, reckoned, seats),
            *_rollups(rollups, reckoned, seats, int(meta.get(PURGED, -1)))]
        return Verified(facts, rows, len(counters), len(rollups), differences)


def _facts(database: Database, counted: set[int]) -> tuple[int, list[Discrepancy]]:
    """How many there are; those that are not who they were, or whose row is missing."""
    keys, wrong, number = database.keys, [], 0
    for seq, digest, trace, span, state, row in database.stream(
            database.statements.all_identities):
        number += 1
        right = keys.trace_digest(trace) + keys.span_digest(trace, span)
        if digest != right:
            wrong.append(Discrepancy("facts", f"seq {seq}, its identity", digest, right))
        if state == FactState.SETTLED and row is not None and row not in counted:
            wrong.append(Discrepancy("facts", f"seq {seq}, its row", row, "missing"))
    return number, wrong


def _counters(stored: Sequence[tuple[int, str, str, int, int]], reckoned: Additions,
              seats: SeatTable) -> Iterator[Discrepancy]:
    left = reckoned.counters
    for seat, name, part, value, purged in stored:
        right = left.pop((seat, name, part), 0) + purged
        if value != right:
            yield Discrepancy("counters", _key(seats, seat, name, part), value, right)
    for (seat, name, part), right in left.items():
        yield Discrepancy("counters", _key(seats, seat, name, part), 0, right)


def _rollups(stored: Sequence[Sequence[object]], reckoned: Additions, seats: SeatTable,
             purged: int) -> Iterator[Discrepancy]:
    """Those of hours of which no row is deleted."""
    left = {key: sums for key, sums in reckoned.rollups.items() if key[0] > purged // HOUR}
    for hour, seat, user, *sums in stored:
        assert isinstance(hour, int)
        assert isinstance(seat, int)
        if hour <= purged // HOUR:
            continue
        right = left.pop((hour, seat, str(user)), [0] * len(MEASURES))
        for name, value, other in zip(MEASURES, sums, right, strict=True):
            if value != other:
                yield Discrepancy("rollups", _key(seats, seat, f"hour {hour}", str(user), name),
                                 value, other)
    for (hour, seat, user), right in left.items():
        yield Discrepancy("rollups", _key(seats, seat, f"hour {hour}", user), "missing", right[0])


def _key(seats: SeatTable, seat: int, *more: str) -> str:
    labels = seats.seats[seat].labels if seat in seats.seats else (f"seat {seat}",)
    return " ".join(filter(None, (*labels, *more)))


def as_data(verified: Verified) -> Mapping[str, object]:
    """For a program."""
    return {"facts": verified.facts, "rows": verified.rows, "counters": verified.counters,
            "rollups": verified.rollups, "differences": [
                vars(one) for one in verified.differences[:MOST_SHOWN]],
            "more": max(0, len(verified.differences) - MOST_SHOWN)}
