"""Traces that are not settled yet, in a database that several gateways share.

Spans of one trace may come to any of them. The one that holds the trace's slot takes its row, and
settles all facts that are named there, in one transaction: so nothing is in memory that could be
lost or out of date.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.leases import Leases
from inferometer.ledger.parcel import Parcel
from inferometer.ledger.schema import FACTS
from inferometer.ledger.session import Sessions
from inferometer.ledger.shared_schema import SLOTS
from inferometer.ledger.traces import Kept, Trace

LOOK_SECONDS = 0.25  # between looks for what is due
CLOCK_SECONDS = 60.0  # between looks at the database's clock
SIZE_SECONDS = 30.0  # between looks at its size
MOST_REST = 5.0  # seconds
RENEWALS = 3  # at least, in the time of a lease
MOST_NUMBER = 2**63 - 1
DATABASE_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"  # Unix seconds
_COLUMNS = ("trace", "slot", "begun", "touched", "facts", "links")
_TYPES = ("bytea", "int2", "float8", "float8", "int8[]", "bytea")
_FACTS = f"""SELECT {", ".join(f'"{column.name}"' for column in FACTS.columns)} FROM facts
    WHERE seq BETWEEN %s AND %s AND seq = ANY(%s)"""
_TOUCHED = """CREATE TEMPORARY TABLE touched ON COMMIT DELETE ROWS AS
    SELECT * FROM pending WITH NO DATA"""
# In the order of traces, so that no two gateways wait for one another.
_TOUCH = """INSERT INTO pending SELECT * FROM touched ORDER BY trace
    ON CONFLICT (trace) DO UPDATE SET touched = greatest(pending.touched, excluded.touched),
        facts = pending.facts || excluded.facts, links = pending.links || excluded.links"""
_DUE = """SELECT trace, begun, touched, facts, links FROM pending
    WHERE slot = ANY(%s) AND (touched <= %s OR begun <= %s)
    ORDER BY touched LIMIT %s FOR UPDATE SKIP LOCKED"""
_COUNT = """SELECT coalesce(sum(cardinality(facts)) FILTER (WHERE slot = ANY(%s)), 0),
        min(least(touched + %s, begun + %s)) FILTER (WHERE slot = ANY(%s)), min(facts[1])
    FROM pending"""


class SharedPending:
    """The open traces of a database, as one of its gateways sees them."""

    def __init__(self, database: Sessions, quiet: float, most: float,
                 monotonic: Callable[[], float], kept: Callable[[Sequence[Any]], Kept]) -> None:
        self._database, self._quiet, self._most = database, quiet, most
        self._monotonic, self._kept = monotonic, kept
        self.rest = min(MOST_REST, database.lease_seconds / RENEWALS)
        self._ahead = 0.0  # of the database's clock before ours
        self._clock_at = self._size_at = self._look_at = 0.0
        self._least = MOST_NUMBER  # of what is pending
        self._connected = 0  # how often the database was, when the clock was looked at
        self._taken = self._written = 0  # facts
        self._due_at: float | None = None
        self.facts = 0  # in our slots, about
        self.leases = Leases(database)
        self.leases.renew()
        self._now()
        self._count()

    @staticmethod
    def prepare(execute: Callable[[str], object]) -> None:
        """What a connection needs."""
        execute(_TOUCHED)

    def write(self, group: Sequence[Parcel], kept: Sequence[Kept], digests: Mapping[bytes, int]
              ) -> None:
        """See Pending."""
        links: dict[bytes, list[bytes]] = {}
        numbers: dict[bytes, list[int]] = {}
        for parcel in group:
            for trace_id, packed in parcel.links.items():
                links.setdefault(trace_id, []).append(packed)
        for one in kept:
            numbers.setdefault(one.fact.trace_id, []).append(one.seq)
        digest_of = self._database.keys.trace_digest
        touch(self._database, self._now(), (
            (trace_id, digests.get(trace_id) or digest_of(trace_id), numbers.get(trace_id, []),
             b"".join(links.get(trace_id, ()))) for trace_id in links.keys() | numbers.keys()))
        self._written = len(kept)

    def remember(self) -> None:
        """See Pending."""
        self.facts += self._written
        self._written = 0

    def is_due(self) -> bool:
        """See Pending."""
        return self._monotonic() >= self._look_at

    def take(self, most: int) -> Sequence[tuple[bytes, Trace]]:
        """See Pending."""
        session, now = self._database.connection, self._now()
        self._look_at = self._monotonic() + LOOK_SECONDS
        slots = self.leases.lock_ours(session)
        traces: dict[bytes, Trace] = {}
        numbers: list[int] = []
        rows = session.execute(
            _DUE, (slots, now - self._quiet, now - self._most, most)).fetchall()
        for trace_id, begun, touched, facts, links in rows:
            if len(numbers) >= most:
                break
            trace = traces[trace_id] = Trace(begun, 0)
            trace.touched = touched
            trace.links.append(links)
            numbers += facts
        if len(traces) == most or len(traces) < len(rows):
            self._look_at = 0.0  # there is more
        if traces:
            session.execute("DELETE FROM pending WHERE trace = ANY(%s)", ([*traces],))
        if numbers:
            for row in session.execute(_FACTS, (min(numbers), max(numbers), numbers)):
                one = self._kept(row)
                traces[one.fact.trace_id].facts[one.fact.span_id] = one
        self._taken = len(numbers)
        return [*traces.items()]

    def settled(self) -> None:
        """See Pending."""
        self.facts = max(0, self.facts - self._taken)
        self._taken = 0

    def put_back(self) -> None:
        """See Pending."""
        self._taken = 0

    def tidy(self) -> None:
        """Keep our slots, and see how much waits in them."""
        self.leases.renew()
        self._count()
        self._database.connection.execute(
            self._database.statements.delete_forgotten, (self._least,))
        if time.monotonic() >= self._size_at:
            self._size_at = time.monotonic() + SIZE_SECONDS
            self._database.measure()

    def lag(self) -> float:
        """See Pending."""
        return 0.0 if self._due_at is None else max(
            0.0, self._monotonic() + self._ahead - self._due_at)

    def close(self) -> None:
        """Leave our slots to others."""
        self.leases.close()

    def _count(self) -> None:
        slots = self.leases.slots
        facts, self._due_at, least = self._database.connection.execute(
            _COUNT, (slots, self._quiet, self._most, slots)).fetchone()
        self.facts, self._least = int(facts), least or MOST_NUMBER

    def _now(self) -> float:
        """Unix seconds of the database's clock, by ours since it was looked at."""
        session = self._database.connection
        if self._connected != self._database.connected or time.monotonic() >= self._clock_at:
            now = session.execute(DATABASE_NOW).fetchone()[0]
            self._ahead = now - self._monotonic()
            self._clock_at = time.monotonic() + CLOCK_SECONDS
            self._connected = self._database.connected
        return self._monotonic() + self._ahead


def touch(database: Sessions, now: float,
          traces: Iterable[tuple[bytes, int, Sequence[int | None], bytes]]) -> None:
    """Note of each trace, by its digest, new facts and new links; it is not quiet now."""
    session = database.connection
    session.copy("touched", _COLUMNS, _TYPES, (
        (trace_id, slot_of(digest), now, now, facts, links)
        for trace_id, digest, facts, links in traces))
    session.execute(_TOUCH)


def slot_of(digest: int) -> int:
    """The slot of a trace, by the digest of one of its spans."""
    return (digest >> IN_TRACE_BITS) % SLOTS
