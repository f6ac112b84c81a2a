"""All connections of OTLP/gRPC together: how many there may be, and what they share."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from inferometer.intake.application import Door
from inferometer.intake.body import BodyRefusedError
from inferometer.intake.listener import ConnectionBounds

MOST_CALLS = 1024  # whose messages are read, or wait to be kept


class Guest(Protocol):
    """One connection."""

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn."""
        ...

    def abort(self) -> None:
        """Close it as it is."""
        ...

    def end_when_idle(self) -> None:
        """Close it once no call is open."""
        ...


class House:
    """Who is in, and how many calls are open. Not for several threads."""

    def __init__(self, door: Door, bounds: ConnectionBounds) -> None:
        self.door = door
        self.bounds = bounds
        self.stopping = False
        self.guests: dict[Guest, None] = {}  # who has waited longest comes first
        self._calls = 0

    def enter(self, guest: Guest) -> None:
        """Let a connection in; if the house is full, whoever has waited longest goes."""
        self.guests[guest] = None
        if len(self.guests) > self.bounds.connections:
            oldest = next((one for one in self.guests if one.waits), guest)
            self.leave(oldest)  # at once: others may enter before it is gone
            oldest.abort()

    def renew(self, guest: Guest) -> None:
        """It begins to wait only now."""
        if guest in self.guests:
            del self.guests[guest]
            self.guests[guest] = None

    def leave(self, guest: Guest) -> None:
        """It is gone."""
        self.guests.pop(guest, None)

    def begin_call(self) -> None:
        """Raises BodyRefusedError where no more calls may be open."""
        if self.stopping or self._calls >= MOST_CALLS:
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "too many calls at once; send it again")
        self._calls += 1

    def end_call(self) -> None:
        """It was answered, or its client is gone."""
        self._calls -= 1

    def stop(self) -> None:
        """Take no more calls; those that are open are still answered."""
        self.stopping = True
        for guest in [*self.guests]:
            guest.end_when_idle()
