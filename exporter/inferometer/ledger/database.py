"""An open ledger, whatever keeps it: the one place where SQLite and PostgreSQL differ.

`file.File` is the one of SQLite, `postgres.Postgres` the other. Everything else has statements of
`statements.py`, which each compiles for itself, and values bound by position.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from inferometer.ledger.compiling import Insertion
from inferometer.ledger.keys import KeyRing
from inferometer.ledger.parcel import FactRows, Parcel
from inferometer.ledger.relays import Relays
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.statements import Statements
from inferometer.ledger.traces import Kept, Trace

# What one does at a time.
FORGETTING, FORMS, MIGRATING, PURGING = "forgetting", "forms", "migrating", "retention"
METERING, JUDGING = "metering", "judging"


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that it wrote."""
        ...

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""
        ...


class SqlConnection(Protocol):
    """What a statement is given to."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Run it with these values."""
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """Run it for each row of values."""
        ...


class Pending(Protocol):
    """Traces that are not settled yet: in memory where one gateway has all, or in the database."""

    rest: float  # seconds, from one time that it is tidied to the next

    @property
    def facts(self) -> int:
        """That are not settled; of several gateways about as many as are to be settled here."""
        ...

    def write(self, group: Sequence[Parcel], kept: Sequence[Kept], digests: Mapping[bytes, int]
              ) -> None:
        """Note in the transaction what it writes: traces' new facts, and links of their spans."""
        ...

    def remember(self) -> None:
        """Have what was noted: its transaction is committed."""
        ...

    def is_due(self) -> bool:
        """Whether it is time to ask for traces."""
        ...

    def take(self, most: int) -> Sequence[tuple[bytes, Trace]]:
        """Traces that are due, with about so many facts; in the transaction that settles them."""
        ...

    def settled(self) -> None:
        """Forget what was taken: its transaction is committed."""
        ...

    def put_back(self) -> None:
        """Have again what was taken: its transaction is not committed."""
        ...

    def tidy(self) -> None:
        """Write what is to be written every `rest` seconds. Raises the database's failures."""
        ...

    def lag(self) -> float:
        """Seconds for which the next trace has been due."""
        ...

    def close(self) -> None:
        """Leave what is pending to others, or to the next start."""
        ...


class Database(Protocol):
    """An open ledger: its connection, its keys, and the gateway that counters belong to."""

    dialect: str  # of its statements, by SQLAlchemy's name
    statements: Statements
    keys: KeyRing
    gateway: str
    meta: Mapping[str, str]  # as it was when it was opened
    first_seat: int  # label tuples of this gateway have numbers from here on
    failures: tuple[type[Exception], ...]  # that a write raises which cannot be done

    @property
    def name(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def connection(self) -> SqlConnection:
        """What statements are given to; each outside of a transaction is one of its own."""
        ...

    @property
    def usable(self) -> bool:
        """Whether it is there; else all that is tried before it is again will fail."""
        ...

    def transaction(self, alone: str = "", beside: str = ""
                    ) -> AbstractContextManager[SqlConnection]:
        """All of it or nothing. `alone`: no other one has this name, `alone` or `beside`."""
        ...

    def snapshot(self) -> AbstractContextManager[SqlConnection]:
        """All reads see one moment."""
        ...

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of an answer that may be large, in a snapshot or a transaction."""
        ...

    def numbers(self, many: int, arrived: int) -> int:
        """The first of so many new numbers for facts, which lie side by side."""
        ...

    def insert(self, insertion: Insertion, rows: Iterable[Sequence[Any]]) -> None:
        """Write new rows."""
        ...

    def insert_facts(self, rows: FactRows) -> Collection[int]:
        """Write facts, pending. Returns the numbers of those that came before."""
        ...

    def chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """First and last numbers of facts, with at most so many between them."""
        ...

    def pending(self, quiet: float, most: float, monotonic: Callable[[], float],
                kept: Callable[[Sequence[Any]], Kept]) -> Pending:
        """Traces that are not settled. `quiet` and `most`: seconds, after which they are due."""
        ...

    def relays(self, kept: Callable[[Sequence[Any]], Kept]) -> Relays:
        """What is known of calls that are billed, for those who passed them on."""
        ...

    def count_pending(self) -> int:
        """Facts that are not settled."""
        ...

    def purge(self, horizon: int, seats: SeatTable) -> bool:
        """Delete some of what arrived before the horizon; whether there may be more."""
        ...

    def delete_content(self, horizon: int = 0) -> bool:
        """Delete what was said, of the oldest facts that have it; whether there was any.

        `horizon`: of those that arrived before it; 0: of any.
        """
        ...

    def bytes(self) -> int:
        """How large it is; may be asked from another thread."""
        ...

    def disk(self) -> tuple[int, int] | None:
        """Bytes that are free on its disk, and all of them; None where that is not told."""
        ...

    def copy_to(self, target: Path) -> None:
        """Write all of it, as it is at one moment, to another file. Raises LedgerError."""
        ...

    def be_fast(self) -> None:
        """Have commits of this connection outlive the process, and not wait for the disk."""
        ...

    def is_current(self) -> bool:
        """Whether it is still the one that others open by its name."""
        ...

    def close(self) -> None:
        """Let another have it."""
        ...


