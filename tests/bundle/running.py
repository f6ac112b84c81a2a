"""Prometheus and Alertmanager as real processes with what is generated; ended by their pids."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bundle.promtool import TOOLS
from tests.exporter.support import free_port, get, wait_for

START_SECONDS = 60.0
EVALUATED_SECONDS = 60.0
Running = tuple[subprocess.Popen[bytes], int]  # and the port


@contextlib.contextmanager
def prometheus(version: str, config: Path, folder: Path, *flags: str) -> Iterator[int]:
    """A running one, which keeps its data and its log in the folder; its port."""
    with prometheus_process(version, config, folder, *flags) as (_, port):
        yield port


@contextlib.contextmanager
def prometheus_process(version: str, config: Path, folder: Path, *flags: str
                       ) -> Iterator[Running]:
    """The same with its process, to be signalled."""
    with _running(folder, TOOLS / f"prometheus-{version}" / "prometheus", (
            f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            *flags)) as running:
        yield running


@contextlib.contextmanager
def alertmanager(version: str, config: Path, folder: Path) -> Iterator[int]:
    """The same of an Alertmanager."""
    with _running(folder, TOOLS / f"alertmanager-{version}" / "alertmanager", (
            f"--config.file={config}", f"--storage.path={folder / 'told'}",
            "--cluster.listen-address=")) as (_, port):
        yield port


def asked(port: int, path: str) -> Any:
    """What a Prometheus says of a path of its API."""
    return json.loads(get(port, f"/api/v1/{path}").body)["data"]


def evaluated(port: int) -> list[dict[str, Any]]:
    """All rules of a Prometheus, once it has evaluated each of them."""

    def loaded() -> list[dict[str, Any]] | None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            rules = [rule for group in asked(port, "rules")["groups"] for rule in group["rules"]]
            if rules and all(rule["health"] != "unknown" for rule in rules):
                return rules
        return None

    rules: list[dict[str, Any]] = wait_for(loaded, EVALUATED_SECONDS, every=0.5)
    return rules


@contextlib.contextmanager
def _running(folder: Path, program: Path, flags: Sequence[str]) -> Iterator[Running]:
    port, log = free_port(), folder / f"{program.name}.log"

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            return get(port, "/-/ready", seconds=2).status == 200
        return False

    with log.open("w") as written:
        process = subprocess.Popen([program, *flags, f"--web.listen-address=127.0.0.1:{port}"],
                                   stdout=written, stderr=written)
    try:
        wait_for(ready, START_SECONDS)
        yield process, port
    finally:
        process.kill()
        process.wait()
