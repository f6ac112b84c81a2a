"""PostgreSQL as Debian has it, for tests: a server of one's own, ended by its process id."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

USER = "inferometer"
START_SECONDS = 60.0
_NUMBERS = count()


@functools.cache
def programs() -> Path | None:
    """The folder with initdb and postgres, the newest there is; None without."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


class Server:
    """A running server, whose files are in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._uid, self._gid = _other_user()
        os.chown(folder, self._uid, self._gid)
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N",
                  "-E", "UTF8", "--locale=C")

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str = "postgres") -> str:
        """How to connect to a database."""
        return f"host={self.folder} user={USER} dbname={database}"

    def start(self, *settings: str) -> None:
        """Start it, and wait until it takes connections."""
        folder = programs()
        assert folder
        arguments = [part for setting in ("listen_addresses=", "fsync=on", "shared_buffers=64MB",
                                          *settings) for part in ("-c", setting)]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [folder / "postgres", "-D", self.folder / "data", "-k", self.folder, *arguments],
                stdout=log, stderr=log, user=self._uid, group=self._gid, extra_groups=[],
                cwd=self.folder)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            pid_file = self.folder / "data" / "postmaster.pid"
            if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)  # it tells by a file alone
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: by default at once, as if it were killed, with all its connections."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def database(self, template: str = "template1") -> str:
        """Make a new database like another one; how to connect to it."""
        import psycopg

        name = f"test_{next(_NUMBERS)}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.dsn(name)

    def restore(self, dsn: str) -> str:
        """Put a database into another one, as from a copy; how to connect to that."""
        copy, target = str(self.folder / "copy"), self.database()
        self._run("pg_dump", "--format=custom", f"--file={copy}", dsn)
        self._run("pg_restore", f"--dbname={target}", copy)
        return target

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder
        done = subprocess.run([folder / program, *arguments], capture_output=True, text=True,
                              user=self._uid, group=self._gid, extra_groups=[], cwd=self.folder)
        assert done.returncode == 0, done.stderr


@contextmanager
def server(*settings: str) -> Iterator[Server]:
    """A running server, whose files are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # its socket's path must be short
    made = Server(folder)
    try:
        made.start(*settings)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _other_user() -> tuple[int, int]:
    """Who runs it: it refuses root."""
    if os.getuid():
        return os.getuid(), os.getgid()
    user = pwd.getpwnam("nobody")
    return user.pw_uid, user.pw_gid
