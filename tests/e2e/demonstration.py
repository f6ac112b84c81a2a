"""`inferometer demo` as a test or a picture uses it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.exporter.process import announced_port
from tests.exporter.support import Exporter, launched, wait_for

START_SECONDS, STOP_SECONDS = 90.0, 60.0
_RULES = re.compile(r"rules +http://([^/\s]+)")


@dataclass(frozen=True)
class Demonstration:
    """One that runs. `prometheus` is its host:port."""

    running: Exporter
    prometheus: str
    faster: int

    def wait_for_alert(self, alert: str, seconds: float) -> None:
        """Wait until it prints that this alert fires. AssertionError if it does not."""
        wait_for(lambda: f"fires: {alert}" in "".join(self.running.printed), seconds, 0.5)


@contextlib.contextmanager
def demonstration(prometheus: Path, faster: int) -> Iterator[Demonstration]:
    """The demo over this program of Prometheus."""
    flags = {"listen": "127.0.0.1:0", "faster": faster, "prometheus": prometheus}
    with launched(*(f"--{name}={value}" for name, value in flags.items()),
                  command=("inferometer", "demo")) as running:
        try:
            wait_for(lambda: _rules(running) or running.process.poll() is not None, START_SECONDS)
            assert running.process.poll() is None, "".join(running.lines)
            running.port = announced_port(running)
            yield Demonstration(running, _rules(running), faster)
        finally:
            running.process.terminate()
            running.process.wait(STOP_SECONDS)  # in which it ends its Prometheus


def _rules(running: Exporter) -> str:
    match = _RULES.search("".join(running.printed))
    return match[1] if match else ""
