"""Sends what waits in the outbox to one destination, in order, in a thread of its own.

What is answered with 429, 502, 503 or 504, or not at all, is sent again, later and later, and
nothing is sent before it. Any other refusal is for good (OTLP/HTTP, "Failures"): the body is set
aside, and the next one is sent.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from inferometer.outside import shown
from inferometer.reasons import reason_of
from inferometer.sinks.destinations import Destination, DestinationError
from inferometer.sinks.feedback_bodies import NoPlaceError
from inferometer.sinks.forward_body import fitted
from inferometer.sinks.forward_http import DestinationAnswer
from inferometer.sinks.outbox import (
    HOPS,
    MOST_HOPS,
    ForwardCounts,
    ForwardOutbox,
    SentBody,
    WaitingBody,
)
from inferometer.sinks.partial import PartialSuccess, partial_success
from inferometer.threads import Failures, Loop, Start, start_thread

IDLE_SECONDS = 1.0  # until it looks again, where nobody wakes it
FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS = 1.0, 60.0
JITTER = 0.5  # of a pause, by which it is longer or shorter
STOP_SECONDS = 0.5  # that a stop waits for what is under way
UNFIT = "it is no OTLP that can be sent there"
LOOP_SECONDS = 60.0  # until a destination that is ourselves is asked again
RETRIED = frozenset((HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY,
                     HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT))

log = logging.getLogger(__name__)


class BodySender(Protocol):
    """Posts a body of a signal."""

    def post(self, signal: str, headers: Mapping[str, str], body: bytes) -> DestinationAnswer:
        """What it is answered. Raises DestinationError."""
        ...

    def close(self) -> None:
        """End connections."""
        ...


class ForwardError(Exception):
    """What a destination answered keeps a body, or some of one, from it."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after  # seconds


class Forwarder:
    """One destination's way. `mark` is this gateway's in HOPS. A failure costs the next turns."""

    def __init__(self, destination: Destination, open_outbox: Callable[[], ForwardOutbox],
                 sender: BodySender, mark: str,
                 monotonic: Callable[[], float] = time.monotonic,
                 jitter: Callable[[], float] = lambda: random.uniform(-JITTER, JITTER),
                 start: Start = start_thread) -> None:
        self.destination, self._sender, self._mark = destination, sender, mark
        self._open_outbox, self._monotonic, self._jitter = open_outbox, monotonic, jitter
        self._outbox: ForwardOutbox | None = None
        self._failed = 0  # times, one after another
        self._retry_at = 0.0
        self._fit: tuple[tuple[str, int], SentBody | str] | None = None
        self._stopped = False
        self._turns = threading.Lock()
        self._rejections = Failures(f"forward {destination.name}")
        self.counts = ForwardCounts()
        self.loop = Loop(f"forward {destination.name}", self.turn, self._pause, start)

    def wake(self) -> None:
        """Look at once, unless the destination is being waited for."""
        if not self._failed:
            self.loop.hurry()

    def stop(self) -> None:
        """Begin nothing more. What is under way ends, or is done again after the next start."""
        self._stopped = True
        self.loop.stop()
        if self._turns.acquire(timeout=STOP_SECONDS):  # else its turn closes, or the process ends
            try:
                self._close()
            finally:
                self._turns.release()

    def turn(self) -> None:
        """Send all there is to send. Raises what keeps it from that; a later turn goes on."""
        with self._turns:
            if not self._stopped and self._monotonic() >= self._retry_at:
                self._send_all()

    def _send_all(self) -> None:
        try:
            outbox = self._current_outbox()
            while not self._stopped and (waiting := outbox.next_body()) is not None:
                self._send(outbox, waiting)
                self._failed = 0
        except Exception as error:
            self._fail(error)
            raise
        finally:
            if self._stopped:
                self._close()

    def _send(self, outbox: ForwardOutbox, waiting: WaitingBody) -> None:
        body = self._fitted(waiting)
        if isinstance(body, str):
            self._set_aside(outbox, waiting, 0, body)
            return
        answer = self._sender.post(body.signal, self._headers(body), body.content)
        if 200 <= answer.status < 300:
            outbox.note_done(waiting)
            self._fit = None
            self.counts = self.counts._replace(done=self.counts.done + 1)
            self._note(partial_success(answer.content, answer.content_type))
        elif answer.status == HTTPStatus.LOOP_DETECTED:
            raise ForwardError("what is sent there comes back to this gateway", LOOP_SECONDS)
        elif answer.status in RETRIED:
            raise ForwardError(answer.words, answer.retry_after)
        else:
            self._set_aside(outbox, waiting, answer.status, answer.words)

    def _set_aside(self, outbox: ForwardOutbox, waiting: WaitingBody, status: int, why: str
                   ) -> None:
        outbox.set_aside(waiting, status, why)
        self._fit = None
        self.counts = self.counts._replace(refused=self.counts.refused + 1)
        self._rejections.note(ForwardError(
            f"a body is set aside, {self.destination.place} does not take it: {why}"))

    def _fitted(self, waiting: WaitingBody) -> SentBody | str:
        """The body as the destination is to have it, or why it cannot; made once, however often
        it is sent.
        """
        number = waiting.owner, waiting.number
        if self._fit is None or self._fit[0] != number:
            try:
                self._fit = number, fitted(waiting.body, self.destination)
            except NoPlaceError as error:
                self._fit = number, str(error)
            except ValueError as error:
                log.debug("a body cannot be sent on", extra={"why": reason_of(error)})
                self._fit = number, UNFIT
        return self._fit[1]

    def _headers(self, body: SentBody) -> Mapping[str, str]:
        """Those of one request. Raises DestinationError."""
        marks = [mark for mark in body.hops.split() if mark.isascii() and mark.isalnum()]
        hops = " ".join([*marks[-MOST_HOPS + 1:], self._mark])
        return {"User-Agent": "inferometer", **self.destination.all_headers(),
                "Content-Type": body.encoding, HOPS: hops,
                **({"Content-Encoding": body.coding} if body.coding else {})}

    def _note(self, partial: PartialSuccess) -> None:
        if partial.rejected:
            self.counts = self.counts._replace(rejected=self.counts.rejected + partial.rejected)
        if partial.message:
            self._rejections.note(ForwardError(
                f"{self.destination.place} took a body in part: {shown(partial.message)}"))

    def _current_outbox(self) -> ForwardOutbox:
        if self._outbox is not None and not self._outbox.is_current():
            self._close()
        if self._outbox is None:
            self._outbox = self._open_outbox()
        return self._outbox

    def _fail(self, error: Exception) -> None:
        self._failed += 1
        self.counts = self.counts._replace(failures=self.counts.failures + 1)
        if not isinstance(error, ForwardError | DestinationError):
            self._close()  # the ledger may be what failed
        after = getattr(error, "retry_after", None)
        least = min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failed - 1, 16), MOST_RETRY_SECONDS)
        pause = least * (1 + self._jitter())
        self._retry_at = self._monotonic() + (pause if after is None else max(
            after * (1 + abs(self._jitter()) / 5), pause if not after else 0.0))

    def _pause(self) -> float:
        """Seconds until the next turn."""
        return max(self._retry_at - self._monotonic(), 0.0) if self._failed else IDLE_SECONDS

    def _close(self) -> None:
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        self._sender.close()
