"""A ledger in PostgreSQL, which several gateways may share: its connection, and what it does in
another way than SQLite's file.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg

from inferometer.ledger.compiling import Insertion
from inferometer.ledger.database import Pending
from inferometer.ledger.digests import lock_number
from inferometer.ledger.errors import LedgerError, LedgerLostError
from inferometer.ledger.keys import KeyRing
from inferometer.ledger.parcel import FactRows
from inferometer.ledger.partitions import DAY_BITS, Partitions, day_of
from inferometer.ledger.relays import Relays
from inferometer.ledger.schema import FACTS, METADATA
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.session import Session
from inferometer.ledger.shared_pending import SharedPending
from inferometer.ledger.shared_relays import SharedRelays
from inferometer.ledger.shared_schema import IDENTITIES, NUMBERS
from inferometer.ledger.statements import Statements
from inferometer.ledger.traces import Kept
from inferometer.reasons import reason_of

CONNECT_SECONDS = 5
RETRY_SECONDS = 1.0  # between tries to connect
LEASE_SECONDS = 15.0
GONE_SECONDS = 2  # that the server takes to notice that a connection of ours is gone
IDLE_SECONDS = 15  # for which a transaction may do nothing: who is frozen in one lets go of it
LOCK_SECONDS = 30
BLOCK = 2**20  # numbers that a gateway takes at a time
CHUNK = 500  # rows of a snapshot that are fetched at a time
_SETTINGS = {
    "synchronous_commit": "on", "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s", "lock_timeout": f"{LOCK_SECONDS}s",
    "client_encoding": "UTF8", "TimeZone": "UTC"}
# Who is gone is noticed within half a minute, whichever side it is.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
              "tcp_user_timeout": 20_000, "connect_timeout": CONNECT_SECONDS}
_COLUMNS = [column.name for column in FACTS.columns if column.name not in ("state", "counted")]
_TYPES = {"BIGINT": "int8", "SMALLINT": "int2", "TEXT": "text", "BLOB": "bytea"}
_FAST = "SET synchronous_commit = off"
_INCOMING = f"""CREATE TEMPORARY TABLE incoming ON COMMIT DELETE ROWS AS
    SELECT {", ".join(f'"{name}"' for name in _COLUMNS)} FROM facts WITH NO DATA"""
# In the order of digests, so that no two gateways wait for one another.
_NEW_FACTS = f"""WITH new AS (
        INSERT INTO identities (digest, seq) SELECT digest, seq FROM incoming ORDER BY digest
        ON CONFLICT DO NOTHING RETURNING seq),
    written AS (
        INSERT INTO facts ({", ".join(f'"{name}"' for name in _COLUMNS)}, state)
        SELECT incoming.*, 0 FROM incoming JOIN new USING (seq))
    SELECT seq FROM incoming EXCEPT SELECT seq FROM new"""


class Postgres:
    """An open ledger in PostgreSQL; see Database. `alone`: as the one with this gateway's id."""

    dialect = "postgresql"
    failures: tuple[type[Exception], ...] = (LedgerError, psycopg.Error)

    def __init__(self, dsn: str, keys: KeyRing, gateway: str, *, alone: bool) -> None:
        self._dsn, self.keys, self.gateway, self._alone = dsn, keys, gateway, alone
        self.statements = Statements("postgresql", IDENTITIES)
        self.meta: Mapping[str, str] = {}
        self.first_seat = 1
        self._session: Session | None = None
        self._depth = 0  # of transactions
        self._retry_at, self._why = 0.0, ""
        self._next_number = self._last_number = 0
        self._days: set[int] = set()  # whose partitions are there
        self._bytes, self._bytes_at = 0, 0.0
        self.connected = 0  # how often
        self._fast = False
        self.lease_seconds = LEASE_SECONDS
        self._partitions = Partitions(self)
        self._lock = threading.Lock()  # over the size

    @property
    def name(self) -> str:
        """Where it is, for people, without a password."""
        return place_of(self._dsn)

    @property
    def connection(self) -> Session:
        """The connection, made anew where it was lost. Raises LedgerLostError."""
        if self._session is None or (self._session.raw.closed and not self._depth):
            self._session = self._connect()
        return self._session

    @property
    def usable(self) -> bool:
        """Whether it is connected."""
        return self._session is not None and not self._session.raw.closed

    @contextlib.contextmanager
    def transaction(self, alone: str = "", beside: str = "") -> Iterator[Session]:
        """All of it or nothing. Raises LedgerLostError where the server is lost on the way."""
        session = self.connection
        self._depth += 1
        try:
            with session.raw.transaction():
                if alone or beside:
                    kind = "" if alone else "_shared"
                    session.execute(f"SELECT pg_advisory_xact_lock{kind}(%s)",
                                    (lock_number(alone or beside),))
                yield session
        except psycopg.Error as error:
            if session.raw.closed:
                raise LedgerLostError(f"{self.name}: {reason_of(error)}") from error
            raise
        finally:
            self._depth -= 1

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Session]:
        """All reads see one moment."""
        with self.transaction() as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            session.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")
            yield session

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of an answer, some at a time, in a snapshot or a transaction."""
        with self.connection.raw.cursor(f"rows_{time.monotonic_ns()}") as cursor:
            cursor.itersize = CHUNK * 10
            cursor.execute(statement.encode(), values or None)
            yield from cursor

    def numbers(self, many: int, arrived: int) -> int:
        """Numbers of this day's partitions, of a block that no other gateway has."""
        if many > BLOCK:
            raise LedgerError(f"{many} facts at once are too many")
        day = day_of(arrived)
        if day not in self._days:
            self._partitions.make(day)
            self._days.add(day)
        if self._next_number + many > self._last_number:
            block = self.connection.execute(f"SELECT nextval('{NUMBERS}')").fetchone()[0]
            self._next_number = block * BLOCK
            self._last_number = self._next_number + BLOCK
        self._next_number += many
        return (day << DAY_BITS) + self._next_number - many

    def insert(self, insertion: Insertion, rows: Iterable[Sequence[Any]]) -> None:
        """Write new rows, by COPY."""
        rows = list(rows)
        if not rows:
            return
        fixed, columns = tuple(insertion.fixed), METADATA.tables[insertion.table].c
        self.connection.copy(
            insertion.table, insertion.columns, types_of(map(columns.get, insertion.columns)),
            ((*row, *fixed) for row in rows) if fixed else rows)

    def insert_facts(self, rows: FactRows) -> Collection[int]:
        """Write facts, pending. Returns the numbers of those that came before."""
        session = self.connection
        nameless: Iterable[tuple[Any, ...]] = (
            (*values[:7], None, None, values[7]) for values in map(tuple, rows.nameless))
        session.copy("incoming", _COLUMNS, types_of(FACTS.c[name] for name in _COLUMNS),
                     chain(rows.named, nameless))
        return {row[0] for row in session.execute(_NEW_FACTS)}

    def chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """First and last numbers of facts, with at most so many between them."""
        first = 0
        while row := self.connection.execute(
                "SELECT max(seq) FROM (SELECT seq FROM facts WHERE seq >= %s ORDER BY seq LIMIT %s)"
                " AS chunk", (first, size)).fetchone():
            if row[0] is None:
                return
            yield first, row[0]
            first = row[0] + 1

    def pending(self, quiet: float, most: float, monotonic: Callable[[], float],
                kept: Callable[[Sequence[Any]], Kept]) -> Pending:
        """Traces that are not settled, in the database."""
        return SharedPending(self, quiet, most, monotonic, kept)

    def relays(self, kept: Callable[[Sequence[Any]], Kept]) -> Relays:
        """Calls whose tokens count, in the database."""
        return SharedRelays(self)

    def count_pending(self) -> int:
        """Facts that are not settled."""
        return int(self.connection.execute(
            "SELECT coalesce(sum(cardinality(facts)), 0) FROM pending").fetchone()[0])

    def purge(self, horizon: int, seats: SeatTable) -> bool:
        """Drop partitions of days before the horizon, where no other gateway does."""
        return self._partitions.purge(horizon)

    def delete_content(self, horizon: int = 0) -> bool:
        """Delete what was said on the oldest day that is over, where no other gateway does."""
        return self._partitions.delete_content(horizon)

    def bytes(self) -> int:
        """How large the database is, as it was of late."""
        return self._bytes

    def measure(self) -> None:
        """Ask how large the database is."""
        self._bytes = int(self.connection.execute(
            "SELECT pg_database_size(current_database())").fetchone()[0])

    def disk(self) -> tuple[int, int] | None:
        """Not told by the server."""
        return None

    def copy_to(self, target: Path) -> None:
        """Refused. Raises LedgerError."""
        raise LedgerError(f"{self.name} is a database: copy it with pg_dump --format=custom "
                          f"--file={target} and the same connection string")

    def be_fast(self) -> None:
        """Have commits of this connection outlive the process, and not wait for the disk."""
        self._fast = True
        if self.usable:
            self.connection.execute(_FAST)

    def is_current(self) -> bool:
        """Always: the server has it by its name."""
        return True

    @contextlib.contextmanager
    def closing(self) -> Iterator[Postgres]:
        """Close it at the end."""
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """Let another have it."""
        if self._session is not None:
            self._session.raw.close()

    def _connect(self) -> Session:
        """Raises LedgerLostError; at once where it was tried just before."""
        if time.monotonic() < self._retry_at:
            raise LedgerLostError(f"{self.name}: {self._why}")
        try:
            return self._begun(psycopg.connect(
                self._dsn, autocommit=True, application_name=f"inferometer {self.gateway}"[:63],
                **_KEEPALIVE))  # type: ignore[arg-type]  # its keywords are of many types
        except (psycopg.Error, LedgerError) as error:
            self._why = reason_of(error)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise LedgerLostError(f"{self.name}: {self._why}") from error

    def _begun(self, connection: psycopg.Connection[Any]) -> Session:
        """With the settings of a session, and what a gateway needs in it."""
        session = Session(connection)
        try:
            session.execute("SELECT " + ", ".join(
                f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items()))
            if self._fast:
                session.execute(_FAST)
            if self._alone:
                self._be_alone(session)
                session.execute(_INCOMING)
                SharedPending.prepare(session.execute)
            self.connected += 1
        except BaseException:
            connection.close()
            raise
        return session


    def _be_alone(self, session: Session) -> None:
        """Raises LedgerError where another one has this id."""
        try:
            with session.raw.transaction():
                session.execute(f"SET LOCAL lock_timeout = '{GONE_SECONDS}s'")
                session.execute("SELECT pg_advisory_lock(%s)", (
                    lock_number(f"gateway {self.gateway}"),))
        except psycopg.errors.LockNotAvailable:
            raise LedgerError(f"another gateway with the id {self.gateway!r} is at work") from None


def types_of(columns: Iterable[Any]) -> list[str]:
    """Names of the types of columns in PostgreSQL."""
    return [_TYPES[str(column.type)] for column in columns]


def place_of(dsn: str) -> str:
    """The server and the database of a connection string, as a person may read them."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the local server"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"PostgreSQL {host}{port}/{parts.get('dbname') or parts.get('user') or ''}"
