"""A gateway under load: spans per second of CPU time, a steady rate, hostile senders beside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import intake_door
from bench.gpus import percentile
from bench.otlp import JSON, KINDS, bodies, captured
from bench.otlp_sender import Connection, send
from bench.process import ROOT, Process, children, free_port, serving, wait_for_port
from bench.report import Figure
from bench.scraper import Scraper
from bench.sizes import Sizes

SETTLE_SECONDS = 2.0
FLOOR_SHARE = 0.4
LEAST = {"captured": 25_000, "gathered": 25_000, "plain": 60_000}  # spans per CPU second
TITLES = {"captured": "captured bodies, spans of them",
          "gathered": "the captured spans, 512 a body",
          "plain": "bodies without calls, spans of them"}
STEADY_RATE = 10_000  # spans a second
STEADY_MEBIBYTES = 300
SLOWEST_SCRAPE = 0.25
QUIET_SECONDS = 600.0  # until all is counted
HOSTILE_MEBIBYTES = 256
HOSTILE_BYTES = 32 * 2**20
DOOR_MICROSECONDS = 200.0  # of CPU time for a body without what is in it
DOOR_RATIO = 2.0  # to what uvicorn takes with nothing on it


@dataclass(frozen=True)
class Measured:
    """A gateway with the port that takes telemetry."""

    process: Process
    port: int
    folder: Path

    def cpu_seconds(self) -> float:
        """Of the process and of those it has begun."""
        ours = self.process.cpu_seconds()
        return ours + sum(time.clock_gettime(~pid << 3 | 2) for pid in children(self.process.pid))

    def resident_bytes(self) -> int:
        """Of the process and of those it has begun, as the kernel accounts it to a container."""
        return sum(_resident(pid) for pid in (self.process.pid, *children(self.process.pid)))

    def value(self, name: str) -> float:
        """The sum of a family's series on /metrics."""
        with Scraper(self.process.port) as scraper:
            page = scraper.scrape().text
        return sum(float(value) for value in re.findall(
            rf"^{name}(?:{{[^\n]*}})? (\S+)", page, re.M))

    def settle(self) -> None:
        """Wait until all is counted. Raises RuntimeError."""
        deadline = time.monotonic() + QUIET_SECONDS
        while self.value("inferometer_ledger_pending_facts"):
            if time.monotonic() > deadline:
                raise RuntimeError("what was sent is not counted")
            time.sleep(0.2)  # between two looks: each is a scrape


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All figures of the intake."""
    yield from _door(sizes.door_bodies)
    for kind, spans in (("captured", sizes.intake_spans), ("gathered", sizes.intake_spans),
                        ("plain", 3 * sizes.intake_spans)):
        yield from _throughput(kind, spans)
    yield from _steady(sizes.steady_seconds)
    yield from _beside_hostile(sizes.hostile_seconds)


@contextlib.contextmanager
def gateway(cores: Sequence[int]) -> Iterator[Measured]:
    """A gateway on these cores alone."""
    with tempfile.TemporaryDirectory() as name:
        folder, port, intake = Path(name), free_port(), free_port()
        (folder / "inferometer.yml").write_text(
            "role: gateway\n"
            f"intake: {json.dumps({'listen': f'127.0.0.1:{intake}', 'settle_seconds': 2})}\n"
            f"ledger: {json.dumps({'path': str(folder / 'ledger.db')})}\n")
        command = ("taskset", "-c", ",".join(map(str, cores)), sys.executable, "-m", "inferometer",
                   "run", "--config", folder / "inferometer.yml", "--listen", f"127.0.0.1:{port}")
        with serving("gateway", command, port, folder) as process:
            wait_for_port(intake)
            yield Measured(process, intake, folder)


def _door(bodies: int) -> Iterator[Figure]:
    used = intake_door.measure(bodies)
    yield Figure("a body as long as the captured ones, with nothing in it: CPU time", "µs",
                 used["door"], DOOR_MICROSECONDS)
    yield Figure("the same beside bare uvicorn", "µs", used["door"], DOOR_RATIO, used["bare"],
                 "uvicorn that answers 200")


def _throughput(kind: str, spans: int) -> Iterator[Figure]:
    floor = float(subprocess.run(
        [sys.executable, "-m", "bench.intake_floor", kind, str(spans)], check=True, text=True,
        stdout=subprocess.PIPE, cwd=ROOT).stdout)
    with gateway([0]) as running:
        send(running.port, bodies(KINDS[kind](), spans // 10))  # so that all is warm
        running.settle()
        number = sum(template.spans for template, _ in bodies(KINDS[kind](), spans))
        before = running.cpu_seconds()
        calls = running.value("llm_client_requests_total")
        send(running.port, bodies(KINDS[kind](), spans, first=10_000_000))
        running.settle()
        used = running.cpu_seconds() - before
        calls = running.value("llm_client_requests_total") - calls
    rate = number / used
    title = f"{TITLES[kind]}: taken and counted to the end, per CPU second"
    yield Figure(title, "", rate, LEAST[kind], at_least=True)
    yield Figure(title, "", rate, FLOOR_SHARE, floor, "decode, look-ups, insert", at_least=True)
    if calls:
        yield Figure(f"{TITLES[kind]}: calls in them, per CPU second", "", calls / used, 0,
                     at_least=True)


def _steady(seconds: float) -> Iterator[Figure]:
    number = int(STEADY_RATE * seconds)
    with gateway([0, 1]) as running:
        peak = _Peak(running)
        began = time.monotonic()
        with peak:
            sent = send(running.port, bodies(captured(), number), STEADY_RATE)
            took = time.monotonic() - began
            running.settle()
        lost = sent.refused + sent.spans - running.value("inferometer_intake_entries_total")
        verified = subprocess.run(
            [sys.executable, "-m", "inferometer", "ledger", "verify", "--ledger",
             running.folder / "ledger.db"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            check=False)
    title = f"{STEADY_RATE:,} spans/s for {seconds:.0f} s: "
    yield Figure(title + "spans sent, a second", "", sent.spans / took, 0.95 * STEADY_RATE,
                 at_least=True)
    yield Figure(title + "spans lost", "", lost, 0)
    yield Figure(title + "differences by `ledger verify`", "", verified.returncode, 0)
    yield Figure(title + "most memory, child included", "MiB", peak.bytes / 2**20,
                 STEADY_MEBIBYTES)


class _Peak:
    """The most memory that was seen, ten times a second."""

    def __init__(self, running: Measured) -> None:
        self.bytes = 0
        self._running, self._over = running, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, self._running.resident_bytes())


def _beside_hostile(seconds: float) -> Iterator[Figure]:
    body = b'{"resourceSpans":[' + b"{},[]," * ((HOSTILE_BYTES - 64) // 6) + b"{}]}"
    with gateway([0, 1]) as running, _Peak(running) as peak, Scraper(
            running.process.port) as scraper:
        scraper.scrape()
        idle = running.resident_bytes()
        over = threading.Event()
        answers: list[int] = []

        def work() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError), Connection(running.port) as connection:
                    answers.append(connection.post(JSON, body))

        thread = threading.Thread(target=work)
        thread.start()
        times: list[float] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            times.append(scraper.scrape().seconds)
            time.sleep(0.05)  # as one scraper of many asks
        over.set()
        thread.join()
    title = f"hostile JSON of {HOSTILE_BYTES // 2**20} MiB in a row ({len(answers)}): "
    yield Figure(title + "/metrics p99", "s", percentile(times, 0.99), SLOWEST_SCRAPE)
    yield Figure(title + "most memory above idle, child included", "MiB",
                 (peak.bytes - idle) / 2**20, HOSTILE_MEBIBYTES)


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0
