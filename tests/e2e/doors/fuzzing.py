"""Many talks with one gateway, at either of its doors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.e2e.doors import over_grpc, over_http
from tests.e2e.doors.account import Account
from tests.e2e.gateways import Gateway, gateway

DOORS = ("http", "grpc")


@contextlib.contextmanager
def gateway_to_talk_to(folder: Path) -> Iterator[Gateway]:
    """One with both doors; what is too large for it is small."""
    with gateway(folder, grpc_listen="127.0.0.1:0", max_body_bytes=over_http.BODY_BYTES) as one:
        yield one


def talk(running: Gateway, door: str, account: Account, talks: int, number: int | None = None
         ) -> None:
    """Have so many talks at a door: always the same ones, or those of a number.

    Raises AssertionError, or what reading an answer does, for the least talk that goes wrong.
    """
    often = settings(max_examples=talks, derandomize=number is None, database=None, deadline=None,
                     suppress_health_check=[*HealthCheck])

    @often
    @given(over_http.TALKS)
    def have_http(one: over_http.HttpTalk) -> None:
        over_http.have(running.intake, one, account)

    @often
    @given(over_grpc.TALKS)
    def have_grpc(one: over_grpc.GrpcTalk) -> None:
        over_grpc.have(running.grpc, one, account)

    have = have_http if door == "http" else have_grpc
    (have if number is None else seed(number)(have))()
