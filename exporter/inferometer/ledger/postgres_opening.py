"""Opens a ledger in PostgreSQL: made where there is none, refused where it is not ours."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

import psycopg

from inferometer.ledger.database import MIGRATING
from inferometer.ledger.errors import KeyFileError, LedgerError
from inferometer.ledger.judging.counters import name_of
from inferometer.ledger.keys import KeyRing, keys_of, make_key_file, read_keys
from inferometer.ledger.metering import forget_streams
from inferometer.ledger.postgres import Postgres, place_of
from inferometer.ledger.schema import NEWEST
from inferometer.ledger.seats import NUMBERS_BITS
from inferometer.ledger.session import Session
from inferometer.ledger.shared_schema import SLOTS
from inferometer.reasons import reason_of

OLDEST_SERVER = 14
# Another one in a copy, on a server that was restored, and on one that took over: database, cluster
# and timeline.
_ORIGIN = """SELECT concat_ws('/', oid, (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8))
    FROM pg_database WHERE datname = current_database()"""
_NEW_GATEWAY = """INSERT INTO gateways (id, number)
    SELECT %s, coalesce(max(number), 0) + 1 FROM gateways ON CONFLICT (id) DO NOTHING"""

log = logging.getLogger(__name__)


def open_to_write(dsn_path: Path, key_path: Path, gateway: str) -> Postgres:
    """Open it as the gateway of this id. Raises LedgerError."""
    dsn = read_dsn(dsn_path)
    try:
        _prepare(dsn, key_path)
        return _opened(dsn, key_path, gateway, alone=True)
    except (OSError, psycopg.Error, KeyFileError) as error:
        raise LedgerError(f"{place_of(dsn)}: {reason_of(error)}") from error


def open_beside(dsn_path: Path, key_path: Path, gateway: str) -> Postgres:
    """Open it beside its gateways. Raises LedgerError."""
    dsn = read_dsn(dsn_path)
    try:
        with Postgres(dsn, KeyRing.of(b""), gateway, alone=False).closing() as database:
            revision = _revision(database.connection)
            if revision is None:
                raise LedgerError(f"{database.name} has no ledger: a gateway makes it")
            if revision != NEWEST:
                _refuse_strange(database.name, revision)
                raise LedgerError(f"{database.name} is of an older inferometer: its gateway "
                                  "brings it up to date when it starts")
        return _opened(dsn, key_path, gateway, alone=False)
    except (OSError, psycopg.Error, KeyFileError) as error:
        raise LedgerError(f"{place_of(dsn)}: {reason_of(error)}") from error


def examine(dsn_path: Path, key_path: Path) -> None:
    """Raise LedgerError for files that cannot be right; asks no server."""
    read_dsn(dsn_path)
    try:
        if key_path.exists():
            read_keys(key_path)
    except KeyFileError as error:
        raise LedgerError(str(error)) from error
    except OSError as error:
        raise LedgerError(f"{key_path}: {reason_of(error)}") from error


def read_dsn(path: Path) -> str:
    """The connection string in a file, which is a secret. Raises LedgerError."""
    try:
        dsn = path.read_text(encoding="utf-8").strip()
        if dsn:
            psycopg.conninfo.conninfo_to_dict(dsn)
            return dsn
    except OSError as error:
        raise LedgerError(f"{path}: {reason_of(error)}") from error
    except (psycopg.Error, UnicodeDecodeError):
        pass  # its words would show what is secret
    raise LedgerError(f"{path} must hold a connection string of PostgreSQL, as "
                      "postgresql://USER:PASSWORD@HOST/DATABASE")


def _opened(dsn: str, key_path: Path, gateway: str, *, alone: bool) -> Postgres:
    """With its keys, which must be those that the ledger was begun with."""
    with Postgres(dsn, KeyRing.of(b""), gateway, alone=False).closing() as database:
        meta = dict(database.connection.execute(database.statements.all_meta).fetchall())
        keys = keys_of(database.name, key_path, meta["key"])
    database = Postgres(dsn, keys, gateway, alone=alone)
    database.meta = meta
    try:
        if alone:
            with database.transaction(alone=MIGRATING) as session:
                session.execute(_NEW_GATEWAY, (gateway,))
                _renew_if_restored(database, session)
        row = database.connection.execute(
            "SELECT number FROM gateways WHERE id = %s", (gateway,)).fetchone()
        database.first_seat = (row[0] if row else 0) << NUMBERS_BITS | 1
    except BaseException:
        database.close()
        raise
    return database


def _renew_if_restored(database: Postgres, session: Session) -> None:
    """Have this gateway's counters begin at 0 where they may be less than what was shown of them.

    That is where the database was restored, or another server took over, which may have had less:
    a counter that fell would be added a second time.
    """
    (before,), (now,) = (session.execute(statement, values).fetchone() for statement, values in (
        ("SELECT origin FROM gateways WHERE id = %s", (database.gateway,)), (_ORIGIN, ())))
    if before == now:
        return
    session.execute("UPDATE gateways SET origin = %s WHERE id = %s", (now, database.gateway))
    if before is not None:
        for name in (database.gateway, name_of(database.gateway)):
            session.execute(database.statements.renew_counters, (name, name))
        forget_streams(session, database, time.time_ns())
        log.warning("the database was restored, or another server took over: this gateway's "
                    "counters begin at 0", extra={"ledger": database.name, "before": before,
                                                  "now": now})


def _prepare(dsn: str, key_path: Path) -> None:
    """Make the tables if there are none, and bring them up to date."""
    with Postgres(dsn, KeyRing.of(b""), "", alone=False).closing() as database:
        version = database.connection.raw.info.server_version // 10_000
        if version < OLDEST_SERVER:
            raise LedgerError(f"{database.name} is PostgreSQL {version}, and must be "
                              f"{OLDEST_SERVER} or newer")
        with database.transaction(alone=MIGRATING) as session:
            revision = _revision(session)
            if revision is not None:
                _refuse_strange(database.name, revision)
            if revision != NEWEST:
                from inferometer.ledger import migration  # large: only where it is needed

                migration.migrate_database(dsn)
            meta = dict(session.execute(database.statements.all_meta).fetchall())
            if "key" not in meta:
                with contextlib.suppress(FileExistsError):
                    make_key_file(key_path)
                session.execute(database.statements.put_meta, (
                    "key", read_keys(key_path).fingerprint))
            session.execute(
                "INSERT INTO leases (slot, holder, fence, expires) SELECT slot, '', 0, now() "
                "FROM generate_series(0, %s) AS slot ON CONFLICT DO NOTHING", (SLOTS - 1,))


def _revision(session: Session) -> str | None:
    """The version of the tables; None where there are none."""
    try:
        row = session.execute("SELECT to_regclass('alembic_version')").fetchone()
        if row[0] is None:
            return None
        row = session.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerError(reason_of(error)) from error
    return str(row[0]) if row else None


def _refuse_strange(name: str, revision: str) -> None:
    if revision == NEWEST:
        return
    from inferometer.ledger import migration

    if revision not in migration.revisions():
        raise LedgerError(f"{name} is of a newer inferometer (version {revision} of the tables, "
                          f"this one knows {NEWEST}): run that one, or restore a backup")
