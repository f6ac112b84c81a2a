"""One connection of OTLP/gRPC: h2 speaks HTTP/2, and what a hostile client may cost is bounded.

gRPC's own server holds whole messages before it hands them over, of any number of connections, and
speaks TLS by itself. So frames are read here: each piece of a message is counted as it comes, and
no more comes than may be held.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from http import HTTPStatus
from typing import Any

from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded
from h2.events import StreamReset as ResetReceived

from inferometer.intake.answer import PROTOBUF, taken
from inferometer.intake.application import RESULTS
from inferometer.intake.body import BodyRefusedError, Portion
from inferometer.intake.grpc_answer import HEADERS, NO_GRPC, TAKEN, prefixed, refused
from inferometer.intake.grpc_call import SIGNALS, GrpcCall, coding_of, is_grpc
from inferometer.intake.grpc_house import House
from inferometer.intake.grpc_protocol import Http2Protocol
from inferometer.reasons import reason_of
from inferometer.request_ids import RequestId, begin

log = logging.getLogger(__name__)


class GrpcConnection(Http2Protocol):
    """One connection: its calls are read side by side, and each has a deadline."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._door = house.door
        self._calls: dict[int, GrpcCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: for a call, or for the rest of one."""
        return not any(call.complete for call in self._calls.values())

    def end_when_idle(self) -> None:
        """Close it once no call is open."""
        if not self._calls:
            self.end()

    def handle(self, event: Event) -> None:
        """Go on with the call that it is of."""
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._read(event)
        elif isinstance(event, StreamEnded):
            self._complete(event.stream_id)
        elif isinstance(event, ResetReceived):
            if call := self._calls.get(event.stream_id):
                self._lose(call)
        elif isinstance(event, ConnectionTerminated):
            self.lose_all()
            self.transport.close()

    def _begin(self, event: RequestReceived) -> None:
        """Open a call, if its client is let in."""
        stream, headers = event.stream_id, dict(event.headers)
        if not is_grpc(headers):
            self.send(stream, NO_GRPC)
            return
        signal = SIGNALS.get(headers.get(b":path", b"").decode("latin-1"))
        if signal is None:
            self.send(stream, refused(HTTPStatus.NOT_FOUND, "no such method"))
            return
        now = self.loop.time()
        try:
            self.house.begin_call()
        except BodyRefusedError as error:
            self._door.tally.body(signal, RESULTS[error.status])
            self.send(stream, refused(error.status, str(error)))
            return
        self.stop_waiting()
        resources = contextlib.ExitStack()
        call = GrpcCall(stream, signal, self._door.sizes().body_bytes, resources,
                        resources.enter_context(Portion(self._door.memory)), now, now,
                        RequestId.of_raw(headers))
        self._calls[stream] = call
        self._watch(call)
        try:
            call.coding = coding_of(headers)
            self._let_in(call, headers.get(b"authorization", b"").decode("latin-1"))
        except BodyRefusedError as error:
            self._refuse(call, error)

    def _let_in(self, call: GrpcCall, header: str) -> None:
        """Raises BodyRefusedError; where only bcrypt can tell, the call is refused later."""
        access = self._door.access()
        access.check(self.peer)
        decided = access.decision(header)
        if decided is None:
            call.guess = self._start(self._guess(call, header))
        elif not decided:
            raise BodyRefusedError(HTTPStatus.UNAUTHORIZED, "unauthorized")

    async def _guess(self, call: GrpcCall, header: str) -> None:
        """Until it has ended no more of the message may come than the window."""
        begin(call.id)
        try:
            if not await self._door.guess(header):
                raise BodyRefusedError(HTTPStatus.UNAUTHORIZED, "unauthorized")
        except BodyRefusedError as error:
            self._refuse(call, error)
            return
        call.guess = None
        if call.over:
            return
        if call.unacknowledged:
            self.http2.make_room(call.stream, call.unacknowledged)
            self.flush_soon()
        if call.complete:
            await self._take(call)

    def _read(self, event: DataReceived) -> None:
        call = self._calls.get(event.stream_id)
        count = event.flow_controlled_length or 0
        if call is None or call.over:
            self.http2.make_room(event.stream_id, count)
            return
        call.last = self.loop.time()
        try:
            call.add(event.data or b"")
        except BodyRefusedError as error:
            self.http2.make_room(call.stream, count)
            self._refuse(call, error)
            return
        if call.guess is None:
            self.http2.make_room(call.stream, count)
        else:
            call.unacknowledged += count

    def _complete(self, stream: int) -> None:
        call = self._calls.get(stream)
        if call is None or call.over:
            return
        call.complete = True
        if call.timer is not None:
            call.timer.cancel()
        if call.guess is None:
            self._start(self._take(call))

    async def _take(self, call: GrpcCall) -> None:
        """Have the message kept, and answer."""
        begin(call.id)
        try:
            sent = call.sent(time.time_ns())
            self._door.tally.bytes(call.signal, call.bytes)
            result = await self._door.accept(sent)
        except BodyRefusedError as error:
            self._refuse(call, error)
            return
        except Exception as error:  # a fault of ours: the sender gets an answer, and we the place
            log.error("a body could not be taken", exc_info=error,
                      extra={"signal": call.signal, "why": reason_of(error)})
            self._refuse(call, BodyRefusedError(HTTPStatus.INTERNAL_SERVER_ERROR,
                                                "it could not be taken"))
            return
        message = taken(call.signal, PROTOBUF, result.rejected, result.why).body
        self._answer(call, RESULTS[HTTPStatus.OK], message)

    def _answer(self, call: GrpcCall, result: str, message: bytes) -> None:
        gone = call.over
        self._close(call, result)
        if not gone:
            self.send(call.stream, (*HEADERS, *call.id.raw_headers), prefixed(message), TAKEN)

    def _refuse(self, call: GrpcCall, error: BodyRefusedError) -> None:
        gone = call.over
        self._close(call, RESULTS.get(error.status, "failed"))
        if not gone:
            self.send(call.stream, (*refused(error.status, str(error), error.lag),
                                    *call.id.raw_headers))

    def lose_all(self) -> None:
        """The client is gone."""
        for call in [*self._calls.values()]:
            self._lose(call)

    def _lose(self, call: GrpcCall) -> None:
        """Its client is gone. What is being kept is kept, and counted then."""
        if call.complete:
            call.over = True
        else:
            self._close(call, "lost")

    def _close(self, call: GrpcCall, result: str) -> None:
        """Forget the call, with what it holds."""
        if self._calls.pop(call.stream, None) is None:
            return
        call.over = True
        call.resources.close()
        if call.timer is not None:
            call.timer.cancel()
        if call.complete:
            self.frames.answered()
        self.house.end_call()
        self._door.tally.body(call.signal, result)
        if not self._calls:
            self.wait(self.house.bounds.idle_seconds)
            if self.house.stopping:
                self.loop.call_soon(self.end)

    def _watch(self, call: GrpcCall) -> None:
        """Refuse a message that does not come in time."""
        sizes = self._door.sizes()
        due = min(call.last + sizes.gap_seconds, call.began + sizes.body_seconds)
        if self.loop.time() < due:
            call.timer = self.loop.call_at(due, self._watch, call)
        else:
            self._refuse(call, BodyRefusedError(HTTPStatus.SERVICE_UNAVAILABLE,
                                                "the body did not come in time; send it again"))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
