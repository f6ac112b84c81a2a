"""The intake while it runs: the event loop in a thread, and those that read bodies for it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import product
from typing import NamedTuple, Protocol

from inferometer.config import ContentSection, IntakeSection
from inferometer.evaluations import OF_SOURCES
from inferometer.facts import Fact
from inferometer.intake.accepting import Context
from inferometer.intake.access import Admission
from inferometer.intake.answer import JSON, PROTOBUF
from inferometer.intake.application import CODINGS, Application, Door, Sent, Taken
from inferometer.intake.batch import Delivery, Wish, batch_of, checked, is_to_check
from inferometer.intake.body import (
    BodyMemory,
    BodyRefusedError,
    Portion,
    Sizes,
    TooLargeError,
    unpack,
)
from inferometer.intake.child import BodyReader
from inferometer.intake.grpc_listener import GrpcListener
from inferometer.intake.listener import ConnectionBounds, OtlpListener
from inferometer.intake.tally import IntakeTally
from inferometer.intake.workers import Crossing, Deed, Worker
from inferometer.points import MetricPoint
from inferometer.quality.refusals import PHRASES, plain
from inferometer.quality.stored import StoreTerms
from inferometer.sinks.outbox import LoopedError, SentBody
from inferometer.spans.reader import Wishes
from inferometer.threads import Failures, Loop, Standing

# Bytes of a body, unpacked, that the event loop's own thread reads: a few milliseconds' work.
HERE_BYTES = 2**17
# The same of one that another thread reads; a larger one would hold all threads up.
NEAR_BYTES = {JSON: 2**20, PROTOBUF: 8 * 2**20}
MOST_GUESSES = 16  # of passwords, that wait to be tried
AGAIN_SECONDS = 1.0  # until the event loop is begun anew, where it broke
_NOTHING_REJECTED = Taken()
_SIGNALS = ("traces", "logs", "metrics")


class Commit(Protocol):
    """Keeps facts and data points durably."""

    def __call__(self, facts: Sequence[Fact], links: Mapping[bytes, bytes], arrived: int,
                 body: SentBody | None = None, points: Sequence[MetricPoint] = ()) -> Deed[None]:
        """Done once they are kept; with an exception if they cannot be now.

        `body`: what they came in, where it is to be forwarded. Raises LoopedError.
        """
        ...


class _BodyTerms(NamedTuple):
    """How bodies are read by a section of the configuration."""

    section: IntakeSection
    content: ContentSection
    sizes: Sizes
    wishes: Mapping[tuple[str, str, str], Wish]  # by signal, encoding and coding

    @classmethod
    def of(cls, section: IntakeSection, content: ContentSection) -> _BodyTerms:
        most, wishes = section.max_body_bytes, Wishes(
            content=content.store, answers=content.checks,
            sources=content.checks and not OF_SOURCES.isdisjoint(content.evaluations),
            request_id_attributes=section.request_id_attributes)
        phrases = tuple(map(plain, content.refusal_phrases)) or PHRASES
        store = StoreTerms(content.max_bytes, content.redact) if content.store else None
        return cls(section, content, Sizes(most), {
            kind: Wish(*kind, most, wishes, phrases, content.evaluations, store)
            for kind in product(_SIGNALS, NEAR_BYTES, CODINGS)})


class Opening(NamedTuple):
    """A socket that listens, and the TLS of its connections."""

    listener: socket.socket
    context: Context


class IntakeService:
    """Serves on sockets, which it owns. What may change at a reload is asked for each time."""

    def __init__(self, http: Opening | None, grpc: Opening | None, commit: Commit,
                 tally: IntakeTally, memory: BodyMemory, *, access: Callable[[], Admission],
                 headers: Callable[[], Mapping[str, str]],
                 settings: Callable[[], IntakeSection],
                 content: Callable[[], ContentSection] = ContentSection,
                 bounds: ConnectionBounds | None = None,
                 forwarded: Collection[str] = ()) -> None:
        self._commit = commit
        self._forwarded = forwarded  # signals
        self._tally = tally
        self._memory = memory
        self._settings, self._content = settings, content
        self._child = BodyReader()
        self._crossing = Crossing()
        self._near = Worker("intake-near")
        self._far = Worker("intake-far", idle=self._child.end)
        self._guesses = Worker("intake-guesses")
        self._answers = Worker("intake-answers")
        self._workers = self._near, self._far, self._guesses, self._answers
        self._access = access
        self._failures = Failures("intake")
        self._terms_now = _BodyTerms.of(settings(), content())
        door = Door(access, headers, self._guess, self._accept, lambda: self._terms().sizes,
                    memory, tally)
        self._makers: list[Callable[[], OtlpListener | GrpcListener]] = []
        if http is not None:
            self._makers.append(
                partial(OtlpListener, http.listener, Application(door), http.context, bounds))
        if grpc is not None:
            self._makers.append(partial(GrpcListener, grpc.listener, door, grpc.context, bounds))
        self._listeners = [opening.listener for opening in (http, grpc) if opening is not None]
        self._servers: list[OtlpListener | GrpcListener] = []
        self._serving = Loop("intake", self._serve, lambda: AGAIN_SECONDS)
        self._stopped = False
        self._ended = threading.Event()
        self._events: asyncio.AbstractEventLoop | None = None  # while it serves

    def loops(self) -> Sequence[Standing]:
        """What is to go on until it is stopped."""
        return (self._serving, *self._workers)

    def start(self) -> None:
        """Begin: now, or as soon as threads can be had."""
        for worker in (*self._workers, self._serving):
            worker.start()

    def stop(self, seconds: float) -> None:
        """Answer what is being sent, for so many seconds at most, and nobody else."""
        self._stopped = True
        self._serving.stop()
        if self._servers:
            for server in self._servers:
                server.stop()
            self._ended.wait(seconds)
        for worker in self._workers:
            worker.stop()
        for listener in self._listeners:
            listener.close()

    def hand_in(self, body: bytes, seconds: float) -> int:
        """Have a body of traces in protobuf kept, that comes through no listener: its status.

        Raises TimeoutError, and OSError while nothing serves.
        """
        if self._events is None:
            raise ConnectionRefusedError("the intake does not serve")
        kept = asyncio.run_coroutine_threadsafe(self._hand_in(body), self._events)
        try:
            return kept.result(seconds)
        finally:
            kept.cancel()

    async def _hand_in(self, body: bytes) -> int:
        try:
            with Portion(self._memory) as load:
                load.take(len(body))
                await self._accept(Sent("traces", PROTOBUF, "", [body], time.time_ns(), load))
        except BodyRefusedError as error:
            return int(error.status)
        return int(HTTPStatus.OK)

    def _serve(self) -> None:
        if self._stopped:
            return
        self._servers = [make() for make in self._makers]
        try:
            asyncio.run(self._serve_all())
        finally:
            self._ended.set()

    async def _serve_all(self) -> None:
        self._events = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:  # where one breaks, all are begun anew
            for server in self._servers:
                tasks.create_task(server.serve())

    def _terms(self) -> _BodyTerms:
        section, content = self._settings(), self._content()
        if section is not self._terms_now.section or content != self._terms_now.content:
            self._terms_now = _BodyTerms.of(section, content)
        return self._terms_now

    async def _guess(self, header: str) -> bool:
        if self._guesses.waiting >= MOST_GUESSES:
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords at once")
        return await self._crossing.result(
            self._guesses.begin(lambda: self._access().guess(header)))

    async def _accept(self, sent: Sent) -> Taken:
        body = self._body(sent) if sent.signal in self._forwarded else None
        wish = self._terms().wishes[sent.signal, sent.encoding, sent.coding]
        batch = self._batch_here(sent, wish) or await self._batch(sent, wish)
        if is_to_check(batch):  # elsewhere: no other sender waits for it
            batch = await self._crossing.result(
                self._answers.begin(partial(checked, wish, batch)))
        self._tally.entries(sent.signal, batch.entries, batch.rejected)
        await self._keep(sent, batch, body)
        return _taken(batch) if batch.rejected else _NOTHING_REJECTED

    async def _keep(self, sent: Sent, batch: Delivery, body: SentBody | None) -> None:
        """Have it kept. Raises BodyRefusedError."""
        try:
            await self._crossing.result(
                self._commit(batch.facts, batch.links, sent.arrived, body, batch.points))
        except LoopedError as error:
            raise BodyRefusedError(HTTPStatus.LOOP_DETECTED, str(error)) from error
        except Exception as error:  # whatever keeps it from being kept, it may be sent again
            self._failures.note(error)
            raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "it cannot be kept now; send it again",
                                   getattr(error, "lag", 0.0)) from error

    def _body(self, sent: Sent) -> SentBody:
        """The body as it came, before its pieces are read and dropped."""
        if len(sent.pieces) > 1:
            sent.pieces[:] = [b"".join(sent.pieces)]
        return SentBody(sent.signal, sent.encoding, sent.coding, b"".join(sent.pieces), sent.hops)

    def _batch_here(self, sent: Sent, wish: Wish) -> Delivery | None:
        """What is in the body, if it is small enough to be read by the event loop's own thread."""
        if not sent.coding and sent.load.bytes > HERE_BYTES:
            return None
        try:
            return self._read_near(sent, wish, min(wish.body_bytes, HERE_BYTES))
        except TooLargeError:
            return None

    async def _batch(self, sent: Sent, wish: Wish) -> Delivery:
        """What is in the body; read in another thread, or in the child where it is large."""
        most = wish.body_bytes
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
        if not sent.coding:  # it is in memory once
            return batch_of(wish, unpack(sent.pieces, "", most, sent.load))
        with Portion(self._memory) as load:
            return batch_of(wish, unpack(sent.pieces, sent.coding, most, load))

    def _read_far(self, sent: Sent, wish: Wish) -> Delivery:
        with Portion(self._memory) as load:
            try:
                return self._child.batch(wish, sent.pieces, sent.load, load,
                                         keep=sent.signal in self._forwarded)
            except OSError as error:
                raise BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                   "no process can be had to read it; send it again") from error


def _taken(batch: Delivery) -> Taken:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(batch.rejected.items()))
    return Taken(sum(batch.rejected.values()), f"not taken: {reasons}")
