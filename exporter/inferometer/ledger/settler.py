"""Moves rows, counters and roll-ups of quiet traces in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inferometer.ledger.counting import CountedRow
from inferometer.ledger.engines import Engines, Phases
from inferometer.ledger.file import File
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.schema import FactState
from inferometer.ledger.settling import rows_of
from inferometer.ledger.store import Forms, Mark, load_counters, load_seats, mark_facts, write_rows
from inferometer.ledger.traces import LINK, Kept, Trace, parents_in
from inferometer.sinks.metrics import CounterReading
from inferometer.spans.once import settle
from inferometer.threads import Failures

# Of a trace that goes on and on only the last ones are looked at again for what comes late.
MOST_EARLIER = 1000  # facts
MOST_LINKS = 50_000
_LAST = 2**IN_TRACE_BITS - 1


class Earlier(NamedTuple):
    """What the ledger has of a trace from before: its facts, what of them is counted, links."""

    facts: Mapping[bytes, Kept]
    counted: Mapping[bytes, int]
    links: bytes
    calls: Sequence[CountedRow]  # that are counted


_NOTHING = Earlier({}, {}, b"", ())


@dataclass(slots=True)
class Moves:
    """What one transaction writes."""

    rows: list[CountedRow] = field(default_factory=list)
    engines: list[Phases] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    links: list[tuple[int, bytes]] = field(default_factory=list)


class Settler:
    """The counters, in memory as in the file."""

    def __init__(self, file: File, forms: Forms) -> None:
        self._file, self._forms = file, forms
        self._cursor = file.connection.cursor()  # of what is asked for each trace
        self.seats = load_seats(file)
        self._engines = Engines()
        self._counters = load_counters(file)
        self._version = 0  # of the counters
        self._lock = threading.Lock()  # over all of these
        self._failures = Failures("settle")
        self.failed = 0  # traces

    def reading(self) -> CounterReading:
        """All counters as they are now."""
        with self._lock:
            return CounterReading(self._version, dict(self._counters), {
                number: seat.labels for number, seat in self.seats.seats.items() if seat.seated})

    def settle(self, traces: Sequence[tuple[bytes, Trace]]) -> None:
        """Settle these traces. Raises what keeps it from being written; then nothing has moved."""
        try:
            self._settle(traces)
        except BaseException:
            seats, counters = load_seats(self._file), load_counters(self._file)
            with self._lock:
                self.seats, self._counters = seats, counters
            raise

    def _settle(self, traces: Sequence[tuple[bytes, Trace]]) -> None:
        moves = Moves()
        with self._file.transaction() as connection:
            for trace_id, trace in traces:
                self._settle_one(trace_id, trace, moves)
            grown = write_rows(self._file, moves.rows, self.seats)
            connection.executemany(self._file.statements.put_phases, moves.engines)
            mark_facts(self._file, moves.marks)
            connection.executemany(self._file.statements.put_trace, moves.links)
        self.seats.unsaved.clear()
        with self._lock:
            for key, value in grown.items():
                self._counters[key] = self._counters.get(key, 0) + value
            self._version += bool(grown)

    def _settle_one(self, trace_id: bytes, trace: Trace, moves: Moves) -> None:
        earlier = self._earlier(trace_id, trace)
        facts = {**earlier.facts, **trace.facts} if earlier.facts else trace.facts
        if not facts:
            return
        links = b"".join((earlier.links, *trace.links))[-LINK * MOST_LINKS:]
        of_facts = not earlier.facts and len(links) <= LINK * len(facts)  # and of no other span
        if not of_facts:
            moves.links.append((min(one.seq for one in facts.values()), links))
        if trace.facts:
            parents = {span: one.fact.parent_id for span, one in facts.items()}
            if not of_facts:
                parents.update(parents_in(links))
            self._count(trace.facts, facts, parents, earlier, moves)

    def _count(self, pending: Mapping[bytes, Kept], facts: Mapping[bytes, Kept],
               parents: Mapping[bytes, bytes], earlier: Earlier, moves: Moves) -> None:
        counted: Mapping[bytes, int] = {}
        state = FactState.SETTLED
        try:
            settlement = settle([one.fact for one in facts.values()], parents)
            made = rows_of(settlement, facts, earlier.counted, earlier.calls, self.seats,
                           self._file.keys.veil)
            moves.rows += made.rows
            moves.engines += self._engines.joined(made.responses, settlement.engines)
            counted = made.counted
        except Exception as error:  # one trace that cannot be settled must not hold up all others
            self._failures.note(error)
            self.failed += 1
            state = FactState.FAILED
        moves.marks += [(int(state), counted.get(span_id), one.seq)
                        for span_id, one in pending.items()]

    def _earlier(self, trace_id: bytes, trace: Trace) -> Earlier:
        """What the file has of the trace beside what is pending here."""
        connection, statements = self._file.connection, self._file.statements
        first = self._file.keys.trace_digest(trace_id)
        span = first, first + _LAST
        rows, = self._cursor.execute(statements.count_of_trace, span).fetchone()
        if rows == len(trace.facts):
            return _NOTHING
        facts: dict[bytes, Kept] = {}
        counted: dict[bytes, int] = {}
        for row in connection.execute(statements.facts_of_trace,
                                      (*span, MOST_EARLIER, 0)).fetchall():
            if row[3] == trace_id and row[7] == FactState.SETTLED:
                one = self._forms.kept(row)
                facts[row[4]] = one
                if row[8] is not None:
                    counted[row[4]] = row[8]
        links = b"".join([packed for (packed,) in connection.execute(
            statements.links_of_trace, span)]) if facts else b""
        own = set(counted.values())
        calls = [CountedRow(*row) for row in connection.execute(statements.calls_of_trace, span)
                 if row[0] in own] if counted else ()
        return Earlier(facts, counted, links, calls)
