"""The intake while it runs: the event loop in a thread, and those that read bodies for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Protocol

from inferometer.config import IntakeSection
from inferometer.facts import Fact
from inferometer.intake.access import Admission
from inferometer.intake.answer import JSON, PROTOBUF
from inferometer.intake.application import Door, Sent, Taken, application
from inferometer.intake.batch import Delivery, Wish, batch_of
from inferometer.intake.body import (
    BodyMemory,
    BodyRefusedError,
    Portion,
    Sizes,
    TooLargeError,
    unpack,
)
from inferometer.intake.child import BodyReader
from inferometer.intake.listener import ConnectionBounds, Context, OtlpListener
from inferometer.intake.tally import IntakeTally
from inferometer.intake.workers import Crossing, Worker
from inferometer.reasons import reason_of
from inferometer.spans.reader import Wishes
from inferometer.threads import Loop, Standing

# Bytes of a body, unpacked, that the event loop's own thread reads: a few milliseconds' work.
HERE_BYTES = 2**17
# The same of one that another thread reads; a larger one would hold all threads up.
NEAR_BYTES = {JSON: 2**20, PROTOBUF: 8 * 2**20}
MOST_GUESSES = 16  # of passwords, that wait to be tried
AGAIN_SECONDS = 1.0  # until the event loop is begun anew, where it broke
DROPPED = "metrics"  # the signal that is counted, and goes nowhere

log = logging.getLogger(__name__)


class Commit(Protocol):
    """Keeps facts durably."""

    def __call__(self, facts: Sequence[Fact], links: Mapping[bytes, bytes],
                 arrived: int) -> Future[None]:
        """Done once they are kept; with an exception if they cannot be now."""
        ...


class IntakeService:
    """Serves on a socket, which it owns. What may change at a reload is asked for each time."""

    def __init__(self, listener: socket.socket, commit: Commit, tally: IntakeTally,
                 memory: BodyMemory, *, context: Context, access: Callable[[], Admission],
                 headers: Callable[[], Mapping[str, str]],
                 settings: Callable[[], IntakeSection],
                 bounds: ConnectionBounds | None = None) -> None:
        self._listener = listener
        self._commit = commit
        self._tally = tally
        self._memory = memory
        self._settings = settings
        self._child = BodyReader()
        self._crossing = Crossing()
        self._near = Worker("intake-near")
        self._far = Worker("intake-far", idle=self._child.end)
        self._guesses = Worker("intake-guesses")
        self._access = access
        door = Door(access, headers, self._guess, self._accept,
                    lambda: Sizes(settings().max_body_bytes), memory, tally)
        self._make = partial(OtlpListener, listener, application(door), context, bounds)
        self._server: OtlpListener | None = None
        self._serving = Loop("intake", self._serve, lambda: AGAIN_SECONDS)
        self._stopped = False
        self._ended = threading.Event()

    def loops(self) -> Sequence[Standing]:
        """What is to go on until it is stopped."""
        return (self._serving, self._near, self._far, self._guesses)

    def start(self) -> None:
        """Begin: now, or as soon as threads can be had."""
        for worker in (self._near, self._far, self._guesses, self._serving):
            worker.start()

    def stop(self, seconds: float) -> None:
        """Answer what is being sent, for so many seconds at most, and nobody else."""
        self._stopped = True
        self._serving.stop()
        if self._server is not None:
            self._server.should_exit = True
            self._ended.wait(seconds)
        for worker in (self._near, self._far, self._guesses):
            worker.stop()
        self._listener.close()

    def _serve(self) -> None:
        if self._stopped:
            return
        self._server = self._make()
        try:
            asyncio.run(self._server.serve())
        finally:
            self._ended.set()

    async def _guess(self, header: str) -> bool:
        if self._guesses.waiting >= MOST_GUESSES:
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords at once")
        return await self._crossing.result(
            self._guesses.begin(lambda: self._access().guess(header)))

    async def _accept(self, sent: Sent) -> Taken:
        if sent.signal == DROPPED:
            return Taken()
        batch = await self._batch(sent)
        self._tally.entries(sent.signal, batch.entries, batch.rejected)
        try:
            await self._crossing.result(
                self._commit(batch.facts, batch.links, sent.arrived))
        except Exception as error:  # whatever keeps it from being kept, it may be sent again
            log.error("a body could not be kept", extra={"why": reason_of(error)})
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                               "it cannot be kept now; send it again") from error
        return _taken(batch)

    async def _batch(self, sent: Sent) -> Delivery:
        """What is in the body; read here, or in the child where it is large."""
        settings = self._settings()
        most = settings.max_body_bytes
        wish = Wish(sent.signal, sent.encoding, sent.coding, most,
                    Wishes(request_id_attributes=settings.request_id_attributes))
        with contextlib.suppress(TooLargeError):
            return self._read_near(sent, wish, min(most, HERE_BYTES))
        near = min(most, NEAR_BYTES[sent.encoding])
        try:
            return await self._crossing.result(
                self._near.begin(lambda: self._read_near(sent, wish, near)))
        except TooLargeError:
            if near == most:
                raise
        return await self._crossing.result(
            self._far.begin(lambda: self._read_far(sent, wish)))

    def _read_near(self, sent: Sent, wish: Wish, most: int) -> Delivery:
        with Portion(self._memory) as load:
            return batch_of(wish, unpack(sent.pieces, sent.coding, most, load))

    def _read_far(self, sent: Sent, wish: Wish) -> Delivery:
        with Portion(self._memory) as load:
            try:
                return self._child.batch(wish, sent.pieces, sent.load, load)
            except OSError as error:
                raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "no process can be had to read it; send it again") from error


def _taken(batch: Delivery) -> Taken:
    if not batch.rejected:
        return Taken()
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(batch.rejected.items()))
    return Taken(sum(batch.rejected.values()), f"not taken: {reasons}")
