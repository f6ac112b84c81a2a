"""Processes that are measured: begun here, ended by their pid, read from the kernel's accounts."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0


@dataclass(frozen=True)
class Process:
    """A running process that serves on a port of loopback."""

    name: str
    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far, ended ones too, user and system."""
        return time.clock_gettime(~self.pid << 3 | 2)  # as clock_getcpuclockid(3) makes it

    def memory_bytes(self) -> int:
        """Its proportional set size: what it shares is divided by those who share it."""
        return _rollup(self.pid, "Pss")

    def own_bytes(self) -> int:
        """The part of it that is of no file, and so is nobody else's business."""
        return own_bytes(self.pid)


def children(pid: int) -> Sequence[int]:
    """The processes that it, any of its threads, has begun."""
    with contextlib.suppress(OSError):
        return [int(child) for task in os.listdir(f"/proc/{pid}/task")
                for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return ()


def own_bytes(pid: int) -> int:
    """A process's memory that is of no file: what it made itself."""
    return _rollup(pid, "Pss_Anon")


def cache() -> Path:
    """The folder of what is made here and may be lost."""
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(name: str, command: Sequence[str | Path], port: int, folder: Path,
            env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """The command once it listens on the port. Raises RuntimeError with its output if not."""
    log = folder / f"{name}.log"
    with log.open("w") as output:
        child = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, cwd=ROOT,
                                 env={**os.environ, **(env or {})})
    try:
        _wait_for_port(child, port, log)
        yield Process(name, child.pid, port)
    finally:
        child.kill()
        child.wait()


def wait_for_port(port: int) -> None:
    """Wait until somebody listens on it. Raises RuntimeError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)  # between two looks whether it listens
    raise RuntimeError(f"nobody listens on port {port}")


def _wait_for_port(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)  # between two looks whether it listens
    raise RuntimeError(f"{child.args!r} does not serve:\n{log.read_text()[-2000:]}")


def _rollup(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) * 1024
