"""Facts, and ledgers in which time passes when a test says so."""

from __future__ import annotations

import atexit
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from inferometer.config import LedgerSection
from inferometer.facts import Fact, ModelCall, Usage
from inferometer.ledger.database import Database
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.opening import open_to_write
from inferometer.ledger.schema import METADATA
from tests.postgres import Server

TRACE = bytes(range(16))
SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND


def call(trace_id: bytes = TRACE, span_id: bytes = b"", **fields: object) -> ModelCall:
    """A call of half a second, of 100 tokens in and 20 out."""
    defaults: dict[str, object] = {
        "service_name": "shop", "scope": "openai", "name": "chat m", "start": BEGIN,
        "end": BEGIN + SECOND // 2, "operation": "chat", "provider": "openai", "request_model": "m",
        "usage": Usage(100, 40, None, 20, None)}
    return ModelCall(trace_id=trace_id, span_id=span_id or os.urandom(8),
                     **defaults | fields)  # type: ignore[arg-type]


def links(facts: Iterable[Fact]) -> dict[bytes, bytes]:
    """The packed parent links of facts."""
    packed: dict[bytes, bytes] = {}
    for fact in facts:
        packed[fact.trace_id] = packed.get(fact.trace_id, b"") + fact.span_id + (
            fact.parent_id or bytes(8))
    return packed


FULL = (["CREATE TRIGGER refuse BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'full'); END"],
        "DROP TRIGGER refuse")
FULL_SHARED = (["CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'full'; END $$",
                "CREATE TRIGGER refuse BEFORE INSERT ON {} FOR EACH ROW "
                "EXECUTE FUNCTION refuse()"], "DROP TRIGGER refuse ON {}")


class Bench:
    """A ledger whose thread is not started: the test takes its turns, and moves its clocks."""

    def __init__(self, folder: Path, gateway: str = "gateway", lease_seconds: float = 600.0,
                 **options: Any) -> None:
        self.folder, self._options = folder, options  # of the writer
        self._gateway, self._lease_seconds = gateway, lease_seconds
        self.passed = 0.0
        self.began = time.time_ns()
        self.ledger = self._open()

    @property
    def file(self) -> Database:
        """As the ledger has it."""
        return self.ledger._database

    @property
    def now(self) -> int:
        """Unix nanoseconds."""
        return self.began + int(self.passed * SECOND)

    def send(self, *facts: Fact, more_links: dict[bytes, bytes] | None = None) -> None:
        """Have them committed, and wait for it."""
        packed = links(facts)
        for trace_id, more in (more_links or {}).items():
            packed[trace_id] = packed.get(trace_id, b"") + more
        done = self.ledger.commit(facts, packed, self.now)
        self.turn()
        done.result(0)

    def turn(self) -> None:
        """What the ledger's thread does in one go."""
        self.ledger._turn()

    def wait(self, seconds: float | None = None) -> None:
        """Let time pass, and have all settled that is quiet."""
        # A database has a clock of its own, which went on while others were opened.
        self.passed += seconds or (71.0 if self.is_shared else 11.0)
        self.ledger.settle_due()

    def restart(self) -> None:
        """As after a crash: nothing is settled or said at the end."""
        self.close()
        self.ledger = self._open()

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    def counters(self, kind: str = "call") -> dict[tuple[str, str], int]:
        """By name and part, over all seats of a kind."""
        reading = self.ledger.reading()
        sums: dict[tuple[str, str], int] = {}
        for (seat, name, part), value in reading.counters.items():
            if reading.seats[seat][0] == kind:
                sums[name, part] = sums.get((name, part), 0) + value
        return sums

    def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        """What the ledger answers."""
        return self.file.connection.execute(query).fetchall()

    @contextmanager
    def full(self, table: str) -> Iterator[None]:
        """The database takes no new row of a table."""
        make, drop = FULL_SHARED if self.is_shared else FULL
        for statement in make:
            self.file.connection.execute(statement.format(table))
        yield
        self.file.connection.execute(drop.format(table))

    @property
    def is_shared(self) -> bool:
        """Whether it is in a database that several gateways may share."""
        return (self.folder / "dsn").exists()

    def content(self) -> bytes:
        """All that is kept, as it is."""
        if not self.is_shared:
            self.file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return (self.folder / "ledger.db").read_bytes()
        return "".join(str(self.rows(f"SELECT {table}::text FROM {table}"))
                       for table in METADATA.tables).encode()

    def _open(self) -> LedgerWriter:
        database = opened(self.folder, self._gateway)
        if self.is_shared:
            database.lease_seconds = self._lease_seconds  # type: ignore[attr-defined]
        return LedgerWriter(
            database, clock=lambda: self.now, monotonic=lambda: self.passed, linger=0.0,
            **self._options)


def opened(folder: Path, gateway: str = "gateway") -> Database:
    """The ledger of a folder: of the database that it names, or of the file in it."""
    return open_to_write(section(folder, gateway))


def section(folder: Path, gateway: str = "gateway") -> LedgerSection:
    """What a configuration says of the same."""
    dsn = folder / "dsn"
    return LedgerSection(path=str(folder / "ledger.db"), key_file=str(folder / "ledger.key"),
                         dsn_file=str(dsn) if dsn.exists() else "", gateway=gateway)


class Stores:
    """Where new ledgers are made: in files, or in databases of a server."""

    server: ClassVar[Server | None] = None

    @classmethod
    def make(cls, folder: Path) -> None:
        """Make a new ledger in the folder, or in a database that it names."""
        if cls.server is None:
            for file in _empty().iterdir():
                shutil.copy(file, folder)
            return
        template = _template(cls.server)
        shutil.copy(template / "ledger.key", folder)
        (folder / "dsn").write_text(cls.server.database("template_ledger"))


@cache
def _template(server: Server) -> Path:
    """The folder of a ledger in a database that others are made of."""
    import psycopg  # here alone: a ledger in a file needs none

    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_ledger")
    (folder / "dsn").write_text(server.dsn("template_ledger"))
    opened(folder).close()
    return folder


@cache
def _empty() -> Path:
    """The folder of a new ledger, made once: to make its tables takes a while."""
    folder = Path(mkdtemp())
    opened(folder).close()
    atexit.register(shutil.rmtree, folder)
    return folder


@contextmanager
def ledger_in(folder: Path, **options: Any) -> Iterator[Bench]:
    """A new ledger in a folder, closed at the end; all of one store have one key."""
    Stores.make(folder)
    with ledger_in_place(folder, **options) as bench:
        yield bench


@contextmanager
def ledger_in_place(folder: Path, **options: Any) -> Iterator[Bench]:
    """The ledger that is in a folder, closed at the end."""
    bench = Bench(folder, **options)
    try:
        yield bench
    finally:
        bench.close()
