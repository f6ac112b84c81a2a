"""Opens the ledger's file: by its one writer, or beside it by whoever asks."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from inferometer.ledger.errors import KeyFileError, LedgerError
from inferometer.ledger.file import File, connect, size_of, take_lock
from inferometer.ledger.keys import keys_of, make_key_file, read_keys
from inferometer.ledger.schema import NEWEST
from inferometer.ledger.statements import Statements
from inferometer.reasons import reason_of

REVISION = "SELECT version_num FROM alembic_version"


def open_to_write(path: Path, key_path: Path) -> File:
    """Open the ledger as its one writer; made where there is none. Raises LedgerError."""
    try:
        lock = take_lock(path)
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
        lock = take_lock(path)
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
        with contextlib.closing(connect(path)) as connection:
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
    with contextlib.closing(connect(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(Statements().put_meta, [
            ("key", fingerprint), ("gateway", uuid.uuid4().hex)])
        connection.execute("COMMIT")


def _meta(path: Path) -> dict[str, str]:
    with contextlib.closing(connect(path)) as connection:
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
    if not size_of(path):
        return None
    with contextlib.closing(connect(path)) as connection:
        try:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            row = connection.execute(REVISION).fetchone() if tables else None
        except sqlite3.DatabaseError:
            raise LedgerError(f"{path} is no ledger: give another ledger.path") from None
    return str(row[0]) if row else None
