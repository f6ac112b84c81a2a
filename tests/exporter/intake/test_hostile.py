"""Crowds that hold the door open: innocents are served meanwhile, and the crowd is shown out."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator

import pytest

from inferometer.intake.body import Sizes
from inferometer.intake.listener import ConnectionBounds
from tests.exporter.intake.doors import Client, Opened, opened
from tests.exporter.intake.test_http import BODY, LENGTH, head

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

SECONDS = 14.0  # longer than a head or a body may take
SLOWEST = 1.0  # answer to an innocent


@contextlib.contextmanager
def crowd(door: Opened, size: int, sent: bytes) -> Iterator[list[Client]]:
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(size):
            with contextlib.suppress(OSError):
                clients.append(stack.enter_context(Client(door.port)).send(sent))
        yield clients


@pytest.mark.parametrize(("size", "sent", "drip"), [
    (200, b"POST /v1/traces HTTP/1.1\r\nX: ", b"y"),
    (500, head("Content-Length: 100000"), b"z"),
    (2000, b"", b""),
], ids=["slow heads", "slow bodies", "idle"])
def test_innocents_are_served_within_a_second_beside(size: int, sent: bytes, drip: bytes) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    with opened(ConnectionBounds(), Sizes(gap_seconds=5, body_seconds=8)) as door, \
            crowd(door, size, sent) as clients:
        slowest, end = 0.0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            with Client(door.port) as innocent:
                assert innocent.send(head(LENGTH) + BODY).reply().status == 200
            slowest = max(slowest, time.monotonic() - began)
            for client in clients[::50]:
                with contextlib.suppress(OSError):
                    client.send(drip)
        assert slowest < SLOWEST
        assert len(door.server.server_state.connections) < 10
