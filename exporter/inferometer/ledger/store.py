"""What the writer keeps in memory of the ledger's file, and what it writes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from inferometer.facts import Fact
from inferometer.ledger.counting import Additions, CountedRow, CounterKey
from inferometer.ledger.file import File
from inferometer.ledger.keys import Veiled
from inferometer.ledger.packing import KINDS, Unpacker, names_of, packer
from inferometer.ledger.schema import FactState
from inferometer.ledger.seats import Labels, SeatRow, SeatTable
from inferometer.ledger.traces import Kept

Counters = dict[CounterKey, int]


class Forms:
    """The forms of packed facts; one that is new is written when the ledger is opened."""

    def __init__(self, file: File, read_only: bool = False) -> None:
        rows = file.connection.execute(file.statements.all_forms).fetchall()
        forms = {(kind, tuple(json.loads(names))): number for number, kind, names in rows}
        new = [(kind, names_of(type_)) for kind, type_ in KINDS.items()
               if (kind, names_of(type_)) not in forms]
        for form in new:
            forms[form] = len(forms) + 1
        if new and not read_only:
            with file.transaction() as connection:
                connection.executemany(file.statements.insert_form, [
                    (forms[kind, names], kind, json.dumps(names)) for kind, names in new])
        self.packers: Mapping[type[Fact], tuple[int, Callable[[Fact], str]]] = {
            type_: (forms[kind, names_of(type_)], packer(type_)) for kind, type_ in KINDS.items()}
        self._unpackers = {number: Unpacker(kind, names)
                           for (kind, names), number in forms.items() if kind in KINDS}

    def kept(self, row: Sequence[Any]) -> Kept:
        """The fact of a row of the table `facts`, with its users veiled."""
        seq, _, arrived, trace, span, parent, form, _, _, user, conversation, packed = row
        fact = self._unpackers[form].fact(packed, {
            "trace_id": trace, "span_id": span, "parent_id": parent,
            "user": Veiled(user or ""), "conversation": Veiled(conversation or "")})
        return Kept(fact, seq, arrived)


def load_seats(file: File) -> SeatTable:
    """All label tuples."""
    return SeatTable(SeatRow(row[0], Labels(*row[1:7]), bool(row[7]))
                 for row in file.connection.execute(file.statements.all_seats))


def load_counters(file: File) -> Counters:
    """This gateway's counters."""
    return {(seat, name, part): value for seat, name, part, value, _ in file.connection.execute(
        file.statements.all_counters, (file.gateway,))}


def write_rows(file: File, rows: Sequence[CountedRow], seats: SeatTable) -> Counters:
    """Write rows, and with them counters and roll-ups. Returns what the counters grew by.

    The caller's transaction holds all of it.
    """
    connection, statements, gateway = file.connection, file.statements, file.gateway
    added = Additions(seats.shown)
    for row in rows:
        added.add(row)
    grown = added.counters
    connection.executemany(statements.insert_seat, [
        (seat.id, *seat.labels, int(seat.seated)) for seat in seats.unsaved])
    connection.executemany(statements.insert_counted, rows)
    connection.executemany(statements.add_counter, [
        (gateway, *key, value, 0) for key, value in grown.items()])
    connection.executemany(statements.add_rollup, [
        (gateway, *key, *sums) for key, sums in added.rollups.items()])
    return grown


Mark = tuple[int, int | None, int]  # a fact's new state, the row that it is part of, its number


def mark_facts(file: File, marks: Sequence[Mark]) -> None:
    """Write what has become of facts. Most stand for rows of their own, and are side by side."""
    single: list[Mark] = []
    runs: list[list[int]] = []  # the first and the last of such
    for mark in sorted(marks, key=itemgetter(2)):
        state, counted, seq = mark
        if state != FactState.SETTLED or counted != seq:
            single.append(mark)
        elif runs and runs[-1][1] == seq - 1:
            runs[-1][1] = seq
        else:
            runs.append([seq, seq])
    file.connection.executemany(file.statements.settle_fact, single)
    file.connection.executemany(file.statements.settle_own, runs)
