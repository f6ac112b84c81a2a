"""Crowds that hold the gRPC door open: innocents are served meanwhile, the crowd is shown out."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable

import pytest

from inferometer.intake.body import Sizes
from inferometer.intake.listener import ConnectionBounds
from tests.exporter.intake.grpc_doors import Http2Client, called, channel, message, opened_grpc
from tests.exporter.intake.test_hostile import SECONDS
from tests.exporter.intake.test_http import BODY
from tests.exporter.support import wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

SLOWEST = 5.0  # answer to an innocent; the crowd is in this process, and speaks HTTP/2 in Python
SHOWN_OUT_SECONDS = 60.0  # 18 s after the last of the crowd came, on a machine that is not busy


def half_a_head(client: Http2Client) -> None:
    client.sock.sendall(b"\0\1\0\1\4\0\0\0\1")


def half_a_message(client: Http2Client) -> None:
    client.send(client.begin(), message(bytes(10), length=100_000))


def nothing(client: Http2Client) -> None:
    """Be idle."""


@pytest.mark.parametrize(("size", "act"), [
    (200, half_a_head), (500, half_a_message), (2000, nothing)],
    ids=["slow heads", "slow bodies", "idle"])
def test_innocents_are_served_beside(
        size: int, act: Callable[[Http2Client], None]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    with opened_grpc(ConnectionBounds(idle_seconds=10), Sizes(gap_seconds=5, body_seconds=8)
                     ) as door, contextlib.ExitStack() as stack:
        for _ in range(size):
            client = stack.enter_context(Http2Client(door.port))
            with contextlib.suppress(OSError):
                act(client)
        slowest, end = 0.0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            with channel(door.port) as made:
                assert called(made, BODY).code == 0
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < SLOWEST
        wait_for(lambda: len(door.server.house.guests) < 10, SHOWN_OUT_SECONDS)
