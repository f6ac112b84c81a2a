"""The ledger's file: opened by its one writer, or beside it by whoever asks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from inferometer.ledger.database import Pending
from inferometer.ledger.errors import KeyFileError, LedgerError
from inferometer.ledger.keys import keys_of, make_key_file, read_keys
from inferometer.ledger.memory import MARK, MemoryPending
from inferometer.ledger.parcel import FactRows
from inferometer.ledger.purging import delete_oldest
from inferometer.ledger.schema import NEWEST
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.statements import Insertion, Statements
from inferometer.ledger.traces import Kept
from inferometer.reasons import reason_of

REVISION = "SELECT version_num FROM alembic_version"
PATIENCE_SECONDS = 10.0  # for another process that writes: a verb that forgets, or a backup
CACHE_KIB = 16384


class File:
    """An open ledger in SQLite's file, of one gateway; see Database."""

    first_seat = 1

    def __init__(self, path: Path, key_path: Path, lock: IO[bytes] | None) -> None:
        self.path = path
        self.statements = Statements()
        self._lock = lock
        self._next_number = 0  # 0: not known yet
        self.connection = _connect(path)
        # Full: what is acknowledged outlives the machine's power, and not the process alone. The
        # group that waits for one fsync is all that came during the one before.
        for pragma in ("synchronous=FULL", f"cache_size=-{CACHE_KIB}", "temp_store=MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}")
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
            self._next_number = (last or 0) + 1
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
        return MemoryPending(self, quiet, most, monotonic, kept)

    def count_pending(self) -> int:
        """Facts that are not settled."""
        meta = dict(self.connection.execute(self.statements.all_meta).fetchall())
        return int(self.connection.execute(
            self.statements.count_pending, (int(meta.get(MARK, 0)),)).fetchone()[0])

    def purge(self, horizon: int, seats: SeatTable) -> bool:
        """Delete the oldest ones of what arrived before the horizon, and give room back."""
        return delete_oldest(self, horizon, seats)

    def bytes(self) -> int:
        """Of the file and its log."""
        return sum(_size(self.path.with_name(self.path.name + ending)) for ending in ("", "-wal"))

    def free_bytes(self) -> int | None:
        """That are left for it on its disk; None where the disk does not tell."""
        try:
            disk = os.statvfs(self.path)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize

    def copy_to(self, target: Path) -> None:
        """Write all of it, as it is at one moment, to another file. Raises LedgerError."""
        part = target.with_name(target.name + ".part")
        try:
            with contextlib.closing(_connect(part)) as copy:
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

    def close(self) -> None:
        """Let another have it."""
        self.connection.close()
        if self._lock:
            self._lock.close()


def open_to_write(path: Path, key_path: Path) -> File:
    """Open the ledger as its one writer; made where there is none. Raises LedgerError."""
    try:
        lock = _locked(path)
        try:
            _prepare(path, key_path)
            return File(path, key_path, lock)
        except BaseException:
            lock.close()
            raise
    except (OSError, sqlite3.Error, KeyFileError) as error:
        raise LedgerError(f"{path}: {reason_of(error)}") from error


def open_beside(path: Path, key_path: Path) -> File:
    """Open a ledger that a gateway may be writing. Raises LedgerError."""
    if not path.is_file():
        raise LedgerError(f"{path} is no file: a gateway makes it, where its ledger.path says")
    try:
        if _revision(path) != NEWEST:
            _refuse_strange(path)
            raise LedgerError(f"{path} is of an older inferometer: its gateway brings it up to "
                              "date when it starts")
        return File(path, key_path, None)
    except (OSError, sqlite3.Error, KeyFileError) as error:
        raise LedgerError(f"{path}: {reason_of(error)}") from error


def examine(path: Path, key_path: Path) -> None:
    """Raise LedgerError for a file that a gateway would refuse; changes nothing."""
    try:
        meta = {}
        if _revision(path) is not None:
            _refuse_strange(path)
            meta = _meta(path)
        if meta:
            keys_of(str(path), key_path, meta["key"])
        elif key_path.exists():
            read_keys(key_path)
    except (OSError, sqlite3.Error, KeyFileError) as error:
        raise LedgerError(f"{path}: {reason_of(error)}") from error


def _prepare(path: Path, key_path: Path) -> None:
    """Make the file if there is none, and bring it up to date."""
    if _revision(path) is None:
        with contextlib.suppress(FileExistsError):
            make_key_file(key_path)
        fingerprint = read_keys(key_path).fingerprint
        with contextlib.closing(_connect(path)) as connection:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first table
            connection.execute("PRAGMA journal_mode=WAL")
        _migrate(path)
        _begin(path, fingerprint)
        return
    _refuse_strange(path)
    _migrate(path)
    if not _meta(path):  # who made it was killed on the way
        _begin(path, read_keys(key_path).fingerprint)


def _begin(path: Path, fingerprint: str) -> None:
    """Note whose it is."""
    with contextlib.closing(_connect(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(Statements().put_meta, [
            ("key", fingerprint), ("gateway", uuid.uuid4().hex)])
        connection.execute("COMMIT")


def _meta(path: Path) -> dict[str, str]:
    with contextlib.closing(_connect(path)) as connection:
        return dict(connection.execute(Statements().all_meta).fetchall())


def _migrate(path: Path) -> None:
    if _revision(path) != NEWEST:
        from inferometer.ledger import migration  # slow and large: only where it is needed

        migration.migrate(path)


def _refuse_strange(path: Path) -> None:
    revision = _revision(path)
    if revision == NEWEST:
        return
    from inferometer.ledger import migration

    if revision not in migration.revisions():
        raise LedgerError(f"{path} is of a newer inferometer (version {revision} of the file, this "
                          f"one knows {NEWEST}): run that one, or restore a backup")


def _revision(path: Path) -> str | None:
    """The version of the file, None for one that is empty or missing. Raises LedgerError."""
    if not _size(path):
        return None
    with contextlib.closing(_connect(path)) as connection:
        try:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            row = connection.execute(REVISION).fetchone() if tables else None
        except sqlite3.DatabaseError:
            raise LedgerError(f"{path} is no ledger: give another ledger.path") from None
    return str(row[0]) if row else None


def _connect(path: Path) -> sqlite3.Connection:
    """Open it, made for its owner alone where there is none."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None,
                           check_same_thread=False)


def _locked(path: Path) -> IO[bytes]:
    """A lock beside the file: closing the file itself would take SQLite's own locks away."""
    lock = open(path.with_name(path.name + ".lock"), "wb")  # noqa: SIM115 - held while it is open
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LedgerError(f"{path} has another gateway that writes it") from None
    return lock


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
