"""The ledger's file: opened by its one writer, or beside it by whoever asks."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from inferometer.ledger.errors import KeyFileError, LedgerError
from inferometer.ledger.keys import KeyRing, make_key_file, read_keys
from inferometer.ledger.presence import LOGS, Presence, beside, is_still
from inferometer.ledger.schema import NEWEST
from inferometer.ledger.statements import Statements
from inferometer.reasons import reason_of

REVISION = "SELECT version_num FROM alembic_version"
PATIENCE_SECONDS = 10.0  # for another process that writes: a verb that forgets, or a backup
CACHE_KIB = 16384

log = logging.getLogger(__name__)


class File:
    """An open ledger: its connection, its keys, and the gateway that it belongs to."""

    def __init__(self, path: Path, key_path: Path, lock: IO[bytes] | None) -> None:
        self.path = path
        self.statements = Statements()
        self._lock = lock
        self._connect()
        self.meta: dict[str, str] = dict(
            self.connection.execute(self.statements.all_meta).fetchall())
        self.keys = _keys_of(path, key_path, self.meta["key"])
        self.gateway = self.meta["gateway"]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
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

    def bytes(self) -> int:
        """Of the file and its log."""
        return sum(_size(beside(self.path, ending)) for ending in ("", "-wal"))

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
            self._lock = _locked(self.path)
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
        self.connection = _connect(self.path)
        self._presence = Presence(self.path)
        # Full: what is acknowledged outlives the machine's power, and not the process alone. The
        # group that waits for one fsync is all that came during the one before.
        for pragma in ("synchronous=FULL", f"cache_size=-{CACHE_KIB}", "temp_store=MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}")


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


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep gateways from a ledger. Raises LedgerError where one has it."""
    try:
        lock = _locked(path)
    except OSError as error:
        raise LedgerError(f"{path}: {reason_of(error)}") from error
    with lock:
        yield


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
            _keys_of(path, key_path, meta["key"])
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


def _keys_of(path: Path, key_path: Path, fingerprint: str) -> KeyRing:
    """The keys, which must be those that the ledger was begun with."""
    try:
        keys = read_keys(key_path)
    except FileNotFoundError:
        raise LedgerError(f"{key_path} is missing: {path} was written with the key of fingerprint "
                          f"{fingerprint}, and means nothing with another") from None
    if keys.fingerprint != fingerprint:
        raise LedgerError(f"{key_path} has another key (fingerprint {keys.fingerprint}) than "
                          f"{path} was written with ({fingerprint})")
    return keys


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
