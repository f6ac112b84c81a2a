"""Takes batches of counted rows to ClickHouse, in a thread of its own.

It reads the ledger by a connection of its own and has one batch in memory, so that neither senders
nor settling wait for it. A turn goes from one durable step to the next: what a batch is of is in
the ledger before it is sent, and that it was sent after its copy counts. Who is killed in between,
or does the same again, does no more than the next step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from inferometer.config import LedgerSection
from inferometer.ledger.clickhouse.archive import Archive
from inferometer.ledger.clickhouse.connection import connect_as, plain_words
from inferometer.ledger.clickhouse.outbox import ROWS, NumberedBatch, Outbox
from inferometer.ledger.clickhouse.tables import DAY_SECONDS, DAYS, HOURS, Level
from inferometer.ledger.file import File
from inferometer.ledger.file_opening import open_beside
from inferometer.ledger.retention import DAY
from inferometer.ledger.store import load_seats
from inferometer.threads import Loop, Start, start_thread

BATCH_ROWS = 20_000  # of a batch that is full; others leave after a while
BATCH_SECONDS = 30.0
TURN_SECONDS = 5.0
RETRY_SECONDS = 30.0  # after a turn that failed
CHUNK_BATCHES = 100  # that are added up together; fewer after a while
CHUNK_SECONDS = 3600.0
SWEEP_SECONDS = 86400.0  # between two looks for copies that do not count


class ShippingCondition(NamedTuple):
    """How the shipping does."""

    waiting: int | None = None  # rows; None where nobody has looked yet
    failures: int = 0  # turns


class Shipper:
    """One ledger's way to ClickHouse.

    `ledger` opens the ledger, and `archive` ClickHouse, anew after a failure; both may raise.
    `words` puts into plain ones what a turn raises.
    """

    def __init__(self, ledger: Callable[[], File], archive: Callable[[], Archive],
                 words: Callable[[], AbstractContextManager[None]] = nullcontext,
                 monotonic: Callable[[], float] = time.monotonic,
                 clock: Callable[[], int] = time.time_ns, start: Start = start_thread,
                 batch_rows: int = BATCH_ROWS, chunk_batches: int = CHUNK_BATCHES) -> None:
        self._batch_rows, self._chunk_batches = batch_rows, chunk_batches
        self._open_ledger, self._open_archive = ledger, archive
        self._words, self._monotonic, self._clock = words, monotonic, clock
        self._archive: Archive | None = None
        self._waiting: int | None = None
        self._failures = 0
        self._stopped = False
        self._flushed_at = self._added_at = self._swept_at = monotonic()
        self._failed = False  # the last turn
        self._days = self._rollup_days = 0  # 0: not told yet
        self.loop = Loop("clickhouse", self.turn,
                         lambda: RETRY_SECONDS if self._failed else TURN_SECONDS, start)

    def configure(self, retention_days: int, rollup_days: int) -> None:
        """Keep calls and sums there for so long."""
        self._days, self._rollup_days = retention_days, rollup_days

    def condition(self) -> ShippingCondition:
        """As it was at the end of the last turn."""
        return ShippingCondition(self._waiting, self._failures)

    def stop(self) -> None:
        """Begin nothing more. What is under way ends, or is done again after the next start."""
        self._stopped = True
        self.loop.stop()

    def turn(self) -> None:
        """Send all there is to send. Raises what keeps it from that; the next turn goes on."""
        self._failed = True
        try:
            with self._words(), closing(self._open_ledger()) as file:
                outbox = Outbox(file)
                try:
                    self._ship(outbox, file)
                finally:
                    self._waiting = outbox.waiting()
        except BaseException:
            self._failures += 1
            self._archive = None
            raise
        self._failed = False

    def _ship(self, outbox: Outbox, file: File) -> None:
        if self._archive is None:
            archive = self._open_archive()
            archive.prepare()
            self._archive = archive
        archive = self._archive
        after = archive.last_number(outbox.gateway)
        least = 1 if self._due(self._flushed_at, BATCH_SECONDS) else self._batch_rows
        while not self._stopped and (
                batch := outbox.next_rows(least, self._batch_rows, after)):
            self._send(outbox, archive, batch, file)
        if least == 1:
            self._flushed_at = self._monotonic()
        if self._due(self._added_at, CHUNK_SECONDS):
            self._add_up(outbox, archive, 1)
            self._add_up_days(outbox, archive)
            self._tidy(outbox.gateway, archive)  # days whose calls are added up
            self._added_at = self._monotonic()
        else:
            self._add_up(outbox, archive, self._chunk_batches)
        for name in outbox.names_to_forget():
            archive.forget(name)
            outbox.note_forgotten(name)

    def _send(self, outbox: Outbox, archive: Archive, batch: NumberedBatch, file: File) -> None:
        gateway = outbox.gateway
        if not archive.has(gateway, batch.number):
            rows = archive.without_present([gateway, *outbox.former], outbox.rows(batch))
            if rows:
                copy = archive.bring(gateway, batch.number, rows, load_seats(file))
                archive.name(gateway, batch, copy, rows)
        outbox.note_sent(ROWS, batch)

    def _add_up(self, outbox: Outbox, archive: Archive, least: int, level: Level = HOURS) -> None:
        """Have sums of what is there below them, while there are at least so many."""
        until = outbox.newest(ROWS if level is HOURS else HOURS.kind)
        gateway, most = outbox.gateway, self._chunk_batches
        while not self._stopped:
            end = archive.chunk_end(gateway, level)
            chunk = outbox.next_sums(level.kind, until, end, least, most)
            if chunk is None:
                return
            if end.last < chunk.first:  # else it was named, and nobody noted it
                archive.add_up(level, gateway, chunk)
            outbox.note_sent(level.kind, chunk)

    def _add_up_days(self, outbox: Outbox, archive: Archive) -> None:
        """Once a day, so that the sums of a day are few."""
        named = archive.last_named(outbox.gateway, DAYS)
        if named // DAY_SECONDS < self._clock() // DAY:
            self._add_up(outbox, archive, 1, DAYS)

    def _tidy(self, gateway: str, archive: Archive) -> None:
        """Delete what is kept for long enough, and now and then what counts nowhere."""
        if self._days:
            now = self._clock()
            archive.drop(now - self._days * DAY, now - self._rollup_days * DAY)
        if self._due(self._swept_at, SWEEP_SECONDS):
            archive.sweep(gateway)
            self._swept_at = self._monotonic()

    def _due(self, since: float, seconds: float) -> bool:
        return self._monotonic() - since >= seconds


def shipper_of(section: LedgerSection) -> Shipper:
    """That of a ledger whose configuration has a ClickHouse."""
    return Shipper(
        lambda: open_beside(Path(section.path), Path(section.key_path)),
        lambda: Archive(connect_as(section.clickhouse)),
        lambda: plain_words(section.clickhouse))
