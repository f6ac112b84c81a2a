"""What the writer keeps in memory of the ledger's database, and what it writes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from inferometer.facts import Fact
from inferometer.ledger.counting import Additions, CountedRow, CounterKey
from inferometer.ledger.database import FORMS, Database
from inferometer.ledger.keys import Veiled
from inferometer.ledger.packing import KINDS, Unpacker, names_of, packer
from inferometer.ledger.parts_of_calls import JoinedCall
from inferometer.ledger.ranking import forget_rank
from inferometer.ledger.seats import NUMBERS_BITS, Labels, SeatRow, SeatTable
from inferometer.ledger.statements import CALL_COLUMNS, STEP_COLUMNS
from inferometer.ledger.traces import Kept

Counters = dict[CounterKey, int]


class Forms:
    """The forms of packed facts; one that is new is written when the ledger is opened."""

    def __init__(self, database: Database, read_only: bool = False) -> None:
        if read_only:
            forms = self._load(database)
        else:
            with database.transaction(alone=FORMS):
                forms = self._load(database)
                database.insert(database.statements.insert_form, [
                    (number, kind, json.dumps(names)) for (kind, names), number in forms.items()
                    if number > self._written])
        self.packers: Mapping[type[Fact], tuple[int, Callable[[Fact], str]]] = {
            type_: (forms[kind, names_of(type_)], packer(type_)) for kind, type_ in KINDS.items()}
        self.current = frozenset(number for number, _ in self.packers.values())
        self._unpackers = {number: Unpacker(kind, names)
                           for (kind, names), number in forms.items() if kind in KINDS}

    def _load(self, database: Database) -> dict[tuple[str, tuple[str, ...]], int]:
        """All forms by what they are, those that are new behind the others."""
        rows = database.connection.execute(database.statements.all_forms).fetchall()
        forms = {(kind, tuple(json.loads(names))): number for number, kind, names in rows}
        self._written = len(forms)
        for kind, type_ in KINDS.items():
            forms.setdefault((kind, names_of(type_)), len(forms) + 1)
        return forms

    def kept(self, row: Sequence[Any]) -> Kept:
        """The fact of a row of the table `facts`, with its users veiled."""
        seq, _, arrived, trace, span, parent, form, _, _, user, conversation, packed = row
        fact = self._unpackers[form].fact(packed, {
            "trace_id": trace, "span_id": span, "parent_id": parent,
            "user": Veiled(user or ""), "conversation": Veiled(conversation or "")})
        return Kept(fact, seq, arrived)


def load_seats(database: Database) -> SeatTable:
    """All label tuples of this gateway."""
    gateway = database.first_seat >> NUMBERS_BITS
    return SeatTable((seat for seat in _seats(database) if seat.id >> NUMBERS_BITS == gateway),
                     database.first_seat)


def load_all_seats(database: Database) -> SeatTable:
    """Those of all gateways, to be read."""
    return SeatTable(_seats(database))


def _seats(database: Database) -> Iterator[SeatRow]:
    for row in database.connection.execute(database.statements.all_seats):
        yield SeatRow(row[0], Labels(*row[1:7]), bool(row[7]))


def load_counters(database: Database) -> Counters:
    """This gateway's counters."""
    return {(seat, name, part): value for seat, name, part, value, _ in database.connection.execute(
        database.statements.all_counters, (database.gateway,))}


_CALL_VALUES, _STEP_VALUES = attrgetter(*CALL_COLUMNS), attrgetter(*STEP_COLUMNS)


def _insert(database: Database, rows: Sequence[CountedRow]) -> None:
    """Write rows in their order, each by the statement that binds least."""
    statements = database.statements
    calls: list[tuple[object, ...]] = []
    steps: list[tuple[object, ...]] = []
    others: list[CountedRow] = []
    for row in sorted(rows):
        if row.kind != "call" and row.run_calls is row.run_tools is None:
            steps.append(_STEP_VALUES(row))
        elif row.kind == "call" and row.decode is row.prefill is row.queue is None:
            calls.append(_CALL_VALUES(row))
        else:
            others.append(row)
    for insertion, values in ((statements.insert_counted_call, calls),
                              (statements.insert_counted_step, steps),
                              (statements.insert_counted, others)):
        database.insert(insertion, values)


def write_rows(database: Database, rows: Sequence[CountedRow], seats: SeatTable,
               joined: Sequence[JoinedCall] = ()) -> Counters:
    """Write rows, and with them counters and roll-ups. Returns what the counters grew by.

    `joined` are calls, new or not, of which the engine's own trace tells more.

    The caller's transaction holds all of it.
    """
    connection, statements, gateway = database.connection, database.statements, database.gateway
    added = Additions(seats.shown)
    for row in rows:
        added.add(row)
    for call, parts in joined:
        if parts.remainder is not None:
            added.add_parts(call.seat, parts)
    grown = added.counters
    database.insert(statements.insert_seat, [
        (seat.id, *seat.labels, int(seat.seated)) for seat in seats.unsaved])
    _insert(database, rows)
    connection.executemany(statements.put_phases, [
        (parts.queue, parts.prefill, parts.decode, parts.relay, parts.remainder, call.seq)
        for call, parts in joined])
    connection.executemany(statements.add_counter, [
        (gateway, *key, value, 0) for key, value in grown.items()])
    connection.executemany(statements.add_rollup, [
        (gateway, *key, *sums) for key, sums in added.rollups.items()])
    forget_rank(database, {(gateway, hour) for hour, *_ in added.rollups})
    return grown


def write_metered(database: Database, grown: Counters, seats: SeatTable) -> None:
    """Write what counters grow by of which there are no rows: as if these were deleted already."""
    statements = database.statements
    database.insert(statements.insert_seat, [
        (seat.id, *seat.labels, int(seat.seated)) for seat in seats.unsaved])
    database.connection.executemany(statements.add_counter, [
        (database.gateway, *key, value, value) for key, value in grown.items()])


Mark = tuple[int, int | None, int]  # a fact's new state, the row that it is part of, its number


def mark_facts(database: Database, own: list[int], marks: Sequence[Mark]) -> None:
    """Write what has become of facts. `own`: those with rows of their own, most side by side."""
    runs: list[tuple[int, int]] = []  # the first and the last of such
    own.sort()
    first = last = 0
    for seq in own:
        if seq == last + 1 and first:
            last = seq
            continue
        if first:
            runs.append((first, last))
        first = last = seq
    if first:
        runs.append((first, last))
    database.connection.executemany(database.statements.settle_fact, marks)
    database.connection.executemany(database.statements.settle_own, runs)
