"""Where a gateway keeps its ledger, and how its rows are counted without it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tests.e2e.drills.figures import Rows

# Not the heartbeats that a gateway sends itself.
SENT = "NOT EXISTS (SELECT 1 FROM counted WHERE kind = 'heartbeat' AND counted.seq = facts.seq)"


class Store(Protocol):
    """A ledger's store as drills see it."""

    name: str

    def settings(self, folder: Path) -> str:
        """Keys of the section `ledger`, beside its path."""

    def rows(self, folder: Path) -> Rows:
        """What it has of the gateway in this folder."""

    def pending(self, folder: Path) -> int:
        """Calls that are not counted yet."""


class SqliteStore:
    """One file, read by the library of SQLite."""

    name = "sqlite"

    def settings(self, folder: Path) -> str:
        """None: the file is in the folder."""
        return ""

    def rows(self, folder: Path) -> Rows:
        """Of the file."""
        with _read(folder) as connection:
            ids = [trace + span for trace, span in connection.execute(
                f"SELECT trace, span FROM facts WHERE {SENT}")]
            counted = connection.execute(
                "SELECT sum(calls) FROM counted WHERE kind = 'call'").fetchone()[0] or 0
        return Rows(ids, counted)

    def pending(self, folder: Path) -> int:
        """By their state."""
        with _read(folder) as connection:
            return int(connection.execute(
                "SELECT count(*) FROM facts WHERE state = 0").fetchone()[0])


Stores = Callable[[], AbstractContextManager[Store]]  # a new and empty one


@contextlib.contextmanager
def sqlite() -> Iterator[Store]:
    """A file needs nothing."""
    yield SqliteStore()


@contextlib.contextmanager
def _read(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True, timeout=60)
    with contextlib.closing(connection):
        yield connection
