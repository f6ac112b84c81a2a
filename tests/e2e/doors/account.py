"""What was said at a gateway's doors, held against what it has counted."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.drills.bodies import INPUT, OUTPUT, calls
from tests.e2e.drills.journal import Body
from tests.e2e.gateways import Gateway

MOST_MEMORY = 256 * 2**20  # bytes, of its process: under load it has some 110 MiB
FAULTS = ("Traceback", "could not be taken", "could not be read", "failed, and goes on")
SERVICE = "shop"  # of all that is sent here


@dataclass
class Account:
    """Ids of calls: those that must be counted, and those that may be."""

    must: set[bytes] = field(default_factory=set)  # answered as taken
    may: set[bytes] = field(default_factory=set)  # whole, but nobody waited for the answer
    never: set[bytes] = field(default_factory=set)  # in what is no request, or no body

    def note(self, body: Body, answered: bool | None) -> None:
        """Note how a body was answered: taken, refused, or nobody knows."""
        {True: self.must, False: self.never, None: self.may}[answered].update(body[0])

    def mistakes(self, kept: Iterable[bytes], counted: float, tokens: tuple[float, float]
                 ) -> list[str]:
        """What is wrong with these ids in the ledger, calls and tokens on /metrics."""
        ids = [*kept]
        unique, wrong = set(ids), []
        if missing := self.must - unique:
            wrong.append(f"{len(missing)} calls were answered as taken and are missing")
        if refused := self.never & unique:
            wrong.append(f"{len(refused)} calls are there that no whole request has brought")
        if unknown := unique - self.must - self.may - self.never:
            wrong.append(f"{len(unknown)} calls are there that nobody sent")
        if len(ids) != len(unique):
            wrong.append(f"{len(ids) - len(unique)} calls have two rows")
        if counted != len(unique):
            wrong.append(f"{len(unique)} calls are there and {counted:g} are counted")
        if tokens != (len(unique) * INPUT, len(unique) * OUTPUT):
            wrong.append(f"{len(unique)} calls are there and have {tokens} tokens")
        return wrong


def new_body(chance: random.Random) -> Body:
    """Some calls with ids of their own."""
    return calls(chance, time.time_ns())


def compared(gateway: Gateway, account: Account) -> list[str]:
    """What is wrong with a gateway that nobody talks to any more, once it has counted all."""
    page, _ = gateway.settled()
    wrong = account.mistakes(
        _kept(gateway.ledger), sum(page.values("llm_client_requests_total", service_name=SERVICE)),
        (sum(page.values("llm_client_input_tokens_total", service_name=SERVICE)),
         sum(page.values("llm_client_output_tokens_total", service_name=SERVICE))))
    if failed := sum(page.values("inferometer_intake_bodies_total", result="failed")):
        wrong.append(f"{failed:g} bodies were answered by a fault of ours")
    if load := page.value("inferometer_intake_held_bytes"):
        wrong.append(f"{load:g} bytes of bodies are still held")
    if (memory := most_memory(gateway.pid)) > MOST_MEMORY:
        wrong.append(f"it had {memory / 2**20:.0f} MiB in memory")
    if gateway.running.process.poll() is not None:
        wrong.append("it has ended")
    verified = gateway.verb("verify")
    if verified.returncode:
        wrong.append(verified.stdout)
    return wrong + [line for line in gateway.running.lines if any(word in line for word in FAULTS)]


def _kept(ledger: Path) -> list[bytes]:
    """Trace and span ids of calls in the file; a heartbeat has another service."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as file:
        return [trace + span for trace, span, fact in file.execute(
            "SELECT trace, span, fact FROM facts") if f'"{SERVICE}"' in fact]


def most_memory(pid: int) -> int:
    """Bytes that a process has had in memory at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc says nothing of {pid}")
