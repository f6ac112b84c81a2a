"""`inferometer demo` as a test or a picture uses it, with engines beside its own if need be."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.exporter.process import announced_port
from tests.exporter.support import Exporter, launched, wait_for

START_SECONDS = 90.0
_RULES = re.compile(r"rules +http://([^/\s]+)")
# Adds targets to the configuration that the demo wrote for it, and becomes Prometheus.
_WITH_TARGETS = """#!{python}
import os, sys
import yaml
with open("prometheus.yml") as file:
    document = yaml.safe_load(file)
document["scrape_configs"].append({job!r})
with open("prometheus.yml", "w") as file:
    yaml.safe_dump(document, file)
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""
Targets = Mapping[str, Mapping[str, str]]  # labels by host:port


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
def demonstration(folder: Path, prometheus: Path, faster: int,
                  beside: Targets | None = None) -> Iterator[Demonstration]:
    """The demo over this program of Prometheus, which scrapes what is `beside` it too."""
    program = folder / "prometheus"
    job = {"job_name": "beside", "static_configs": [
        {"targets": [target], "labels": dict(labels)} for target, labels in (beside or {}).items()]}
    program.write_text(_WITH_TARGETS.format(
        python=sys.executable, job=job, program=str(prometheus)))
    program.chmod(0o755)
    with launched("--listen", "127.0.0.1:0", "--faster", str(faster), "--prometheus", str(program),
                  command=("inferometer", "demo")) as running:
        try:
            wait_for(lambda: _rules(running) or running.process.poll() is not None, START_SECONDS)
            assert running.process.poll() is None, "".join(running.lines)
            running.port = announced_port(running)
            yield Demonstration(running, _rules(running), faster)
        finally:
            running.stop()  # which ends its Prometheus


def _rules(running: Exporter) -> str:
    match = _RULES.search("".join(running.printed))
    return match[1] if match else ""
