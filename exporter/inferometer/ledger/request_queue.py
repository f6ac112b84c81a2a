"""Which calls are to have a line in the request log: noted as they settle, gone once they have it.

What is noted is in the transaction that counts the calls, by their numbers alone; so it is neither
more nor less than what counts, whenever either side is killed. The order is that of settling: a
number of a fact says when it came, and with several gateways not even that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from struct import Struct, pack
from typing import Any

from inferometer.catalogue import OTHER
from inferometer.config import STANDARD_OUTPUT, RequestLogSection
from inferometer.facts import AgentRun, Fact, ModelCall, Usage
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.request_statements import CALLS_AT_ONCE, statements_of
from inferometer.ledger.schema import FACTS
from inferometer.ledger.seats import Labels
from inferometer.ledger.store import Forms, load_seats
from inferometer.sinks.request_line import SettledCall
from inferometer.sinks.request_log import REMEMBERED, CallBatch, RequestLog
from inferometer.sinks.request_log_file import RotatedFile, StandardOutput
from inferometer.spans.once import texts_of
from inferometer.spans.runs import as_call

NOTED_TOGETHER = 500  # calls at most
TOGETHER = REMEMBERED // NOTED_TOGETHER  # of these, whose lines are written together
MOST_TWINS = 1000  # facts of a trace that are looked at for what belongs to a call
_NUMBER = Struct(">q")
_LAST_IN_TRACE = 2**IN_TRACE_BITS - 1
_OF_ROW = [name for name in SettledCall._fields if name in CountedRow._fields]
_OF_LABELS = {"operation": "operation", "provider": "provider", "service_name": "service_name"}


def packed(numbers: Sequence[int]) -> bytes:
    """Numbers of calls."""
    return pack(f">{len(numbers)}q", *numbers)


def unpacked(calls: bytes) -> Iterator[int]:
    """The same, one by one."""
    for (number,) in _NUMBER.iter_unpack(calls):
        yield number


class RequestNotes:
    """Where who settles notes calls."""

    def __init__(self, database: Database, clock: Callable[[], int] = time.time_ns) -> None:
        self._database, self._clock = database, clock
        self._statements = statements_of(database.dialect)
        self._number: int | None = None  # the last one; None: not known yet

    def note(self, rows: Iterable[CountedRow]) -> None:
        """Note those that are calls, in the transaction that counts them."""
        numbers = [row.seq for row in rows if row.kind == "call"]
        if not numbers:
            return
        connection, gateway = self._database.connection, self._database.gateway
        if self._number is None:
            self._number = connection.execute(
                self._statements.last_number, (gateway,)).fetchone()[0] or 0
        for begin in range(0, len(numbers), NOTED_TOGETHER):
            self._number += 1
            connection.execute(self._statements.insert, (
                gateway, self._number, self._clock(),
                packed(numbers[begin:begin + NOTED_TOGETHER])))


class WaitingCalls:
    """What a gateway has noted, as who writes lines reads it, in the order of settling."""

    def __init__(self, database: Database) -> None:
        database.be_fast()  # what is undone by a power failure is written already, and seen there
        self._database = database
        self._statements = statements_of(database.dialect)
        self._forms = Forms(database, read_only=True)
        self._labels: dict[int, Labels] = {}  # by the number of a seat

    def is_current(self) -> bool:
        """Whether it is still the ledger that the gateway writes."""
        return self._database.is_current()

    def next_batch(self) -> CallBatch | None:
        """The next calls; those that retention has deleted by now are not among them."""
        rows = self._database.connection.execute(
            self._statements.oldest, (self._database.gateway, TOGETHER, 0)).fetchall()
        if not rows:
            return None
        return CallBatch(rows[-1][0], [*self._calls(
            [number for _, calls in rows for number in unpacked(calls)])])

    def note_written(self, batch: CallBatch) -> None:
        """Their lines are on the disk."""
        with self._database.transaction() as connection:
            connection.execute(self._statements.delete_until,
                               (self._database.gateway, batch.number))

    def waiting(self) -> int:
        """Calls whose lines are not written."""
        packed_bytes = self._database.connection.execute(
            self._statements.sum_bytes, (self._database.gateway,)).fetchone()[0]
        return int(packed_bytes or 0) // _NUMBER.size

    def close(self) -> None:
        """Ask no more."""
        self._database.close()

    def _calls(self, numbers: Sequence[int]) -> Iterator[SettledCall]:
        facts: dict[int, Fact] = {}
        rows: dict[int, CountedRow] = {}
        width = len(FACTS.c)
        for begin in range(0, len(numbers), CALLS_AT_ONCE):
            chunk = numbers[begin:begin + CALLS_AT_ONCE]
            values = (*chunk, *(-1,) * (CALLS_AT_ONCE - len(chunk)))  # -1 is no call's
            for one in self._database.connection.execute(
                    self._statements.calls, values).fetchall():
                facts[one[0]] = self._fact(one[:width])
                rows[one[0]] = CountedRow(*one[width:])
        twins = self._twins(facts)
        for number in numbers:
            if number in rows:
                call = _merged(facts[number], twins.get(number, ()))
                yield _settled(self._labelled(call, rows[number].seat), rows[number])

    def _fact(self, row: Sequence[Any]) -> Fact:
        try:
            return self._forms.kept(row).fact
        except KeyError:  # of a form that is newer than these: the gateway has started since
            self._forms = Forms(self._database, read_only=True)
            return self._forms.kept(row).fact

    def _twins(self, facts: Mapping[int, Fact]) -> Mapping[int, Sequence[ModelCall]]:
        """Other spans of calls, by the number of the call."""
        connection, digest_of = self._database.connection, self._database.keys.trace_digest
        twins: dict[int, list[ModelCall]] = {}
        for trace_id in {fact.trace_id for fact in facts.values()}:
            first = digest_of(trace_id)
            for row in connection.execute(
                    self._database.statements.facts_of_trace,
                    (first, first + _LAST_IN_TRACE, MOST_TWINS, 0)).fetchall():
                if row[3] == trace_id and row[8] in facts and row[0] != row[8]:
                    fact = self._fact(row)
                    if isinstance(fact, ModelCall):
                        twins.setdefault(row[8], []).append(fact)
        return twins

    def _labelled(self, call: ModelCall, seat: int) -> ModelCall:
        """The call, with what metrics have of it where its own spans have nothing."""
        if call.model and all(getattr(call, name) for name in _OF_LABELS):
            return call
        if seat not in self._labels:
            self._labels = {number: row.labels for number, row in load_seats(
                self._database).seats.items()}
        labels = self._labels[seat]
        more = {name: getattr(labels, label) for name, label in _OF_LABELS.items()
                if not getattr(call, name)}
        if not call.model:
            more["response_model"] = labels.model
        return replace(call, **{
            name: text for name, text in more.items() if text not in ("", OTHER)})


def opened(database: Database) -> WaitingCalls:
    """What a ledger has noted, which is closed again where it cannot be read."""
    try:
        return WaitingCalls(database)
    except BaseException:
        database.close()
        raise


def _merged(fact: Fact, twins: Sequence[ModelCall]) -> ModelCall:
    """A call with what its other spans add, those of its own service first."""
    call = fact if isinstance(fact, ModelCall) else as_call(
        fact, Usage()) if isinstance(fact, AgentRun) else ModelCall(
        trace_id=fact.trace_id, span_id=fact.span_id, start=fact.start, end=fact.end)
    if not twins:
        return call
    near = [call, *sorted(twins, key=lambda one: (
        one.service_name != call.service_name, one.start, one.span_id))]
    return replace(
        call, refused=any(one.refused for one in near),
        streamed=next((one.streamed for one in near if one.streamed is not None), None),
        tries=next((one.tries for one in near if one.tries is not None), None),
        **texts_of(near))


def _settled(call: ModelCall, row: CountedRow) -> SettledCall:
    return SettledCall(call, **{name: getattr(row, name) for name in _OF_ROW})


def request_log_of(section: RequestLogSection, ledger: Callable[[], Database]) -> RequestLog:
    """That of a gateway whose configuration has one. `ledger` opens the ledger beside it."""
    output = StandardOutput() if section.path == STANDARD_OUTPUT else RotatedFile(
        Path(section.path), section.max_bytes, section.files)
    return RequestLog(lambda: opened(ledger()), output)
