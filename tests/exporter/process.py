"""`inferometer run` with exactly the arguments a test gives, from its first word to its last."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.exporter.support import START_SECONDS, Exporter, get, launched, wait_for

COMMAND = (sys.executable, "-m", "inferometer")
ANYWHERE = ("--listen", "127.0.0.1:0")  # a port nobody has
ALONE = "gpu: {enabled: false}\nengines: {discover_ports: []}\n"  # nothing to look for


@contextlib.contextmanager
def started(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Exporter]:
    """The process once it has printed its address, or has ended."""
    with launched(*map(str, arguments), env=env) as running:
        wait_for(lambda: announced_port(running) or running.process.poll() is not None,
                 START_SECONDS)
        if running.process.poll() is not None:
            running.read_out()
        running.port = announced_port(running)
        yield running


def announced_port(running: Exporter) -> int:
    """The port that the process printed it listens on, 0 before that."""
    match = re.search(r"metrics  https?://.*:(\d+)/metrics", "".join(running.printed))
    return int(match[1]) if match else 0


def ready(running: Exporter) -> Exporter:
    """The same, after its first look for GPUs and engines."""
    wait_for(lambda: get(running.port, "/-/ready").status == 200)
    return running


def command(*arguments: str | Path, env: Mapping[str, str] | None = None,
            cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Any `inferometer` command that ends by itself."""
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True,
                          timeout=START_SECONDS, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})})


def messages(running: Exporter, message: str) -> Sequence[Mapping[str, object]]:
    """Its log lines with this message."""
    return [line for line in running.logged() if line["message"] == message]
