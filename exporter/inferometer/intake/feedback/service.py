"""The feedback door while it runs: an event loop in a thread of its own, on one socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from inferometer.intake.accepting import Context
from inferometer.intake.body import BodyMemory, BodyRefusedError
from inferometer.intake.feedback.application import (
    SIZES,
    FeedbackAccess,
    FeedbackApplication,
    FeedbackDoor,
)
from inferometer.intake.feedback.tally import FeedbackTally
from inferometer.intake.listener import ConnectionBounds, OtlpListener
from inferometer.intake.workers import Crossing, Deed, Worker
from inferometer.threads import Failures, Loop, Standing
from inferometer.votes import Casting

AGAIN_SECONDS = 1.0  # until the event loop is begun anew, where it broke
MOST_GUESSES = 16  # of passwords, that wait to be tried


class CastVote(Protocol):
    """Keeps a vote durably."""

    def __call__(self, casting: Casting, arrived: int) -> Deed[None]:
        """Done once it is kept; with an exception if it cannot be now. Raises LedgerFullError."""
        ...


class FeedbackService:
    """Serves on a socket, which it owns."""

    def __init__(self, listener: socket.socket, context: Context, cast: CastVote,
                 access: Callable[[], FeedbackAccess], tally: FeedbackTally,
                 bounds: ConnectionBounds | None = None) -> None:
        self._listener, self._context, self._bounds = listener, context, bounds
        self._cast, self._access = cast, access
        self._crossing = Crossing()
        self._guesses = Worker("feedback-guesses")
        self._failures = Failures("feedback")
        self._application = FeedbackApplication(FeedbackDoor(
            access, self._guess, self._keep, BodyMemory(SIZES.held_bytes), tally))
        self._server: OtlpListener | None = None
        self._serving = Loop("feedback-door", self._serve, lambda: AGAIN_SECONDS)
        self._stopped = False
        self._ended = threading.Event()

    def loops(self) -> Sequence[Standing]:
        """What is to go on until it is stopped."""
        return (self._serving, self._guesses)

    def start(self) -> None:
        """Begin: now, or as soon as threads can be had."""
        self._guesses.start()
        self._serving.start()

    def stop(self, seconds: float) -> None:
        """Answer what is being sent, for so many seconds at most, and nobody else."""
        self._stopped = True
        self._serving.stop()
        if self._server is not None:
            self._server.stop()
            self._ended.wait(seconds)
        self._guesses.stop()
        self._listener.close()

    def _serve(self) -> None:
        if self._stopped:
            return
        self._server = OtlpListener(self._listener, self._application, self._context, self._bounds)
        try:
            asyncio.run(self._server.serve())
        finally:
            self._ended.set()

    async def _guess(self, header: str) -> bool:
        if self._guesses.waiting >= MOST_GUESSES:
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords at once")
        return await self._crossing.result(
            self._guesses.begin(lambda: self._access().admission.guess(header)))

    async def _keep(self, casting: Casting) -> None:
        """Have it kept. Raises BodyRefusedError."""
        try:
            await self._crossing.result(self._cast(casting, time.time_ns()))
        except Exception as error:  # whatever keeps it from being kept, it may be sent again
            self._failures.note(error)
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "it cannot be kept now; send it again",
                                   getattr(error, "lag", 0.0)) from error
