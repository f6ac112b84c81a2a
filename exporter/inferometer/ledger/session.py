"""A connection to PostgreSQL, and what those need that do their part of a ledger on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import psycopg
from psycopg.types.numeric import Int8Dumper

from inferometer.ledger.database import Cursor, Database


class _Integer(psycopg.adapt.Loader):
    """Sums of numbers, which PostgreSQL gives as such of any size."""

    def load(self, data: psycopg.abc.Buffer) -> int:
        return int(bytes(data))


class Session:
    """A connection of psycopg with the methods of SQLite's."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.raw = connection
        adapters = connection.adapters
        adapters.register_dumper(int, Int8Dumper)  # one prepared statement for all sizes
        adapters.register_loader("numeric", _Integer)

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run it with these values."""
        return self.raw.execute(statement.encode(), values or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /
                    ) -> Cursor:
        """Run it for each row of values; all of them are on their way at once."""
        cursor = self.raw.cursor()
        if rows := list(rows):
            cursor.executemany(statement.encode(), rows)
        return cursor

    def copy(self, table: str, columns: Sequence[str], types: Sequence[str],
             rows: Iterable[Sequence[Any]]) -> None:
        """Write rows as they are."""
        names = ", ".join(f'"{name}"' for name in columns)
        with self.raw.cursor().copy(
                f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


class Sessions(Database, Protocol):
    """A database that several gateways share, with this one's connection."""

    connected: int  # how often
    lease_seconds: float  # for which it holds what it settles, unless it says that it is alive

    @property
    def connection(self) -> Session:
        """The connection, made anew where it was lost. Raises LedgerLostError."""
        ...

    def transaction(self, alone: str = "", beside: str = "") -> AbstractContextManager[Session]:
        """All of it or nothing. `alone`: no other one has this name, `alone` or `beside`."""
        ...

    def measure(self) -> None:
        """Ask how large the database is."""
        ...
