"""Debian's rsyslog with our configuration, as a process of its own in a folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bundle.promtool import TOOLS

ROOT = TOOLS / "rsyslog"
PROGRAM = ROOT / "usr/sbin/rsyslogd"
CONFIG = Path(__file__).parents[3] / "deploy/generated/elastic/rsyslog.conf"
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Rsyslog:
    """Where it reads and writes, and whom it sends to."""

    folder: Path
    url: str
    config: Path = CONFIG

    @property
    def log(self) -> Path:
        """The file that it reads."""
        return self.folder / "requests.log"

    @property
    def refused(self) -> Path:
        """Where lines go that nobody takes."""
        return self.folder / "refused"

    @property
    def state(self) -> Path:
        """Where it remembers how far it has read, and keeps what waits."""
        return self.folder / "state"

    def words(self) -> str:
        """What it says of itself."""
        return (self.folder / "rsyslog.log").read_text()

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process; in the end it is asked to stop, if it has not ended before."""
        with (self.folder / "rsyslog.log").open("ab") as log:
            process = subprocess.Popen(
                [*self._command(), "-n", "-i", str(self.folder / "pid")],
                env=self._environment(), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def verdict(self) -> subprocess.CompletedProcess[str]:
        """What it says of the configuration without running."""
        return subprocess.run([*self._command(), "-N1"], text=True, timeout=60,
                              env=self._environment(), capture_output=True, check=False)

    def _command(self) -> list[str]:
        """The program with a main configuration as Debian's, which has ours beside it."""
        main = self.folder / "main.conf"
        self.state.mkdir(exist_ok=True)
        main.write_text(f'global(workDirectory="{self.state}")\ninclude(file="{self.config}")\n')
        (modules,) = ROOT.glob("usr/lib/*/rsyslog")
        return [str(PROGRAM), "-M", str(modules), "-f", str(main)]

    def _environment(self) -> dict[str, str]:
        (modules,) = ROOT.glob("usr/lib/*/rsyslog")
        return {**os.environ, "LD_LIBRARY_PATH": str(modules.parent),
                "INFEROMETER_LOG": str(self.log), "INFEROMETER_REFUSED": str(self.refused),
                "ELASTICSEARCH_URL": self.url}
