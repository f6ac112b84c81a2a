"""Senders, half of them over HTTP and half over gRPC, that go on whatever becomes of a gateway."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.e2e.drills.bodies import calls
from tests.e2e.drills.journal import Body, Journal
from tests.e2e.gateways import Gateway, GrpcSender, Sender
from tests.e2e.in_threads import while_they_run
from tests.e2e.otlp_entries import PROTOBUF

SENDERS = 8
GONE_SECONDS = 0.2  # after which a sender whose connection broke tries the next body
BROKEN = OSError, http.client.HTTPException


def connected(running: Gateway, number: int) -> Sender | GrpcSender:
    """Every other sender sends over gRPC, where that is listened for."""
    if number % 2 and running.grpc:
        return GrpcSender(running.grpc, 0.0)
    return Sender(running.intake, 0.0)


def post(sender: Sender | GrpcSender, journal: Journal, body: Body, number: int = 0) -> bool:
    """Send it once, and note what came of it. Raises what broke the connection."""
    ids, content = body
    try:
        taken = sender.post("traces", PROTOBUF, content) == 200
    except BROKEN:
        journal.missed(body)
        raise
    if taken:
        journal.acknowledged(ids, number)
    else:
        journal.missed(body)
    return taken


@contextlib.contextmanager
def load(running: Gateway, journal: Journal, seed: str,
         clock: Callable[[], int] = time.time_ns) -> Iterator[None]:
    """Senders beside the block, until its end."""
    over = threading.Event()

    def work(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        while not over.is_set():
            with contextlib.suppress(*BROKEN), connected(running, number) as sender:
                while not over.is_set():
                    body = calls(chance, clock())
                    journal.sending(body[0])
                    if not post(sender, journal, body, number):
                        over.wait(GONE_SECONDS)
            over.wait(GONE_SECONDS)

    with while_they_run([partial(work, number) for number in range(SENDERS)], over):
        yield


def send_again(running: Gateway, journal: Journal, seconds: float) -> float:
    """Send what was not acknowledged until it is; in how many seconds. Raises AssertionError."""
    began = time.monotonic()
    while (body := journal.next_missed()) is not None:
        taken = False
        with contextlib.suppress(*BROKEN), connected(running, 0) as sender:
            taken = post(sender, journal, body)
            while taken and (body := journal.next_missed()) is not None:
                taken = post(sender, journal, body)
        if not taken:
            assert time.monotonic() - began < seconds, (
                f"{journal.unanswered} bodies are not taken within {seconds:g} s")
            time.sleep(GONE_SECONDS)  # as an exporter does, before it tries again
    return time.monotonic() - began
