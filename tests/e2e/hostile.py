"""Posts hostile bodies to a started gateway: what each costs, and how innocents fare beside it.

    python -m tests.e2e.hostile [NAME...] [--seconds 4] [--senders 4]

Prints for every body the answers, the most memory of the gateway and its child above what they had
idle, and the slowest answer to an innocent. Exit codes: 0 all within bounds, 1 not.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from h2.exceptions import ProtocolError

from bench.process import children
from tests.e2e.gateways import Gateway, gateway
from tests.e2e.hostile_bodies import HOSTILE, Hostile
from tests.e2e.in_threads import in_threads, while_they_run
from tests.e2e.otlp_entries import PROTOBUF
from tests.exporter.intake.grpc_doors import Http2Client, message
from tests.exporter.support import get

MOST_MEBIBYTES = 256
SLOWEST = 5.0  # answer to an innocent, on a machine that has much else to do
REST_SECONDS = 2.0  # after each, for what it left


@dataclass
class Cost:
    """What one kind of body did."""

    name: str
    mebibytes: float = 0.0  # at most, above idle
    left: float = 0.0  # of them that stay
    slowest: float = 0.0  # answer to an innocent
    innocents: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        """Whether it is too much."""
        return bool(self.mebibytes > MOST_MEBIBYTES or self.failures or self.slowest > SLOWEST)

    def __str__(self) -> str:
        answers = ", ".join(f"{status} {number}x" for status, number in self.answers.items())
        return (f"{self.name:<45} {self.mebibytes:6.0f} MiB above idle ({self.left:4.0f} stay), "
                f"innocents {self.slowest:5.2f} s at most; {answers}"
                f"{' FAILED: ' + '; '.join(self.failures[:2]) if self.failures else ''}"
                f"{'  <-- TOO MUCH' if self.bad else ''}")


def memory(pid: int) -> float:
    """MiB of a process and its children, as the kernel would charge them."""
    return sum(map(_proportional, (pid, *children(pid)))) / 1024


def _proportional(pid: int) -> int:
    """KiB: what it shares is divided by those who share it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def _post(port: int, hostile: Hostile) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        headers = {"Content-Type": hostile.encoding}
        if hostile.packed:
            headers["Content-Encoding"] = "gzip"
        try:
            connection.request("POST", "/v1/traces", hostile.body, headers)
            response = connection.getresponse()
            response.read()
            return str(response.status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__


def _call(port: int, hostile: Hostile) -> str:
    """The same over gRPC."""
    try:
        with Http2Client(port, 60) as client:
            stream = client.begin(*[("grpc-encoding", "gzip")] * hostile.packed)
            client.send(stream, message(hostile.body, packed=hostile.packed), end=True)
            return f"gRPC {client.answer(stream).code}"
    except (OSError, ProtocolError) as error:
        return f"gRPC {type(error).__name__}"


@contextlib.contextmanager
def beside(running: Gateway, cost: Cost, idle: float) -> Iterator[None]:
    """Watch the memory, and be an innocent, until the block ends."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            cost.mebibytes = max(cost.mebibytes, memory(running.pid) - idle)

    innocents: Sequence[tuple[str, str, Callable[[], str]]] = (
        ("sender", "200", lambda: _post(running.intake, Hostile(PROTOBUF, b""))),
        ("caller", "gRPC 0", lambda: _call(running.grpc, Hostile(PROTOBUF, b""))),
        ("scrape", "200", lambda: _scrape(running)))

    def ask() -> None:
        while not over.wait(0.1):
            for name, expected, act in innocents:
                began = time.monotonic()
                status = act()
                cost.slowest = max(cost.slowest, time.monotonic() - began)
                cost.innocents += 1
                if status != expected:
                    cost.failures.append(f"an innocent {name} got {status}")

    with while_they_run((watch, ask), over):
        yield


def _scrape(running: Gateway) -> str:
    try:
        return str(get(running.running.port).status)
    except OSError as error:
        return type(error).__name__


def attack(running: Gateway, name: str, idle: float, seconds: float, senders: int) -> Cost:
    """Post the body in a row for so long, from so many senders at once; every other over gRPC."""
    cost, hostile = Cost(name), HOSTILE[name]()
    end = time.monotonic() + seconds

    def post() -> None:
        while time.monotonic() < end:
            cost.answers[_post(running.intake, hostile)] += 1

    def call() -> None:
        while time.monotonic() < end:
            cost.answers[_call(running.grpc, hostile)] += 1

    acts = [call if number % 2 and hostile.encoding == PROTOBUF else post
            for number in range(senders)]

    with beside(running, cost, idle):
        in_threads(acts)
    time.sleep(REST_SECONDS)  # what stays in memory is measured at rest
    cost.left = memory(running.pid) - idle
    if running.running.process.poll() is not None:
        cost.failures.append("the gateway ended")
    return cost


def costs(names: Sequence[str], seconds: float, senders: int) -> Iterator[Cost]:
    """What each body costs one gateway, one after the other."""
    with tempfile.TemporaryDirectory() as folder, \
            gateway(Path(folder), 1.0, grpc_listen="127.0.0.1:0") as running:
        _post(running.intake, Hostile(PROTOBUF, b""))
        time.sleep(1.0)  # until what the first body loaded has settled in memory
        idle = memory(running.pid)
        for name in names:
            yield attack(running, name, idle, seconds, senders)


def main(arguments: Sequence[str]) -> int:
    """Post them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.hostile", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(HOSTILE))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--senders", type=int, default=4)
    options = parser.parse_args(arguments)
    bad = 0
    for cost in costs(options.names or [*HOSTILE], options.seconds, options.senders):
        print(cost, flush=True)
        bad += cost.bad
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
