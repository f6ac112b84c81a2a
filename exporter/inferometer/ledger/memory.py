"""Traces that are not settled yet, in the memory of the one gateway that has them all.

The file has what is needed to have them in memory again: pending facts, and links as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inferometer.facts import ModelCall
from inferometer.ledger.database import Database
from inferometer.ledger.high_water import MARK, HighWater, mark_of
from inferometer.ledger.parcel import Parcel
from inferometer.ledger.relays import MOST, Relays
from inferometer.ledger.traces import Kept, OpenTraces, Trace, links_by_trace, packed_links

MARK_SECONDS = 5.0
PENDING_FROM = "pending_from"  # in the table meta: facts may be pending from this number on


def load_relays(database: Database, kept: Callable[[Sequence[Any]], Kept]) -> Relays:
    """The last calls whose tokens count."""
    calls = []
    for *fact, usage, tokens, output in database.connection.execute(
            database.statements.last_billed, (MOST, 0)).fetchall():
        one = kept(fact)
        if isinstance(one.fact, ModelCall):
            calls.append((one.fact, one.arrived, usage, tokens, output))
    return Relays(reversed(calls))


class MemoryPending:
    """The open traces of a file."""

    rest = MARK_SECONDS

    def __init__(self, database: Database, high_water: HighWater, quiet: float, most: float,
                 monotonic: Callable[[], float], kept: Callable[[Sequence[Any]], Kept]) -> None:
        self._database, self._monotonic = database, monotonic
        self._high_water, self._last_mark = high_water, mark_of(database)
        self._open = OpenTraces(quiet, most)
        self._taken: list[tuple[bytes, Trace]] = []
        self._written: tuple[Sequence[Parcel], Sequence[Kept], Mapping[bytes, int]] = (), (), {}
        self._due_at = 0.0
        self._next_seq = self._next_links = 1
        self._restore(kept)

    @property
    def facts(self) -> int:
        """That are not settled."""
        return self._open.facts

    def write(self, group: Sequence[Parcel], kept: Sequence[Kept], digests: Mapping[bytes, int]
              ) -> None:
        """See Pending."""
        first = self._next_links
        self._database.insert(self._database.statements.insert_links, [
            (first + i, parcel.arrived, packed_links(parcel.links))
            for i, parcel in enumerate(group)])
        self._written = group, kept, digests

    def remember(self) -> None:
        """See Pending."""
        group, kept, digests = self._written
        now, first = self._monotonic(), self._next_links
        touched: dict[bytes, Trace] = {}
        for trace_id, links in ((trace_id, links) for parcel in group
                                for trace_id, links in parcel.links.items()):
            trace = touched[trace_id] = self._open.touch(trace_id, now, first)
            trace.links.append(links)
        for one in kept:
            fact = one.fact
            opened = touched.get(fact.trace_id)
            if opened is None:
                opened = touched[fact.trace_id] = self._open.touch(fact.trace_id, now, first)
            opened.digest = digests[fact.trace_id]
            opened.facts[fact.span_id] = one
        if kept:
            self._next_seq = kept[-1].seq + 1
        self._open.facts += len(kept)
        self._next_links += len(group)
        self._written = (), (), {}

    def is_due(self) -> bool:
        """See Pending."""
        self._due_at = self._open.due_at()
        return self._due_at <= self._monotonic()

    def take(self, most: int) -> Sequence[tuple[bytes, Trace]]:
        """See Pending."""
        now, facts = self._monotonic(), 0
        due = self._taken = []
        while facts < most and len(due) < most and (one := self._open.due(now)):
            due.append(one)
            facts += len(one[1].facts)
        self._due_at = self._open.due_at()
        return due

    def settled(self) -> None:
        """See Pending."""
        self._open.settled(self._taken)
        self._taken = []

    def put_back(self) -> None:
        """See Pending."""
        self._open.put_back(self._taken)
        self._taken = []

    def tidy(self) -> None:
        """Write from where on facts may be pending, and delete old links. Raises OSError, too."""
        least = self._open.least_seq() or self._next_seq
        statements = self._database.statements
        with self._database.transaction() as connection:
            connection.executemany(statements.put_meta, [
                (PENDING_FROM, str(least)), (MARK, str(self._last_mark + 1))])
            connection.execute(statements.delete_forgotten, (least,))
            connection.execute(statements.delete_links,
                               (self._open.links_from(self._next_links),))
        self._last_mark += 1
        self._high_water.write(self._database.gateway, self._last_mark)  # last: never ahead

    def lag(self) -> float:
        """See Pending."""
        return max(0.0, self._monotonic() - self._due_at)

    def close(self) -> None:
        """Nothing is left to do: what is pending is in the file."""

    def _restore(self, kept: Callable[[Sequence[Any]], Kept]) -> None:
        """Have in memory again what was pending when the last writer ended."""
        connection, statements = self._database.connection, self._database.statements
        # Where all facts are deleted by now, numbers go on all the same.
        self._next_seq = max((connection.execute(statements.last_fact).fetchone()[0] or 0) + 1,
                             int(self._database.meta.get(PENDING_FROM, 1)))
        self._next_links = (connection.execute(statements.last_links).fetchone()[0] or 0) + 1
        now = self._monotonic()
        for row in connection.execute(statements.pending_facts,
                                      (int(self._database.meta.get(PENDING_FROM, 0)),)):
            one = kept(row)
            self._open.touch(one.fact.trace_id, now, 0).facts[one.fact.span_id] = one
            self._open.facts += 1
        for (packed,) in connection.execute(statements.all_links):
            for trace_id, links in links_by_trace(packed):
                self._open.touch(trace_id, now, 0).links.append(links)
        self._due_at = self._open.due_at()
