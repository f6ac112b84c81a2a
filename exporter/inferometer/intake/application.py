"""OTLP over HTTP as an ASGI application: who may send, what is taken, and how it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

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

ENCODINGS = {"application/x-protobuf": PROTOBUF, "application/json": JSON}  # by content type
CODINGS = ("gzip", "")  # of the body, that Content-Encoding may name
LINGER_SECONDS = 1.0  # for a client that goes on sending what is refused
NOSNIFF = {"X-Content-Type-Options": "nosniff"}

log = logging.getLogger(__name__)
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Sent:
    """A body that came in, before it is unpacked."""

    signal: str  # traces, logs or metrics
    encoding: str
    coding: str
    pieces: list[bytes]
    arrived: int  # Unix nanoseconds of our clock
    load: Portion


@dataclass(frozen=True)
class Taken:
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


def application(door: Door) -> Starlette:
    """The application that answers for the door."""
    return Starlette(routes=[
        Route(f"/v1/{signal}", SignalPath(signal, door), methods=["POST"]) for signal in REJECTED])


class SignalPath:
    """One signal's path."""

    def __init__(self, signal: str, door: Door) -> None:
        self._signal = signal
        self._door = door

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive,
                       send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}
        encoding = ENCODINGS.get(headers.get("content-type", "").partition(";")[0].strip().lower(),
                                 "")
        request = _Upload(headers, encoding, receive, scope["state"].get("peer"))
        try:
            answer = await self._take(request)
        except LostError:
            self._door.tally.body(self._signal, "lost")
            return
        except BodyRefusedError as error:
            answer = refused(error.status, str(error), encoding)
        except Exception as error:  # a fault of ours: the sender gets an answer, and we the place
            log.error("a body could not be taken", exc_info=error,
                      extra={"signal": self._signal, "why": reason_of(error)})
            answer = refused(HTTPStatus.INTERNAL_SERVER_ERROR, "it could not be taken", encoding)
        self._door.tally.body(self._signal, _RESULTS.get(answer.status, "failed"))
        await _respond(answer, self._door.headers(), request, send)

    async def _take(self, request: _Upload) -> Reply:
        """Raises BodyRefusedError and LostError."""
        door = self._door
        await self._let_in(request)
        if not request.encoding:
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                               f"send Content-Type: {' or '.join(ENCODINGS)}")
        coding = request.headers.get("content-encoding", "").strip().lower()
        coding = "" if coding == "identity" else coding
        if coding not in CODINGS:
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                               "send Content-Encoding: gzip, or none")
        with Portion(door.memory) as load:
            pieces = await read(request.receive, request.declared, door.sizes(), load)
            request.complete = True
            door.tally.bytes(self._signal, sum(map(len, pieces)))
            sent = Sent(self._signal, request.encoding, coding, pieces, time.time_ns(), load)
            result = await door.accept(sent)
        return taken(self._signal, request.encoding, result.rejected, result.why)

    async def _let_in(self, request: _Upload) -> None:
        access = self._door.access()
        access.check(request.peer)
        header = request.headers.get("authorization", "")
        decided = access.decision(header)
        if decided is None:
            decided = await self._door.guess(header)
        if not decided:
            raise BodyRefusedError(HTTPStatus.UNAUTHORIZED, "unauthorized")


_RESULTS: Mapping[HTTPStatus, str] = {
    HTTPStatus.OK: "taken",
    HTTPStatus.SERVICE_UNAVAILABLE: "put_off",
    HTTPStatus.INTERNAL_SERVER_ERROR: "failed",
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "unauthorized",
}


@dataclass
class _Upload:
    headers: Mapping[str, str]
    encoding: str
    receive: Receive
    peer: Any
    complete: bool = False  # its body has been read to the end

    @property
    def declared(self) -> int | None:
        length = self.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None


async def _respond(answer: Reply, headers: Mapping[str, str], request: _Upload,
                   send: Send) -> None:
    """Send the answer. A client that is still sending may go on for a while: one that is cut off
    may never see why.
    """
    all_headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)),
                   **NOSNIFF, **headers, **answer.headers}
    if not request.complete:
        all_headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": int(answer.status),
                "headers": [(name.lower().encode("latin-1"), value.encode("latin-1"))
                            for name, value in all_headers.items()]})
    if not request.complete:
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await _pass_over(request)
    await send({"type": "http.response.body",
                "body": answer.body if request.complete else b"", "more_body": False})


async def _pass_over(request: _Upload) -> None:
    """Read what still comes, and keep nothing of it."""
    if request.headers.get("expect"):
        return  # it sends nothing unless it is told to
    while True:
        event = await request.receive()
        if event["type"] == "http.disconnect" or not event.get("more_body", False):
            return
