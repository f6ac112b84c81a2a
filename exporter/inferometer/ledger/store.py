"""What the writer keeps in memory of the ledger's file, and what it writes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from inferometer.facts import Fact, ModelCall
from inferometer.ledger.counting import Additions, CountedRow, CounterKey
from inferometer.ledger.file import File
from inferometer.ledger.keys import Veiled
from inferometer.ledger.packing import KINDS, Unpacker, names_of, packer
from inferometer.ledger.relays import MOST, Relays
from inferometer.ledger.seats import Labels, SeatRow, SeatTable
from inferometer.ledger.statements import CALL_COLUMNS, STEP_COLUMNS
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
        self.current = frozenset(number for number, _ in self.packers.values())
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


def load_relays(file: File, forms: Forms) -> Relays:
    """The last calls whose tokens count."""
    calls = []
    for *fact, usage, tokens, output in file.connection.execute(
            file.statements.last_billed, (MOST, 0)).fetchall():
        kept = forms.kept(fact)
        if isinstance(kept.fact, ModelCall):
            calls.append((kept.fact, kept.arrived, usage, tokens, output))
    return Relays(reversed(calls))


_CALL_VALUES, _STEP_VALUES = attrgetter(*CALL_COLUMNS), attrgetter(*STEP_COLUMNS)


def _insert(file: File, rows: Sequence[CountedRow]) -> None:
    """Write rows in their order, each by the statement that binds least."""
    connection, statements = file.connection, file.statements
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
    for statement, values in ((statements.insert_counted_call, calls),
                              (statements.insert_counted_step, steps),
                              (statements.insert_counted, others)):
        connection.executemany(statement, values)


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
    _insert(file, rows)
    connection.executemany(statements.add_counter, [
        (gateway, *key, value, 0) for key, value in grown.items()])
    connection.executemany(statements.add_rollup, [
        (gateway, *key, *sums) for key, sums in added.rollups.items()])
    return grown


Mark = tuple[int, int | None, int]  # a fact's new state, the row that it is part of, its number


def mark_facts(file: File, own: list[int], marks: Sequence[Mark]) -> None:
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
    file.connection.executemany(file.statements.settle_fact, marks)
    file.connection.executemany(file.statements.settle_own, runs)
