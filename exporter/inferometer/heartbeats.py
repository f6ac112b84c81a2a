"""Heartbeats: calls that a gateway sends to itself, so that it hears of its own losses."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

SERVICE = "inferometer-heartbeat"  # the service.name of their spans


class BeatState(StrEnum):
    """What the ledger has of a heartbeat."""

    MISSING = "missing"  # nothing
    UNCOUNTED = "uncounted"  # a fact, which is not settled
    COUNTED = "counted"  # a row of its own


class BeatLedger(Protocol):
    """A ledger that tells heartbeats from what others send, whatever these call themselves."""

    def beat_trace(self) -> bytes:
        """A trace id for a new one. Raises LedgerFullError while there is no ledger."""
        ...

    def beat_state(self, trace_id: bytes) -> BeatState:
        """What the ledger's file has of one. Raises what keeps the file from being read."""
        ...
