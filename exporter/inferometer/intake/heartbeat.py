"""Heartbeat: a call a minute through the whole way, and what became of each.

It is posted at the gateway's own door as any sender's body, is committed, settled, and looked for
in the ledger's file. So a loss is told while there is no other traffic, too.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.heartbeats import BeatLedger, BeatState
from inferometer.intake.beat import beat_body
from inferometer.reasons import reason_of
from inferometer.threads import Failures, Loop

EVERY_SECONDS = 60.0
PATIENCE_SECONDS = 10.0  # for which one is sent again, as SDKs do
RETRY_SECONDS = 1.0
LATE_SECONDS = 90.0  # after it should have been counted, until it is lost
LOOKS = 6  # at the ledger, in the time between two

log = logging.getLogger(__name__)


class Post(Protocol):
    """Sends a body to the gateway."""

    def __call__(self, body: bytes) -> int:
        """The status of HTTP that it is answered. Raises OSError, HTTPException, TimeoutError."""
        ...


class Beat(NamedTuple):
    """One that was acknowledged and has not come back yet."""

    trace_id: bytes
    due: float  # until when it should have, by our clock


class HeartbeatPace(NamedTuple):
    """How often one is sent, and how long each has; seconds."""

    every: float = EVERY_SECONDS
    patience: float = PATIENCE_SECONDS
    late: float = LATE_SECONDS


class Heartbeat:
    """Sends heartbeats and looks for them, in a thread of its own; a collector of what it saw."""

    name = "heartbeat"
    punctual = True

    def __init__(self, ledger: BeatLedger, post: Post, settle_seconds: Callable[[], float],
                 pace: HeartbeatPace | None = None) -> None:
        self._ledger, self._post, self._settle_seconds = ledger, post, settle_seconds
        self._pace = pace or HeartbeatPace()
        self._sent = self._seen = 0
        self._last_seen: float | None = None  # Unix seconds
        self._lost = Counter(dict.fromkeys(c.LOSS.values, 0))
        self._open: list[Beat] = []
        self._send_at = 0.0
        self._failures = Failures(self.name)
        self._stopped = False
        self.loop = Loop(self.name, self._turn, lambda: self._pace.every / LOOKS)

    def start(self) -> None:
        """Send the first one after a minute: what begins is busy."""
        self._send_at = time.monotonic() + self._pace.every
        self.loop.start()

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        self.loop.stop()

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """What was sent, came back and was lost."""
        for metric, value in ((c.HEARTBEAT_SENT, float(self._sent)),
                              (c.HEARTBEAT_SEEN, float(self._seen)),
                              (c.HEARTBEAT_LAST, self._last_seen)):
            family = Family(metric)
            family.add(value)
            yield family
        yield Family(c.HEARTBEAT_LOST, {
            (reason,): float(count) for reason, count in self._lost.items()})

    def _turn(self) -> None:
        self._look()
        if time.monotonic() >= self._send_at and not self._stopped:
            self._send_at = time.monotonic() + self._pace.every
            self._send()

    def _send(self) -> None:
        """Send one, again and again while it is refused, for as long as an SDK would."""
        end = time.monotonic() + self._pace.patience
        body = trace_id = b""
        self._sent += 1
        while not self._stopped:
            try:
                trace_id = trace_id or self._ledger.beat_trace()
                body = body or beat_body(trace_id, os.urandom(8), time.time_ns())
                status = self._post(body)
                if status == 200:
                    self._open.append(Beat(trace_id, time.monotonic() + self._settle_seconds()
                                           + self._pace.late))
                    return
                why = f"it was answered {status}"
            except Exception as error:  # whatever keeps it from being sent, it is what to tell
                why = reason_of(error)
            if time.monotonic() + RETRY_SECONDS > end:
                self._lose("refused", why)
                return
            time.sleep(RETRY_SECONDS)  # between two tries: the first one may be a moment's trouble

    def _look(self) -> None:
        """Take off the list what has come back, and what has not in time."""
        waiting = []
        for beat in self._open:
            is_overdue = time.monotonic() >= beat.due
            try:
                state = self._ledger.beat_state(beat.trace_id)
            except Exception as error:  # who cannot read the file does not know yet
                self._failures.note(error)
                state = BeatState.MISSING
            if state == BeatState.COUNTED:
                self._seen += 1
                self._last_seen = time.time()
            elif is_overdue:
                self._lose(state.value, "it was acknowledged")
            else:
                waiting.append(beat)
        self._open = waiting

    def _lose(self, reason: str, why: str) -> None:
        self._lost[reason] += 1
        log.error("a heartbeat was lost", extra={"reason": reason, "why": why,
                                                 "lost": sum(self._lost.values())})
