"""What an outbox has: bodies as they came, which wait until each destination has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

HOPS = "inferometer-hops"  # the header with the marks of gateways that a body has been through
MOST_HOPS = 16  # marks that are passed on
# Signals of votes, which are no bodies of a sender: those that came as log records go to who takes
# logs with the body that they came in.
FEEDBACK, LOGGED_FEEDBACK = VOTES = ("feedback", "logged_feedback")


class ForwardCounts(NamedTuple):
    """What became of bodies since the start."""

    done: int = 0
    refused: int = 0
    failures: int = 0
    rejected: int = 0  # spans, records and points of bodies that were taken


class SentBody(NamedTuple):
    """A body as a sender sent it, or a vote."""

    signal: str  # one of config.destinations.SIGNALS, or LOGGED_FEEDBACK
    encoding: str  # its Content-Type
    coding: str  # its Content-Encoding, empty for none
    content: bytes
    hops: str = ""  # marks, one after another with a space between


class WaitingBody(NamedTuple):
    """One that a destination does not have yet."""

    owner: str  # the gateway that took it
    number: int  # among those of this gateway
    arrived: int  # Unix nanoseconds
    body: SentBody


class ForwardOutbox(Protocol):
    """One destination's way through what waits, in order. Raises what its ledger raises."""

    def next_body(self) -> WaitingBody | None:
        """The next one, None where there is none now."""
        ...

    def note_done(self, waiting: WaitingBody) -> None:
        """The destination has it."""
        ...

    def set_aside(self, waiting: WaitingBody, status: int, why: str) -> None:
        """The destination refused it for good; it is kept for a person to decide."""
        ...

    def is_current(self) -> bool:
        """Whether its ledger is still the one of its name."""
        ...

    def close(self) -> None:
        """Let go of the ledger."""
        ...


class OutboxCondition(NamedTuple):
    """What waits for one destination."""

    waiting: int = 0  # bodies
    bytes: int = 0
    oldest: int | None = None  # arrival, Unix nanoseconds
    refused: int = 0  # bodies that are set aside now
    dropped: int = 0  # since the start


class LoopedError(Exception):
    """A body has been through this gateway before."""


Conditions = Mapping[str, OutboxCondition]  # by destination
