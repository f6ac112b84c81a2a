"""A ClickHouse within this process, to which ledgers give what they have counted."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from inferometer.ledger.clickhouse.answers import ArchiveAnswers
from inferometer.ledger.clickhouse.archive import Archive
from inferometer.ledger.clickhouse.connection import connect
from inferometer.ledger.clickhouse.shipper import BATCH_SECONDS, CHUNK_SECONDS, Shipper
from inferometer.ledger.clickhouse.tables import DAY_SECONDS, TABLES
from inferometer.ledger.file import File
from tests.exporter.ledger.clickhouse.filling import DAY, beside
from tests.exporter.ledger.making import Bench

NUMBERS = itertools.count(1)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Warehouse:
    """A database of its own in this process's ClickHouse."""

    def __init__(self, folder: Path) -> None:
        self._url, self.database = f"chdb://{folder}", f"test{next(NUMBERS)}"
        self.client = self.connected()
        # Sums are named by the server's own clock, today.
        self.clock, self._began = Clock(), time.time_ns() // DAY * DAY

    def connected(self) -> Client:
        client = connect(self._url, self.database)
        client.set_client_setting("max_threads", 1)  # rows are few, and tests run side by side
        return client

    def shipper(self, bench: Bench, client: Client | None = None,
                ledger: Callable[[], File] | None = None, **options: Any) -> Shipper:
        return Shipper(ledger or (lambda: beside(bench)),
                       lambda: Archive(client or self.client), monotonic=self.clock,
                       clock=lambda: self._began + int(self.clock.now * 1e9),
                       **{"batch_rows": 40, "chunk_batches": 3, **options})

    def ship_all(self, shipper: Shipper) -> None:
        """Let time pass until all is there, and is added up by the hour and by the day."""
        for seconds in (BATCH_SECONDS, CHUNK_SECONDS, DAY_SECONDS):
            self.clock.now += seconds
            shipper.turn()

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        return self.client.query(query).result_rows

    def forget_tokens(self) -> None:
        """As after any window: a token that comes again is new."""
        for table in TABLES:
            self.client.command(
                f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 0")

    def counted(self) -> Sequence[tuple[int, str, int]]:
        """The numbers and kinds of rows that count, with the moment of their arrival."""
        return sorted((row[0], row[1], row[2]) for row in self.rows(
            "SELECT seq, kind, toUnixTimestamp64Nano(arrived) FROM calls WHERE copy IN "
            f"({ArchiveAnswers(self.client).batches('true')})"))


@contextmanager
def warehouse_in(folder: Path) -> Iterator[Warehouse]:
    """One in a ClickHouse in a folder; a process can have only one such folder."""
    warehouse = Warehouse(folder)
    try:
        yield warehouse
    finally:
        warehouse.client.command(f"DROP DATABASE {warehouse.database}")
        warehouse.client.close()
