"""Moves rows, counters and roll-ups of quiet traces in one transaction."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer.call_limits import Limiting, default_limits
from inferometer.facts import ModelCall
from inferometer.heartbeats import SERVICE
from inferometer.ledger.conversations import Turns, note, turns_of
from inferometer.ledger.counting import HEARTBEAT, JUDGING, OURS, CountedRow
from inferometer.ledger.database import FORGETTING, METERING, Database
from inferometer.ledger.earlier import NOTHING, Earlier, EarlierTraces
from inferometer.ledger.engines import Engines
from inferometer.ledger.exemplars import Exemplars
from inferometer.ledger.failed_calls import FailedCall, FailedCalls
from inferometer.ledger.parts_of_calls import DividedCall, JoinedCall, decomposed, divided
from inferometer.ledger.request_queue import RequestNotes
from inferometer.ledger.schema import FactState
from inferometer.ledger.seats import NoSeats, SeatTable
from inferometer.ledger.settling import (
    Rows,
    judged,
    outside_figures,
    placed,
    rows_of,
    without_names,
)
from inferometer.ledger.store import (
    Counters,
    Forms,
    Mark,
    load_counters,
    load_seats,
    mark_facts,
    write_metered,
    write_rows,
)
from inferometer.ledger.traces import LINK, Kept, Trace, parents_in
from inferometer.ledger.vote_subjects import CallSubject, SubjectNotes
from inferometer.pricing import Pricing, unpriced
from inferometer.sinks.metrics import CounterReading
from inferometer.spans.once import settle
from inferometer.spans.settlement import Settlement
from inferometer.threads import Failures

MOST_LINKS = 50_000  # of a trace that goes on and on, that are looked at again
LATE = "late_rows"  # in the table meta: the last id that one of this name had


@dataclass(slots=True)
class Moves:
    """What one transaction writes."""

    rows: list[CountedRow] = field(default_factory=list)
    engines: list[JoinedCall] = field(default_factory=list)
    own: list[int] = field(default_factory=list)  # facts that stand for rows of their own
    marks: list[Mark] = field(default_factory=list)  # of the others
    links: list[tuple[int, bytes]] = field(default_factory=list)
    late: list[CountedRow] = field(default_factory=list)  # rows of facts that had settled before
    subjects: list[CallSubject] = field(default_factory=list)  # that votes may name


class Settler:
    """The counters, in memory as in the file."""

    def __init__(self, database: Database, forms: Forms, pricing: Pricing = unpriced,
                 limits: Limiting = default_limits, notes: RequestNotes | None = None) -> None:
        self._database, self._forms, self._notes = database, forms, notes
        self._earlier = EarlierTraces(database, forms)
        self._pricing, self._limits = pricing, limits
        self.subjects = SubjectNotes(database)
        self.seats = load_seats(database)
        self._engines = Engines()
        self._relays = database.relays(forms.kept)
        self._counters = load_counters(database)
        self._exemplars = Exemplars()
        self._failed_calls = FailedCalls()
        self._version = 0  # of the counters
        self._in_doubt = False  # whether they may be other than what the database has
        self._lock = threading.Lock()  # over all of these
        self._failures = Failures("settle")
        self.failed = 0  # traces

    def reading(self) -> CounterReading:
        """All counters as they are now."""
        with self._lock:
            return CounterReading(self._version, dict(self._counters), {
                number: seat.labels for number, seat in self.seats.seats.items() if seat.seated},
                self._exemplars.by_histogram())

    def failed_calls(self) -> Mapping[str, FailedCall]:
        """The last one of each service since the start."""
        with self._lock:
            return self._failed_calls.by_service()

    def settle(self, take: Callable[[], Sequence[tuple[bytes, Trace]]]) -> None:
        """Settle the traces that are taken in a transaction.

        Raises what keeps it from being written; then nothing has moved, unless the database was
        lost at the end: what it has is read again before more is settled.
        """
        self._safely(lambda: self._settle(take))

    def meter(self, take: Callable[[SeatTable], Counters]) -> None:
        """Add to counters what is taken in a transaction, of which the ledger has no rows."""
        self._safely(lambda: self._meter(take))

    def _safely(self, work: Callable[[], None]) -> None:
        if self._in_doubt:
            self._load()
        try:
            work()
        except BaseException:
            self._in_doubt = True
            with contextlib.suppress(Exception):  # whatever it is, it is tried again
                self._load()
            raise

    def _load(self) -> None:
        seats, counters = load_seats(self._database), load_counters(self._database)
        self._relays = self._database.relays(self._forms.kept)
        with self._lock:
            self.seats, self._counters = seats, counters
            self._version += 1
        self._in_doubt = False

    def _settle(self, take: Callable[[], Sequence[tuple[bytes, Trace]]]) -> None:
        moves = Moves()
        settled: list[tuple[bytes, Sequence[CountedRow]]] = []
        turns: Turns = {}
        with self._database.transaction(beside=FORGETTING) as connection:
            traces = take()
            self._relays.begin({
                one.fact.response_id for _, trace in traces for one in trace.facts.values()
                if isinstance(one.fact, ModelCall) and one.fact.response_id})
            forgotten = dict(connection.execute(self._database.statements.all_forgotten).fetchall())
            for (trace_id, trace), rows in zip(traces, self._earlier.rows_of(traces), strict=True):
                earlier = NOTHING if rows == len(trace.facts) else self._earlier.of(trace_id)
                begin = len(moves.rows)
                self._settle_one(trace, earlier, moves)
                if forgotten and trace.facts:
                    first = min(one.seq for one in trace.facts.values())
                    moves.rows[begin:] = without_names(moves.rows[begin:], {
                        name for name, until in forgotten.items() if first <= until})
                turns_of(moves.rows[begin:], earlier.facts, self.seats, turns)
                if earlier.facts:
                    pending = {one.seq for one in trace.facts.values()}
                    moves.late += [row for row in moves.rows[begin:] if row.seq not in pending]
                settled.append((trace_id, moves.rows[begin:]))
            self._relays.end()
            grown = write_rows(self._database, moves.rows, self.seats, moves.engines)
            note(self._database, turns)
            if moves.late:
                self._note_late(moves.late)
            if self._notes is not None:
                self._notes.note(moves.rows)
            mark_facts(self._database, moves.own, moves.marks)
            connection.executemany(self._database.statements.put_trace, moves.links)
            self.subjects.write(moves.subjects)
        self.subjects.remember(moves.subjects)
        self.seats.unsaved.clear()
        with self._lock:
            for key, value in grown.items():
                self._counters[key] = self._counters.get(key, 0) + value
            for trace_id, of_trace in settled:
                self._exemplars.add(trace_id, of_trace, self.seats.shown)
                self._failed_calls.add(trace_id, of_trace, self.seats)
            self._version += bool(grown)

    def _meter(self, take: Callable[[SeatTable], Counters]) -> None:
        with self._database.transaction(alone=METERING):
            grown = take(self.seats)
            write_metered(self._database, grown, self.seats)
        self.seats.unsaved.clear()
        with self._lock:
            for key, value in grown.items():
                self._counters[key] = self._counters.get(key, 0) + value
            self._version += bool(grown)

    def _note_late(self, rows: Sequence[CountedRow]) -> None:
        """Note those that are older than all that is pending: batches may be past them."""
        connection, statements = self._database.connection, self._database.statements
        meta = dict(connection.execute(statements.all_meta).fetchall())
        pending_from, last = int(meta.get("pending_from", 0)), int(meta.get(LATE, 0))
        late = [row for row in rows if row.seq < pending_from and row.kind not in OURS]
        if not late:
            return
        connection.executemany(statements.insert_late, [
            (last + i, row.seq, row.kind) for i, row in enumerate(late, start=1)])
        connection.execute(statements.put_meta, (LATE, str(last + len(late))))

    def _settle_one(self, trace: Trace, earlier: Earlier, moves: Moves) -> None:
        facts = {**earlier.facts, **trace.facts} if earlier.facts else trace.facts
        if not facts:
            return
        links = b"".join((earlier.links, *trace.links))[-LINK * MOST_LINKS:]
        if earlier.facts or len(links) > LINK * len(facts):  # else they are of facts alone
            moves.links.append((min(one.seq for one in facts.values()), links))
        if trace.facts:
            goes_through_others = len(facts) > 1 and any(
                one.fact.parent_id not in facts for one in facts.values() if one.fact.parent_id)
            self._count(trace.facts, facts, parents_in(links) if goes_through_others else {},
                        earlier, moves)

    def _count(self, pending: Mapping[bytes, Kept], facts: Mapping[bytes, Kept],
               parents: Mapping[bytes, bytes], earlier: Earlier, moves: Moves) -> None:
        counted: Mapping[bytes, int] = {}
        state = FactState.SETTLED
        try:
            settlement = settle([one.fact for one in facts.values()], parents)
            if kind := self._kind_of_ours(facts):
                made = rows_of(settlement, facts, earlier.counted, (), NoSeats(), str)
                rows = outside_figures(made.rows, kind)
                engines: Sequence[JoinedCall] = ()
            else:
                made = self._counted(settlement, facts, earlier)
                rows = [*decomposed(judged(made, self._pricing, self._limits), made.calls)]
                engines = self._engines.joined(_without_engine(made, rows), settlement.engines)
        except Exception as error:  # one trace that cannot be settled must not hold up all others
            self._failures.note(error)
            self.failed += 1
            state = FactState.FAILED
        else:  # of what fails midway nothing is counted
            moves.rows += rows
            moves.engines += engines
            counted = made.counted
            moves.subjects += self.subjects.of_trace(pending, counted, (*earlier.calls, *rows))
        for span_id, (_, seq, _) in pending.items():
            row = counted.get(span_id)
            if row == seq:
                moves.own.append(seq)
            else:
                moves.marks.append((int(state), row, seq))

    def _counted(self, settlement: Settlement, facts: Mapping[bytes, Kept], earlier: Earlier
                 ) -> Rows:
        made = rows_of(settlement, facts, earlier.counted, earlier.calls, self.seats,
                       self._database.keys.veil)
        if made.responses:
            made.rows = self._billed_once(made, facts)
        made.rows = [*placed(made.rows, earlier.calls, self.seats)]
        return made

    def _kind_of_ours(self, facts: Mapping[bytes, Kept]) -> str:
        """What a trace is that a gateway with our key began by itself; empty for all others.

        Spans of a judge's calls come from engines and proxies, by any name of a service.
        """
        fact = next(iter(facts.values())).fact
        keys = self._database.keys
        if fact.service_name == SERVICE and keys.is_beat(fact.trace_id):
            return HEARTBEAT
        return JUDGING if keys.is_judge_trace(fact.trace_id) else ""

    def _billed_once(self, made: Rows, facts: Mapping[bytes, Kept]) -> list[CountedRow]:
        """The rows, without the tokens that another service's trace has had of one call."""
        calls = {one.seq: one.fact for one in facts.values() if isinstance(one.fact, ModelCall)}
        repeated = {row.seq for response_id, row in made.responses
                    if row.seq in calls and self._relays.repeats(
                        response_id, row, calls[row.seq])}
        return [row._replace(billed=0) if row.seq in repeated and row.kind == "call" else row
                for row in made.rows] if repeated else made.rows


def _without_engine(made: Rows, rows: Sequence[CountedRow]) -> Iterator[tuple[str, DividedCall]]:
    """Calls by response id, as they are counted, whose own trace lacks the engine's span."""
    counted = {row.seq: row for row in rows if row.kind == "call"} if made.responses else {}
    for response_id, first in made.responses:
        row = counted.get(first.seq)
        if row is not None and row.decode is None:
            yield response_id, divided(row, made.calls[row.seq].passed_on)
