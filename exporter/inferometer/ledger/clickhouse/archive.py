"""What ClickHouse has of batches and of their sums: copies, and which of them counts.

A copy is whatever one INSERT left: all of a batch, a part of it, or all of it a second time. It
counts once it is complete and named in a table, the first of its batch that was. So an INSERT that
was cut off, repeated or delayed changes no answer, whether the server remembers its token or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from inferometer.ledger.clickhouse.outbox import NumberedBatch
from inferometer.ledger.clickhouse.tables import (
    BATCH_COPIES,
    CHUNK_COPIES,
    CREATE,
    DAY_COPIES,
    HOURS,
    LABELS,
    SENT,
    Level,
)
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.seats import SeatTable

if TYPE_CHECKING:  # it is in an extra
    from clickhouse_connect.driver.client import Client

TRIES = 5  # INSERTs of one batch, one after another
# What an INSERT leaves is to be there when it returns, in one piece for each day.
SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 0}
_OF_COUNTED = [(place, name) for place, name in enumerate(CountedRow._fields) if name != "seat"]
_NAMES = {"user", "conversation"}


class ChunkEnd(NamedTuple):
    """The last sums that are named: their number, and that of their last batch."""

    number: int = 0
    last: int = 0


class Archive:
    """The tables, as one shipper writes them. All methods raise what the client does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def prepare(self) -> None:
        """Make the tables where they are missing."""
        for statement in CREATE:
            self._client.command(statement)

    def last_number(self, gateway: str) -> int:
        """The greatest number of a batch of which anything is here, 0 if there is none."""
        return max(self._number(f"SELECT max(batch) FROM {table} WHERE gateway = "
                                "{gateway:String}", gateway=gateway)
                   for table in ("batches", "calls"))

    def has(self, gateway: str, number: int) -> bool:
        """Whether a copy of the batch counts."""
        return bool(self._number(
            "SELECT count() FROM batches WHERE gateway = {gateway:String} "
            "AND batch = {number:UInt64}", gateway=gateway, number=number))

    def without_present(self, gateways: Sequence[str], rows: Sequence[CountedRow]
                        ) -> Sequence[CountedRow]:
        """Those that are not here, in any batch that counts: an older ledger gives some again.

        `gateways` are all ids that the ledger has had. A row is known by its number and the moment
        at which it arrived.
        """
        if not rows:
            return rows
        begin, end = _arrivals(rows)
        present = set(self._rows(
            "SELECT seq, kind, toUnixTimestamp64Nano(arrived) FROM calls WHERE "
            "arrived BETWEEN fromUnixTimestamp64Nano({begin:Int64}) "
            "AND fromUnixTimestamp64Nano({end:Int64}) AND gateway IN {gateways:Array(String)} "
            f"AND copy IN ({BATCH_COPIES.format('gateway IN {gateways:Array(String)}')})",
            gateways=[*gateways], begin=begin, end=end))
        return [row for row in rows if (row.seq, row.kind, row.arrived) not in present]

    def bring(self, gateway: str, number: int, rows: Sequence[CountedRow], seats: SeatTable) -> int:
        """A complete copy of the batch, sent if there is none. Raises LedgerError."""
        for number_of_try in range(TRIES):
            copy = self._copy(gateway, number, _arrivals(rows))
            if copy is not None:
                return copy
            # A token that the server remembers of half a batch keeps that half from coming again.
            self.insert(gateway, number, rows, seats, f"{gateway}/{number}/{number_of_try}")
        copy = self._copy(gateway, number, _arrivals(rows))
        if copy is None:
            raise LedgerError(f"batch {number} does not arrive as a whole")
        return copy

    def insert(self, gateway: str, number: int, rows: Sequence[CountedRow], seats: SeatTable,
               token: str) -> None:
        """Send a copy."""
        labels = {row.seat: seats.seats[row.seat].labels for row in rows}
        of_rows = [labels[row.seat] for row in rows]
        columns: dict[str, Sequence[Any]] = {
            "gateway": [*repeat(gateway, len(rows))], "batch": [*repeat(number, len(rows))],
            "rows": [*repeat(len(rows), len(rows))],
            **{name: [getattr(one, name) for one in of_rows] for name in LABELS}}
        by_place = [*zip(*rows, strict=True)]
        for place, name in _OF_COUNTED:
            values = by_place[place]
            columns[name] = [value or "" for value in values] if name in _NAMES else values
        self._client.insert("calls", [columns[name] for name in SENT], column_names=[*SENT],
                            column_type_names=[*SENT.values()], column_oriented=True,
                            settings={**SETTINGS, "insert_deduplication_token": token})

    def name(self, gateway: str, batch: NumberedBatch, copy: int, rows: Sequence[CountedRow]
             ) -> None:
        """Have this copy of the batch count, unless another does already."""
        self._client.insert(
            "batches", [[gateway, batch.number, copy, len(rows), batch.first, batch.last,
                         *_arrivals(rows)]],
            column_names=["gateway", "batch", "copy", "rows", "first", "last", "first_arrived",
                          "last_arrived"], settings=SETTINGS)

    def chunk_end(self, gateway: str, level: Level = HOURS) -> ChunkEnd:
        """Up to where there are sums."""
        rows = self._rows(f"SELECT max(chunk), max(last) FROM {level.names} WHERE gateway = "
                          "{gateway:String}", gateway=gateway)
        return ChunkEnd(*rows[0])

    def last_named(self, gateway: str, level: Level) -> int:
        """When sums were named last, in Unix seconds by the server's clock; 0 if never."""
        return self._number(f"SELECT toUnixTimestamp(max(named)) FROM {level.names} WHERE gateway "
                            "= {gateway:String}", gateway=gateway)

    def add_up(self, level: Level, gateway: str, chunk: NumberedBatch) -> None:
        """Add up batches by the hour, or these sums by the day, and have it count.

        Raises LedgerError.
        """
        values = {"gateway": gateway, "chunk": chunk.number, "first": chunk.first,
                  "last": chunk.last}
        expected = self._number(level.rows, **values)
        if not expected:  # of rows that all were here already, or that are deleted by now
            return
        find = (f"SELECT copy FROM {level.sums} WHERE gateway = {{gateway:String}} "
                "AND chunk = {chunk:UInt64} GROUP BY copy HAVING sum(counted) = {expected:UInt64}")
        copies = self._rows(find, expected=expected, **values)
        if not copies:
            self._client.command(level.add_up, parameters=values, settings=SETTINGS)
            copies = self._rows(find, expected=expected, **values)
        if not copies:
            raise LedgerError(f"{level.sums} of {chunk.first} to {chunk.last} are not of "
                              f"{expected} rows")
        self._client.insert(
            level.names, [[gateway, chunk.number, copies[0][0], chunk.first, chunk.last, expected]],
            column_names=["gateway", "chunk", "copy", "first", "last", "rows"], settings=SETTINGS)

    def forget(self, name: str) -> None:
        """Take a user's or conversation's hash out of all copies; done when it returns."""
        for table, column in (("calls", "user"), ("calls", "conversation"), ("rollups", "user"),
                              ("days", "user")):
            self._client.command(
                f"ALTER TABLE {table} UPDATE {column} = '' WHERE {column} = {{name:String}}",
                parameters={"name": name}, settings={"mutations_sync": 2})

    def extent(self, gateway: str) -> tuple[int, int, int]:
        """How many batches are here, and rows in them; up to which batch they are added up."""
        batches, rows = self._rows(
            "SELECT count(), sum(one) FROM (SELECT any(rows) AS one FROM batches WHERE "
            "gateway = {gateway:String} GROUP BY batch)", gateway=gateway)[0]
        return batches, rows, self.chunk_end(gateway).last

    def drop(self, days_until: int, months_until: int) -> None:
        """Delete calls of all days before a moment, and sums of all months before another.

        Both are Unix nanoseconds.
        """
        for table, form, until in (("calls", "%Y%m%d", days_until),
                                   ("rollups", "%Y%m", months_until),
                                   ("days", "%Y%m", months_until)):
            first = datetime.fromtimestamp(until / 1e9, UTC).strftime(form)
            for (partition,) in self._rows(
                    "SELECT DISTINCT partition_id FROM system.parts WHERE active AND "
                    "database = currentDatabase() AND table = {table:String} "
                    "AND partition_id < {first:String}", table=table, first=first):
                self._client.command(f"ALTER TABLE {table} DROP PARTITION ID '{partition}'")

    def sweep(self, gateway: str) -> None:
        """Delete copies that do not count, of what was named a day ago and more."""
        for table, names, number, counting in (
                ("calls", "batches", "batch", BATCH_COPIES),
                ("rollups", "chunks", "chunk", CHUNK_COPIES),
                ("days", "day_chunks", "chunk", DAY_COPIES)):
            mine = "gateway = {gateway:String}"
            until = self._number(f"SELECT max({number}) FROM {names} WHERE {mine} "
                                 "AND named < now() - INTERVAL 1 DAY", gateway=gateway)
            where = (f"{mine} AND {number} <= {{until:UInt64}} "
                     f"AND copy NOT IN ({counting.format(mine)})")
            if self._number(f"SELECT count() FROM {table} WHERE {where}", gateway=gateway,
                            until=until):
                self._client.command(f"ALTER TABLE {table} DELETE WHERE {where}", parameters={
                    "gateway": gateway, "until": until}, settings={"mutations_sync": 2})

    def _copy(self, gateway: str, number: int, arrivals: tuple[int, int]) -> int | None:
        rows = self._rows(
            "SELECT copy FROM calls WHERE arrived BETWEEN fromUnixTimestamp64Nano({begin:Int64}) "
            "AND fromUnixTimestamp64Nano({end:Int64}) AND gateway = {gateway:String} "
            "AND batch = {number:UInt64} GROUP BY copy HAVING count() = any(rows) LIMIT 1",
            gateway=gateway, number=number, begin=arrivals[0], end=arrivals[1])
        return int(rows[0][0]) if rows else None

    def _number(self, query: str, **parameters: object) -> int:
        return int(self._rows(query, **parameters)[0][0] or 0)

    def _rows(self, query: str, **parameters: object) -> Sequence[Sequence[Any]]:
        return self._client.query(query, parameters=parameters).result_rows


def _arrivals(rows: Sequence[CountedRow]) -> tuple[int, int]:
    """When the first and the last of them arrived."""
    return min(row.arrived for row in rows), max(row.arrived for row in rows)
