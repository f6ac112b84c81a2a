"""The ledger at work: one thread that commits what comes, settles what is quiet, and deletes.

What is committed is on the disk before its future resolves: facts in rows of their own, pending,
and the parents of all spans in packed links. Once a trace is quiet its rows, counters and roll-ups
move in one transaction; so after a crash what was pending settles from the file.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from inferometer.call_limits import Limiting, default_limits
from inferometer.facts import Fact
from inferometer.ledger.collector import LedgerCondition
from inferometer.ledger.errors import LedgerFullError
from inferometer.ledger.file import File
from inferometer.ledger.high_water import MARK, HighWater, mark_of
from inferometer.ledger.parcel import FactRow, Parcel, rows_of
from inferometer.ledger.pressure import WHY, Pressure, delete_content
from inferometer.ledger.repeats import Repeats
from inferometer.ledger.retention import Retention
from inferometer.ledger.settler import Settler
from inferometer.ledger.store import Forms
from inferometer.ledger.traces import Kept, OpenTraces, Trace, links_by_trace, packed_links
from inferometer.pricing import Pricing, unpriced
from inferometer.receipt import Receipt
from inferometer.sinks.metrics import CounterReading
from inferometer.threads import Failures, Loop, Start, start_thread

GROUP_ROWS = 1000  # facts that are committed together, if so many wait
SETTLE_FACTS = 2000  # that are settled in one transaction, for which commits wait
OPEN_SECONDS = 60.0  # at most, from a trace's first span until it is settled
LINGER_SECONDS = 0.004  # that a body waits for others, where they come one after another
SETTLE_SECONDS = 0.5  # between settlements: many traces at once cost less than one by one
TICK_SECONDS = 0.05  # between looks at what is due
MARK_SECONDS = 5.0
PROBE_SECONDS = 1.0  # the same, while nothing can be written
PURGE_SECONDS = 10.0  # between looks for what is too old
MOST_PENDING = 150_000  # facts in memory: beyond it nothing more is taken
MOST_WAITING = 10_000  # commits that wait for the writer
SKEW = 600 * 10**9  # nanoseconds


class LedgerWriter:
    """Facts in, counters out. Only its own thread touches the file."""

    def __init__(self, file: File, settle_seconds: float = 10.0, *,
                 clock: Callable[[], int] = time.time_ns,
                 monotonic: Callable[[], float] = time.monotonic,
                 linger: float = LINGER_SECONDS, start: Start = start_thread,
                 pricing: Pricing = unpriced, limits: Limiting = default_limits) -> None:
        self._file = file
        self.beat_trace = file.keys.beat_trace
        self._linger = linger
        self._busy = False  # whether something was committed in the last turn
        self._clock, self._monotonic = clock, monotonic
        self._forms = Forms(file)
        self._repeats = Repeats(file, self._forms.current, monotonic)
        self._settler = Settler(file, self._forms, pricing, limits)
        self._queue: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._open = OpenTraces(settle_seconds, max(OPEN_SECONDS, settle_seconds))
        self.pressure = Pressure(file, clock)
        self._marked_at = 0.0
        self._high_water, self._last_mark = HighWater(file.path), mark_of(file)
        self._failures = Failures("commit")
        self._retention = Retention(file)
        self._purging, self._purge_at = False, 0.0
        self._skewed = 0
        self._taken = self._written = 0  # facts: by who commits, and by the writer, or refused
        self._last_commit: int | None = None
        self._due_at = math.inf  # when the next trace is to be settled
        self._behind, self._settle_at = False, 0.0  # whether there is more to settle at once
        self._stopping = False
        self._ended = threading.Event()
        self._next_seq, self._next_links = 1, 1
        self._restore()
        self.loop = Loop("ledger", self._turn, lambda: 0.0, start, wait=lambda _: None)

    def commit(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int
               ) -> Receipt:
        """Have them written: the receipt says once they are, or why not. Raises LedgerFullError."""
        if refusal := self.pressure.refusal:
            raise LedgerFullError(WHY[refusal], self.pressure.lag)
        if (self._stopping or self._open.facts + self._taken - self._written >= MOST_PENDING
                or self._queue.qsize() >= MOST_WAITING):
            raise LedgerFullError("too much is pending",
                                  max(self.pressure.lag, self._settle_lag()))
        self._taken += len(facts)
        if self.pressure.waits_since is None:
            self.pressure.waits_since = arrived
        batch = Parcel(facts, links, arrived, Receipt())
        self._queue.put(batch)
        return batch.done

    def reading(self) -> CounterReading:
        """All counters as they are now."""
        return self._settler.reading()

    def condition(self) -> LedgerCondition:
        """How it does."""
        return LedgerCondition(
            self._open.facts, self._settle_lag(), self._file.bytes(), self._file.free_bytes(),
            self._last_commit, self._skewed, self._settler.failed, self.pressure.lag,
            self.pressure.refusal, self._repeats.reused)

    def _settle_lag(self) -> float:
        return max(0.0, self._monotonic() - self._due_at)

    def configure(self, retention_days: int, rollup_days: int, max_bytes: int = 0) -> None:
        """Keep rows and roll-ups for so long, and take nothing beyond so many bytes."""
        self.pressure.max_bytes = max_bytes
        self._retention.days, self._retention.rollup_days = retention_days, rollup_days

    def stop(self, seconds: float) -> None:
        """Commit what was taken, and end. What is pending settles after the next start."""
        self._stopping = True
        self._queue.put(None)
        self._ended.wait(seconds)
        self.loop.stop()
        self._file.close()

    def _turn(self) -> None:
        if self._ended.is_set():
            return
        group = self._group()
        if group:
            self._commit(group)
            self.pressure.waits_since = None if self._queue.empty() else group[-1].arrived
        elif self._stopping and self._queue.empty():  # else something came at the last moment
            self.pressure.try_to(self._write_mark)
            self._ended.set()
            return
        self._mark()  # first: also while nothing can be settled
        self.settle_some()
        if self._purging or self._monotonic() >= self._purge_at:
            self._purge()

    def _purge(self) -> None:
        self._purging = self._retention.purge(self._clock(), self._settler.seats) or (
            self.pressure.tight and delete_content(self._file))
        self._purge_at = self._monotonic() + PURGE_SECONDS

    def _group(self) -> list[Parcel]:
        """What waits now, after waiting for a first one; and a moment longer where more may come.

        One write to the disk costs as much for one body as for a hundred.
        """
        group: list[Parcel] = []
        rows = 0
        with contextlib.suppress(queue.Empty):
            parcel = self._queue.get(timeout=0.0 if self._behind else TICK_SECONDS)
            if parcel is not None and self._busy:
                time.sleep(self._linger)  # who listened here would be woken for each body
            while parcel is not None:
                group.append(parcel)
                rows += len(parcel.facts)
                if rows >= GROUP_ROWS:
                    break
                parcel = self._queue.get_nowait()
        self._busy = bool(group)
        return group

    def _commit(self, group: Sequence[Parcel]) -> None:
        try:
            self.write(group)
        except Exception as error:  # the writer goes on; who sent it is told, and sends again
            if len(group) > 1:  # one that cannot be written must not keep the others from it
                for batch in group:
                    self._commit([batch])
                return
            self._failures.note(error)
            self._marked_at = -math.inf  # whether anything can be written is seen at once
            group[0].done.set_exception(error)
        else:
            for batch in group:
                batch.done.set_result(None)
        self._written += sum(len(batch.facts) for batch in group)

    def write(self, group: Sequence[Parcel]) -> None:
        """Commit the batches in one transaction, and then have them in memory."""
        rows = rows_of(group, self._next_seq, self._file.keys, self._forms.packers)
        contents, kept = rows.contents, rows.kept
        links = [(self._next_links + i, batch.arrived, packed_links(batch.links))
                 for i, batch in enumerate(group)]
        statements = self._file.statements
        old: Sequence[FactRow] = ()
        with self._file.transaction() as connection:
            written = sum(connection.executemany(statement, values).rowcount for statement, values
                          in ((statements.insert_fact, rows.named),
                              (statements.insert_nameless_fact, rows.nameless)) if values)
            if written != len(kept):  # some came before
                old = self._repeats.among(rows)
                numbers = {row[0] for row in old}
                contents = [row for row in contents if row[0] not in numbers]
                kept = [fact for fact in kept if fact.seq not in numbers]
            connection.executemany(statements.insert_links, links)
            connection.executemany(statements.insert_content, contents)
        self._remember(group, kept, rows.digests)
        self._next_seq += len(rows.kept)
        self._next_links += len(links)
        self._last_commit = self._clock()
        self._repeats.note(old)

    def _remember(self, group: Sequence[Parcel], kept: Sequence[Kept],
                  digests: Mapping[bytes, int]) -> None:
        now, first = self._monotonic(), self._next_links
        touched: dict[bytes, Trace] = {}
        for trace_id, links in ((trace_id, links) for batch in group
                                for trace_id, links in batch.links.items()):
            trace = touched[trace_id] = self._open.touch(trace_id, now, first)
            trace.links.append(links)
        for one in kept:
            fact = one.fact
            opened = touched.get(fact.trace_id)
            if opened is None:
                opened = touched[fact.trace_id] = self._open.touch(fact.trace_id, now, first)
            opened.digest = digests[fact.trace_id]
            opened.facts[fact.span_id] = one
            if fact.end and not -SKEW <= fact.end - one.arrived <= SKEW:
                self._skewed += 1
        self._open.facts += len(kept)

    def settle_due(self) -> None:
        """Settle all that is quiet."""
        while self._settle():
            pass
        self._behind = False

    def settle_some(self) -> None:
        """Settle what is quiet, if it is time; as much as one transaction takes."""
        now = self._monotonic()
        if self._behind or now >= self._settle_at:
            self._behind, self._settle_at = False, now + SETTLE_SECONDS  # also if it fails
            self._behind = self._settle()

    def _settle(self) -> bool:
        """Settle what one transaction takes; whether there is more."""
        traces = self._due()
        self._due_at = self._open.due_at()
        if not traces:
            return False
        try:
            self._settler.settle(traces)
        except BaseException:
            self._open.put_back(traces)
            raise
        self._open.settled(traces)
        return self._due_at <= self._monotonic()

    def _due(self) -> list[tuple[bytes, Trace]]:
        now, facts = self._monotonic(), 0
        due: list[tuple[bytes, Trace]] = []
        while facts < SETTLE_FACTS and len(due) < SETTLE_FACTS and (one := self._open.due(now)):
            due.append(one)
            facts += len(one[1].facts)
        return due

    def _mark(self) -> None:
        """Once in a while write from where on facts may be pending, and delete old links."""
        now = self._monotonic()
        if now - self._marked_at < (PROBE_SECONDS if self.pressure.failing else MARK_SECONDS):
            return
        self._marked_at = now
        self.pressure.try_to(self._write_mark)
        self.pressure.look()

    def _write_mark(self) -> None:
        """Raises OSError and sqlite3.Error."""
        least = self._open.least_seq() or self._next_seq
        with self._file.transaction() as connection:
            connection.executemany(self._file.statements.put_meta, [
                ("pending_from", str(least)), (MARK, str(self._last_mark + 1))])
            connection.execute(self._file.statements.delete_forgotten, (least,))
            connection.execute(self._file.statements.delete_links,
                               (self._open.links_from(self._next_links),))
        self._last_mark += 1
        self._high_water.write(self._file.gateway, self._last_mark)  # last: it is never ahead

    def _restore(self) -> None:
        """Have in memory again what was pending when the last writer ended."""
        connection, statements = self._file.connection, self._file.statements
        # Where all facts are deleted by now, numbers go on all the same.
        self._next_seq = max((connection.execute(statements.last_fact).fetchone()[0] or 0) + 1,
                             int(self._file.meta.get("pending_from", 1)))
        self._next_links = (connection.execute(statements.last_links).fetchone()[0] or 0) + 1
        now = self._monotonic()
        for row in connection.execute(statements.pending_facts,
                                      (int(self._file.meta.get("pending_from", 0)),)):
            one = self._forms.kept(row)
            self._open.touch(one.fact.trace_id, now, 0).facts[one.fact.span_id] = one
            self._open.facts += 1
        for (packed,) in connection.execute(statements.all_links):
            for trace_id, links in links_by_trace(packed):
                self._open.touch(trace_id, now, 0).links.append(links)
