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
from inferometer.facts import Fact, ModelCall
from inferometer.ledger.collector import LedgerCondition
from inferometer.ledger.database import Database
from inferometer.ledger.errors import LedgerFullError
from inferometer.ledger.failed_calls import FailedCall
from inferometer.ledger.metering import Meter
from inferometer.ledger.outbox_keeper import OutboxKeeper
from inferometer.ledger.parcel import Parcel, rows_of, votes_of
from inferometer.ledger.pressure import WHY, Pressure
from inferometer.ledger.ranking import Ranker
from inferometer.ledger.repeats import Repeats
from inferometer.ledger.request_queue import RequestNotes
from inferometer.ledger.retention import Retention
from inferometer.ledger.settler import Settler
from inferometer.ledger.store import Forms
from inferometer.ledger.vote_keeper import VoteKeeper
from inferometer.points import MetricPoint
from inferometer.pricing import Pricing, unpriced
from inferometer.receipt import Receipt
from inferometer.sinks.metrics import CounterReading
from inferometer.sinks.outbox import SentBody
from inferometer.threads import Failures, Loop, Start, start_thread
from inferometer.votes import Casting

GROUP_ROWS = 1000  # facts that are committed together, if so many wait
SETTLE_FACTS = 2000  # that are settled in one transaction, for which commits wait
OPEN_SECONDS = 60.0  # at most, from a trace's first span until it is settled
LINGER_SECONDS = 0.004  # that a body waits for others, where they come one after another
METER_TIMES = 6  # as long as a trace is to be quiet: until what metrics tell is counted
SETTLE_SECONDS = 0.5  # between settlements: many traces at once cost less than one by one
TICK_SECONDS = 0.05  # between looks at what is due
PROBE_SECONDS = 1.0  # between tries to write something, while nothing can be written
PURGE_SECONDS = 10.0  # between looks for what is too old
MOST_PENDING = 150_000  # facts in memory: beyond it nothing more is taken
MOST_WAITING = 10_000  # commits that wait for the writer
SKEW = 600 * 10**9  # nanoseconds


class LedgerWriter:
    """Facts in, counters out. Only its own thread touches the file."""

    def __init__(self, database: Database, settle_seconds: float = 10.0, *,
                 clock: Callable[[], int] = time.time_ns,
                 monotonic: Callable[[], float] = time.monotonic,
                 linger: float = LINGER_SECONDS, start: Start = start_thread,
                 pricing: Pricing = unpriced, limits: Limiting = default_limits,
                 logs_requests: bool = False, outbox: OutboxKeeper | None = None,
                 takes_votes: bool = False) -> None:
        self._database = database
        self.beat_trace = database.keys.beat_trace
        self._linger = linger
        self._busy = False  # whether something was committed in the last turn
        self._clock, self._monotonic = clock, monotonic
        self._forms = Forms(database)
        self._repeats = Repeats(database, self._forms.current, monotonic)
        self._settler = Settler(database, self._forms, pricing, limits,
                                RequestNotes(database, clock) if logs_requests else None)
        self._votes = VoteKeeper(database, self._forms, self._settler, takes_votes, monotonic)
        self._meter = Meter(database, clock, METER_TIMES * settle_seconds)
        self._queue: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._pending = database.pending(settle_seconds, max(OPEN_SECONDS, settle_seconds),
                                         monotonic, self._forms.kept)
        self.pressure = Pressure(database, clock)
        self._tidied_at = 0.0
        self._failures = Failures("commit")
        self._retention = Retention(database)
        self._ranker = Ranker(database)
        self._outbox = outbox or OutboxKeeper(database, {}, 0, 0.0, clock)
        self._purging, self._purge_at = False, 0.0
        self._skewed = 0
        self._taken = self._written = 0  # facts: by who commits, and by the writer, or refused
        self._last_commit: int | None = None
        self._behind, self._settle_at = False, 0.0  # whether there is more to settle at once
        self._stopping = False
        self._ended = threading.Event()
        self.loop = Loop("ledger", self._turn, lambda: 0.0, start, wait=lambda _: None)

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return self._database.name

    def commit(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
               body: SentBody | None = None, points: Sequence[MetricPoint] = (),
               votes: Sequence[Casting] = ()) -> Receipt:
        """Have them written: the receipt says once they are, or why not. Raises LedgerFullError.

        `body`: what they came in, where it is to be forwarded.
        """
        if refusal := self.pressure.refusal:
            raise LedgerFullError(WHY[refusal], self.pressure.lag)
        waiting = self._taken - self._written
        if (self._stopping or self._pending.facts + waiting >= MOST_PENDING
                or self._queue.qsize() >= MOST_WAITING):
            raise LedgerFullError("too much is pending",
                                  max(self.pressure.lag, self._pending.lag()))
        self._taken += len(facts)
        if self.pressure.waits_since is None:
            self.pressure.waits_since = arrived
        batch = Parcel(facts, links, arrived, Receipt(), body, points, votes)
        self._queue.put(batch)
        return batch.done

    def reading(self) -> CounterReading:
        """All counters as they are now."""
        return self._settler.reading()

    def failed_calls(self) -> Mapping[str, FailedCall]:
        """The last one of each service since the start."""
        return self._settler.failed_calls()

    def condition(self) -> LedgerCondition:
        """How it does."""
        disk = self._database.disk()
        return LedgerCondition(
            self._pending.facts, self._pending.lag(), self._database.bytes(),
            disk[0] if disk else None, self._last_commit, self._skewed, self._settler.failed,
            self.pressure.lag, self.pressure.refusal, self._repeats.reused,
            unmetered=self._meter.unmetered)

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
        self._pending.close()
        self._database.close()

    def _turn(self) -> None:
        if self._ended.is_set():
            return
        group = self._group()
        if group:
            self._commit(group)
            self.pressure.waits_since = None if self._queue.empty() else group[-1].arrived
        elif self._stopping and self._queue.empty():  # else something came at the last moment
            self.pressure.try_to(self._pending.tidy)
            self._ended.set()
            return
        self._tidy()  # first: also while nothing can be settled
        self.settle_some()
        if self._purging or self._outbox.is_due or self._monotonic() >= self._purge_at:
            self._purge()

    def _purge(self) -> None:
        dropping = self._outbox.look(self.pressure.tight)
        self._purging = self._retention.purge(self._clock(), self._settler.seats) or dropping or (
            self.pressure.tight and self._database.delete_content()) or (
            self._votes.purge(self._clock(), self._retention.days)) or (
            self._ranker.rank(self._clock()))
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
            # One that cannot be written must not keep the others from it.
            if len(group) > 1 and self._database.usable:
                for batch in group:
                    self._commit([batch])
                return
            self._failures.note(error)
            self._tidied_at = -math.inf  # whether anything can be written is seen at once
            for batch in group:
                batch.done.set_exception(error)
        else:
            for batch in group:
                batch.done.set_result(None)
        self._written += sum(len(batch.facts) for batch in group)

    def write(self, group: Sequence[Parcel]) -> None:
        """Commit the batches: those of facts in one transaction, each of points in its own.

        First these: what is sent again after a failure adds nothing to them, and a body that goes
        on would go twice.
        """
        for parcel in group:
            if parcel.points:
                self._meter.keep(parcel.points, parcel.arrived)
                self._last_commit = self._clock()
        bodies = [parcel for parcel in group if parcel.body is not None or not (
            parcel.points or parcel.votes)]
        if bodies:
            self._write(bodies)
        self._votes.cast(votes_of(group))  # also of facts that came before: are their votes here?

    def _write(self, group: Sequence[Parcel]) -> None:
        database = self._database
        many = sum(len(parcel.facts) for parcel in group)
        first = database.numbers(many, max(parcel.arrived for parcel in group))
        rows = rows_of(group, first, database.keys, self._forms.packers)
        contents, kept = rows.contents, rows.kept
        with database.transaction():
            if old := database.insert_facts(rows):
                contents = [row for row in contents if row[0] not in old]
                kept = [one for one in kept if one.seq not in old]
            self._pending.write(group, kept, rows.digests)
            database.insert(database.statements.insert_content, contents)
            bodies = self._outbox.write(group)
            senders = self._meter.note_senders({
                one.fact.service_name for one in kept if type(one.fact) is ModelCall})
        self._pending.remember()
        self._outbox.remember(bodies)
        self._meter.remember(senders)
        for one in kept:
            if one.fact.end and not -SKEW <= one.fact.end - one.arrived <= SKEW:
                self._skewed += 1
        self._last_commit = self._clock()
        if old:
            self._repeats.note(row for row in (*rows.named, *rows.nameless) if row[0] in old)

    def settle_due(self) -> None:
        """Settle all that is quiet."""
        while self._settle() or self._count_metered():
            pass
        self._behind = False
        self._votes.join_new()

    def settle_some(self) -> None:
        """Settle what is quiet, if it is time; as much as one transaction takes."""
        now = self._monotonic()
        if self._behind or now >= self._settle_at:
            self._behind, self._settle_at = False, now + SETTLE_SECONDS  # also if it fails
            self._behind = self._settle() or self._count_metered()
            self._votes.join_new()

    def _count_metered(self) -> bool:
        """Count what metrics tell and is due; whether there is more."""
        if not self._meter.is_due():
            return False
        self._settler.meter(self._meter.take)
        return self._meter.is_due()

    def _settle(self) -> bool:
        """Settle what one transaction takes; whether there is more."""
        pending = self._pending
        if not pending.is_due():
            return False
        try:
            self._settler.settle(lambda: pending.take(SETTLE_FACTS))
        except BaseException:
            pending.put_back()
            raise
        pending.settled()
        return pending.is_due()

    def _tidy(self) -> None:
        """Once in a while write what keeps the ledger in order, and see whether that is possible.
        """
        now = self._monotonic()
        if now - self._tidied_at < (PROBE_SECONDS if self.pressure.failing else
                                    self._pending.rest):
            return
        self._tidied_at = now
        self.pressure.try_to(self._pending.tidy)
        self.pressure.look()
