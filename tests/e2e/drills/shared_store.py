"""A ledger in PostgreSQL, on a server of the drill's own, read by psql."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.drills.figures import Rows
from tests.e2e.drills.stores import SENT
from tests.postgres import Server, programs, server


def missing() -> str:
    """Why there is no such store here; empty where there can be one."""
    if programs() is None or not shutil.which("psql"):
        return "PostgreSQL is not installed"
    return "" if importlib.util.find_spec("psycopg") else "its driver is not installed"


class PostgresStore:
    """One database, which all gateways of a drill share."""

    name = "postgres"

    def __init__(self, running: Server, folder: Path) -> None:
        self.server, self._folder = running, folder
        self._dsn = running.database()
        (folder / "dsn").write_text(self._dsn)

    def settings(self, folder: Path) -> str:
        """The gateway goes by the folder's name; all have one key."""
        return ", ".join(f"{key}: {json.dumps(str(value))}" for key, value in (
            ("dsn_file", self._folder / "dsn"), ("key_file", self._folder / "key"),
            ("gateway", folder.name)))

    def rows(self, folder: Path) -> Rows:
        """Of the database."""
        ids = self.ask(f"SELECT encode(trace || span, 'hex') FROM facts WHERE {SENT}")
        counted = self.ask("SELECT coalesce(sum(calls), 0) FROM counted WHERE kind = 'call'")
        return Rows([bytes.fromhex(one) for one in ids], int(counted[0]))

    def pending(self, folder: Path) -> int:
        """By their state."""
        return int(self.ask("SELECT count(*) FROM facts WHERE state = 0")[0])

    def ask(self, statement: str) -> list[str]:
        """The lines that psql prints. Raises AssertionError."""
        done = subprocess.run(["psql", "-X", "-A", "-t", "-c", statement, self._dsn],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@contextlib.contextmanager
def postgres() -> Iterator[PostgresStore]:
    """On a new server."""
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    try:
        with server() as running:
            yield PostgresStore(running, folder)
    finally:
        shutil.rmtree(folder)
