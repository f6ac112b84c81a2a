"""What votes may name of calls that are counted: their trace, spans, response and request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from inferometer.facts import ModelCall
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.traces import Kept
from inferometer.ledger.vote_statements import statements_of

EMBEDDINGS = "embeddings"  # an operation that answers nobody


class CallSubject(NamedTuple):
    """What a vote may name, and the call that it is: a row of the table `call_subjects`."""

    subject: int
    seq: int
    seat: int
    arrived: int  # Unix nanoseconds
    rank: int  # a subject is the call of the highest rank, and of these the last one


class SubjectNotes:
    """Notes them as traces settle. `enabled`: whether votes come, or may; else it costs nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.enabled = False
        self.new: set[int] = set()  # that are committed, until who joins votes empties it

    def of_trace(self, facts: Mapping[bytes, Kept], counted: Mapping[bytes, int],
                 rows: Iterable[CountedRow]) -> Iterator[CallSubject]:
        """Those of a trace that settles. `counted`: the number of its row by each fact's span.

        A trace is its last call that answers: the one that people see.
        """
        if not self.enabled:
            return
        by_number = {row.seq: row for row in rows if row.kind == "call" and row.calls}
        calls = [(one.fact, row) for span, one in facts.items() if isinstance(one.fact, ModelCall)
                 and (row := by_number.get(counted.get(span, 0))) is not None]
        number = self._database.keys.subject_number
        for call, row in sorted(calls, key=lambda one: one[0].end):
            rank = 2 * (call.operation != EMBEDDINGS) + row.billed
            for name in _names(call):
                yield CallSubject(number(name), row.seq, row.seat, row.arrived, rank)

    def write(self, subjects: Sequence[CallSubject]) -> None:
        """Write them, in the transaction that settles."""
        if subjects:
            self._database.connection.executemany(
                statements_of(self._database.dialect).put_subject, subjects)

    def remember(self, subjects: Sequence[CallSubject]) -> None:
        """They are committed."""
        self.new.update(one.subject for one in subjects)


def _names(call: ModelCall) -> Iterator[str]:
    yield f"span:{call.span_id.hex()}"
    yield f"trace:{call.trace_id.hex()}"
    if call.response_id:
        yield f"response:{call.response_id}"
    if call.request_id:
        yield f"request:{call.request_id}"
