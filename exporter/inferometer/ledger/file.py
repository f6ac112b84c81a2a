"""A ledger in SQLite's file."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from inferometer.ledger.compiling import Insertion
from inferometer.ledger.database import Pending
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.high_water import HighWater
from inferometer.ledger.keys import keys_of
from inferometer.ledger.memory import PENDING_FROM, MemoryPending, load_relays
from inferometer.ledger.parcel import FactRows
from inferometer.ledger.presence import LOGS, Presence, beside, is_still
from inferometer.ledger.purging import delete_content, delete_oldest
from inferometer.ledger.relays import Relays
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.statements import Statements
from inferometer.ledger.traces import Kept
from inferometer.reasons import reason_of

PATIENCE_SECONDS = 10.0  # for another process that writes: a verb that forgets, or a backup
CACHE_KIB = 16384
LEAST_CACHE_KIB = 1024  # of a connection for small things
FREED_PAGES = 200  # that are given back at a time

log = logging.getLogger(__name__)


class File:
    """An open ledger in SQLite's file, of one gateway; see Database."""

    first_seat = 1
    dialect = "sqlite"
    failures: tuple[type[Exception], ...] = (OSError, sqlite3.Error, LedgerError)

    def __init__(self, path: Path, key_path: Path, lock: IO[bytes] | None) -> None:
        self.path = path
        self.statements = Statements()
        self._lock = lock
        self._next_number = 0  # 0: not known yet
        self._connect()
        self.meta: Mapping[str, str] = dict(
            self.connection.execute(self.statements.all_meta).fetchall())
        self.keys = keys_of(str(path), key_path, self.meta["key"])
        self.gateway = self.meta["gateway"]

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    @property
    def usable(self) -> bool:
        """Always: it needs no server."""
        return True

    @contextlib.contextmanager
    def transaction(self, alone: str = "", beside: str = "") -> Iterator[sqlite3.Connection]:
        """All of it or nothing; there is never another one."""
        if self._lock:
            self.require_in_place()
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """All reads see one moment."""
        self.connection.execute("BEGIN")
        try:
            yield self.connection
        finally:
            self.connection.execute("ROLLBACK")

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of an answer, as they are read."""
        return self.connection.execute(statement, values)

    def numbers(self, many: int, arrived: int) -> int:
        """Numbers that follow the last one."""
        if not self._next_number:
            last = self.connection.execute(self.statements.last_fact).fetchone()[0]
            # Where all facts are deleted by now, numbers go on all the same.
            self._next_number = max((last or 0) + 1, int(self.meta.get(PENDING_FROM, 1)))
        self._next_number += many
        return self._next_number - many

    def insert(self, insertion: Insertion, rows: Iterable[Sequence[Any]]) -> None:
        """Write new rows."""
        self.connection.executemany(insertion.text, rows)

    def insert_facts(self, rows: FactRows) -> Collection[int]:
        """Write facts, pending. Returns the numbers of those that came before."""
        connection, statements = self.connection, self.statements
        written = sum(connection.executemany(statement, values).rowcount for statement, values
                      in ((statements.insert_fact, rows.named),
                          (statements.insert_nameless_fact, rows.nameless)) if values)
        if written == len(rows.kept):
            return ()
        return {row[0] for row in (*rows.named, *rows.nameless)
                if connection.execute(statements.find_fact, (row[1],)).fetchone()[0] != row[0]}

    def chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """First and last numbers of facts, with at most so many between them."""
        last = self.connection.execute(self.statements.last_fact).fetchone()[0] or 0
        for first in range(0, last + 1, size):
            yield first, first + size - 1

    def pending(self, quiet: float, most: float, monotonic: Callable[[], float],
                kept: Callable[[Sequence[Any]], Kept]) -> Pending:
        """Traces that are not settled, in memory."""
        return MemoryPending(self, HighWater(self.path), quiet, most, monotonic, kept)

    def relays(self, kept: Callable[[Sequence[Any]], Kept]) -> Relays:
        """The last calls whose tokens count, in memory."""
        return load_relays(self, kept)

    def count_pending(self) -> int:
        """Facts that are not settled."""
        meta = dict(self.connection.execute(self.statements.all_meta).fetchall())
        return int(self.connection.execute(
            self.statements.count_pending, (int(meta.get(PENDING_FROM, 0)),)).fetchone()[0])

    def purge(self, horizon: int, seats: SeatTable) -> bool:
        """Delete the oldest ones of what arrived before the horizon, and give room back."""
        done = delete_oldest(self, horizon, seats)
        if done:
            self.give_back(FREED_PAGES)
        return done

    def delete_content(self, horizon: int = 0) -> bool:
        """See Database."""
        done = delete_content(self, horizon)
        if done:
            self.give_back(FREED_PAGES)
        return done

    def give_back(self, pages: int) -> None:
        """Make the file smaller by so many of its unused pages."""
        # A pragma that gives rows gives back pages only as these are read, to the last.
        self.connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def bytes(self) -> int:
        """Of the file and its log."""
        return sum(size_of(beside(self.path, ending)) for ending in ("", "-wal"))

    def disk(self) -> tuple[int, int] | None:
        """Bytes that are free on its disk, and all of them; None where the disk does not tell."""
        try:
            disk = os.statvfs(self.path)
        except OSError as error:
            log.debug("the disk does not tell", extra={"why": reason_of(error)})
            return None
        return disk.f_bavail * disk.f_frsize, (disk.f_blocks or 1) * disk.f_frsize

    def copy_to(self, target: Path) -> None:
        """Write all of it, as it is at one moment, to another file. Raises LedgerError."""
        part = target.with_name(target.name + ".part")
        try:
            with contextlib.closing(connect(part)) as copy:
                os.chmod(part, 0o600)
                self.connection.backup(copy)  # in one step: else each commit would begin it anew
            handle = os.open(part, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            os.rename(part, target)
        except (OSError, sqlite3.Error) as error:
            part.unlink(missing_ok=True)
            raise LedgerError(f"{target}: {reason_of(error)}") from error

    def be_fast(self) -> None:
        """Have commits of this connection outlive the process, and not wait for the disk.

        The next commit of the one that writes takes them there.
        """
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute(f"PRAGMA cache_size=-{LEAST_CACHE_KIB}")

    def is_current(self) -> bool:
        """Whether it is still the file of its name."""
        try:
            return not self._presence.is_over()
        except LedgerError:  # another one is
            return False

    def require_in_place(self) -> None:
        """Put the file back where somebody removed it, or its log: it is there while it is open.

        Raises LedgerError where another file has its place, or it cannot be put back.
        """
        if self._presence.is_over():
            self._put_back()

    def _put_back(self) -> None:
        self.copy_to(self.path)
        self.connection.close()
        for ending in LOGS:  # of the one that is gone
            beside(self.path, ending).unlink(missing_ok=True)
        self._connect()
        if self._lock and not is_still(self._lock):
            lock = self._lock
            self._lock = take_lock(self.path)
            lock.close()
        log.warning("the ledger's file was removed while it was open, and is put back",
                    extra={"file": str(self.path)})

    def close(self) -> None:
        """Let another have it."""
        if self._lock:
            try:
                self.require_in_place()
            except LedgerError as error:  # it ends all the same
                log.error("the ledger's file is not where it was", extra={"why": str(error)})
        self.connection.close()
        if self._lock:
            self._lock.close()

    def _connect(self) -> None:
        self.connection = connect(self.path)
        self._presence = Presence(self.path)
        # Full: what is acknowledged outlives the machine's power, and not the process alone. The
        # group that waits for one fsync is all that came during the one before.
        for pragma in ("synchronous=FULL", f"cache_size=-{CACHE_KIB}", "temp_store=MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}")


def connect(path: Path) -> sqlite3.Connection:
    """Open it, made for its owner alone where there is none."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None,
                           check_same_thread=False)


def take_lock(path: Path) -> IO[bytes]:
    """A lock beside the file: closing the file itself would take SQLite's own locks away.

    Raises LedgerError where another gateway has it.
    """
    lock = open(path.with_name(path.name + ".lock"), "wb")  # noqa: SIM115 - held while it is open
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LedgerError(f"{path} has another gateway that writes it") from None
    return lock


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
