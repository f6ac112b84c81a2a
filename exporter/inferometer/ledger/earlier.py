"""What a ledger has of a trace from before: a trace may go on after it has settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.schema import FactState
from inferometer.ledger.statements import TRACES_AT_ONCE
from inferometer.ledger.store import Forms
from inferometer.ledger.traces import Kept, Trace

# Of a trace that goes on and on only the last ones are looked at again for what comes late.
MOST_EARLIER = 1000  # facts
_LAST = 2**IN_TRACE_BITS - 1


class Earlier(NamedTuple):
    """Facts of a trace, what of them is counted, and links."""

    facts: Mapping[bytes, Kept]
    counted: Mapping[bytes, int]
    links: bytes
    calls: Sequence[CountedRow]  # that are counted


NOTHING = Earlier({}, {}, b"", ())


class EarlierTraces:
    """Asks for it."""

    def __init__(self, database: Database, forms: Forms) -> None:
        self._database, self._forms = database, forms

    def rows_of(self, traces: Sequence[tuple[bytes, Trace]]) -> list[int]:
        """How many facts the file has of each: for most only those that are pending here."""
        digest_of = self._database.keys.trace_digest
        firsts = [digest_of(trace_id) if trace.digest is None else trace.digest
                  for trace_id, trace in traces]
        statement = self._database.statements.count_of_traces
        rows: list[int] = []
        for begin in range(0, len(firsts), TRACES_AT_ONCE):
            chunk = firsts[begin:begin + TRACES_AT_ONCE]
            values = [value for first in chunk for value in (first, first + _LAST)]
            values += (0, -1) * (TRACES_AT_ONCE - len(chunk))  # of no trace
            rows += self._database.connection.execute(statement, values).fetchone()[:len(chunk)]
        return rows

    def of(self, trace_id: bytes) -> Earlier:
        """What the file has of the trace from before."""
        connection, statements = self._database.connection, self._database.statements
        first = self._database.keys.trace_digest(trace_id)
        span = first, first + _LAST
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
