"""OTLP over HTTP as an ASGI application: who may send, what is taken, and how it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.routing import Route

from inferometer.intake.access import Admission
from inferometer.intake.answer import (
    JSON,
    PROTOBUF,
    REJECTED,
    Reply,
    refused,
    taken,
)
from inferometer.intake.body import (
    BodyMemory,
    BodyRefusedError,
    LostError,
    Portion,
    Receive,
    Sizes,
    read,
)
from inferometer.intake.tally import IntakeTally
from inferometer.reasons import reason_of
from inferometer.request_ids import RequestId, begin
from inferometer.sinks.outbox import HOPS

ENCODINGS = {b"application/x-protobuf": PROTOBUF, b"application/json": JSON}  # by content type
CODINGS = ("gzip", "")  # of the body, that Content-Encoding may name
LINGER_SECONDS = 1.0  # for a client that goes on sending what is refused
NOSNIFF = {"X-Content-Type-Options": "nosniff"}

log = logging.getLogger(__name__)
RequestScope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_HOPS = HOPS.encode()
_CODINGS = {b"identity": "", **{coding.encode(): coding for coding in CODINGS}}
RawHeaders = list[tuple[bytes, bytes]]


class Sent(NamedTuple):
    """A body that came in, before it is unpacked."""

    signal: str  # traces, logs or metrics
    encoding: str
    coding: str
    pieces: list[bytes]
    arrived: int  # Unix nanoseconds of our clock
    load: Portion
    hops: str = ""  # marks of gateways that it has been through


class Taken(NamedTuple):
    """What became of a body that is kept."""

    rejected: int = 0  # spans or records in it that are not
    why: str = ""


class Accept(Protocol):
    """Keeps what is in a body, durably."""

    async def __call__(self, sent: Sent) -> Taken:
        """Raises BodyRefusedError."""
        ...


class Guess(Protocol):
    """Tries a password."""

    async def __call__(self, header: str) -> bool:
        """Whether it lets in. Raises BodyRefusedError where too many are tried."""
        ...


@dataclass(frozen=True)
class Door:
    """What the application needs of the part that serves it; `access` may change."""

    access: Callable[[], Admission]
    headers: Callable[[], Mapping[str, str]]
    guess: Guess
    accept: Accept
    sizes: Callable[[], Sizes]
    memory: BodyMemory
    tally: IntakeTally


class Application:
    """Answers for the door: nearly all is posted to a signal's path, Starlette has the rest."""

    def __init__(self, door: Door) -> None:
        self._paths = {f"/v1/{signal}": SignalPath(signal, door) for signal in REJECTED}
        self._routes = Starlette(routes=[
            Route(path, endpoint, methods=["POST"]) for path, endpoint in self._paths.items()])

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        endpoint = self._paths.get(scope["path"]) if scope["method"] == "POST" else None
        await (endpoint or self._routes)(scope, receive, send)


class SignalPath:
    """One signal's path."""

    def __init__(self, signal: str, door: Door) -> None:
        self._signal = signal
        self._door = door

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Upload(dict(scope["headers"]), scope["state"], receive)
        begin(request.id)
        try:
            answer = await self._take(request)
        except LostError:
            self._door.tally.body(self._signal, "lost")
            return
        except BodyRefusedError as error:
            answer = refused(error.status, str(error), request.encoding, error.lag)
        except Exception as error:  # a fault of ours: the sender gets an answer, and we the place
            log.error("a body could not be taken", exc_info=error,
                      extra={"signal": self._signal, "why": reason_of(error)})
            answer = refused(HTTPStatus.INTERNAL_SERVER_ERROR, "it could not be taken",
                             request.encoding)
        self._door.tally.body(self._signal, RESULTS.get(answer.status, "failed"))
        await respond(answer, {**self._door.headers(), **request.id.headers}, request, send)

    async def _take(self, request: Upload) -> Reply:
        """Raises BodyRefusedError and LostError."""
        door, signal, encoding = self._door, self._signal, request.encoding
        access = door.access()
        if not access.open:
            await self._let_in(access, request)
        if not encoding:
            raise BodyRefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"send Content-Type: {' or '.join(name.decode() for name in ENCODINGS)}")
        coding = _CODINGS.get(request.headers.get(b"content-encoding", b"").strip().lower())
        if coding is None:
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                               "send Content-Encoding: gzip, or none")
        with Portion(door.memory) as load:
            pieces = await read(request.receive, request.declared, request.arrived, door.sizes(),
                                load)
            request.complete = True
            door.tally.bytes(signal, load.bytes)
            sent = Sent(signal, encoding, coding, pieces, time.time_ns(), load,
                        request.headers.get(_HOPS, b"").decode("latin-1"))
            rejected, why = await door.accept(sent)
        return taken(signal, encoding, rejected, why)

    async def _let_in(self, access: Admission, request: Upload) -> None:
        header = request.headers.get(b"authorization", b"").decode("latin-1")
        if access.is_own(header):
            return
        access.check(request.peer)
        decided = access.decision(header)
        if decided is None:
            decided = await self._door.guess(header)
        if not decided:
            raise BodyRefusedError(HTTPStatus.UNAUTHORIZED, "unauthorized")


# How a body was answered, as the tally has it.
RESULTS: Mapping[HTTPStatus, str] = {
    HTTPStatus.OK: "taken",
    HTTPStatus.SERVICE_UNAVAILABLE: "put_off",
    HTTPStatus.INTERNAL_SERVER_ERROR: "failed",
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported",
    HTTPStatus.LOOP_DETECTED: "invalid",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "unauthorized",
}


class Upload:
    """A request and its body. `state` is what the listener says beside: the client's certificate,
    and whether all of the body has come in already.
    """

    __slots__ = ("arrived", "complete", "declared", "encoding", "headers", "id", "peer", "receive")

    def __init__(self, headers: Mapping[bytes, bytes], state: Mapping[str, Any],
                 receive: Receive) -> None:
        length = headers.get(b"content-length", b"")
        self.headers = headers
        self.id = RequestId.of_raw(headers)
        self.encoding = _encoding(headers.get(b"content-type", b""))
        self.declared = int(length) if length.isdigit() else None
        self.peer = state.get("peer")
        self.arrived = state.get("arrived", False)
        self.receive = receive
        self.complete = False  # its body has been read to the end


def _encoding(content_type: bytes) -> str:
    """What is in a body of this type; nothing for one that is not taken."""
    encoding = ENCODINGS.get(content_type)
    if encoding is None:
        encoding = ENCODINGS.get(content_type.partition(b";")[0].strip().lower(), "")
    return encoding


async def respond(answer: Reply, headers: Mapping[str, str], request: Upload,
                   send: Send) -> None:
    """Send the answer. A client that is still sending may go on for a while: one that is cut off
    may never see why.
    """
    all_headers = [(b"content-type", answer.content_type.encode()),
                   (b"content-length", b"%d" % len(answer.body)),
                   *(_raw({**NOSNIFF, **headers, **answer.headers})
                     if headers or answer.headers else _NOSNIFF)]
    if not request.complete:
        all_headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(answer.status),
                "headers": all_headers})
    if not request.complete:
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await _pass_over(request)
    await send({"type": "http.response.body",
                "body": answer.body if request.complete else b"", "more_body": False})


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers.items()]


_NOSNIFF = _raw(NOSNIFF)


async def _pass_over(request: Upload) -> None:
    """Read what still comes, and keep nothing of it."""
    if b"expect" in request.headers:
        return  # it sends nothing unless it is told to
    while True:
        event = await request.receive()
        if event["type"] == "http.disconnect" or not event.get("more_body", False):
            return
