"""One call of OTLP/gRPC: its headers, and its message as it comes in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from inferometer.intake.answer import PROTOBUF
from inferometer.intake.application import CODINGS, Sent
from inferometer.intake.body import BodyRefusedError, Portion, TooLargeError
from inferometer.intake.grpc_answer import PREFIX
from inferometer.request_ids import RequestId

_SERVICES = "/opentelemetry.proto.collector."
SIGNALS: Mapping[str, str] = {  # by path
    f"{_SERVICES}trace.v1.TraceService/Export": "traces",
    f"{_SERVICES}logs.v1.LogsService/Export": "logs",
    f"{_SERVICES}metrics.v1.MetricsService/Export": "metrics",
}


@dataclass
class GrpcCall:
    """A call while its message is read, and until it is answered."""

    stream: int
    signal: str
    most: int  # bytes of the message
    resources: contextlib.ExitStack  # its load is one
    load: Portion
    began: float  # by the event loop's clock
    last: float  # when something of it came
    id: RequestId
    coding: str = ""  # of a compressed message
    timer: asyncio.TimerHandle | None = None  # until the client is overdue
    guess: asyncio.Task[None] | None = None  # of its password
    unacknowledged: int = 0  # bytes that came before it was let in
    over: bool = False  # it was answered, or its client is gone
    complete: bool = False
    _prefix: bytearray = field(default_factory=bytearray)
    _pieces: list[bytes] = field(default_factory=list)
    _missing: int = 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes. Raises BodyRefusedError for more than may be."""
        room = PREFIX - len(self._prefix)
        if room:
            self._prefix += piece[:room]
            piece = piece[room:]
            if len(self._prefix) < PREFIX:
                return
            self._begin()
        if not piece:
            return
        self._missing -= len(piece)
        if self._missing < 0:
            raise BodyRefusedError(HTTPStatus.BAD_REQUEST, "a call has one message")
        self.load.take(len(piece))
        self._pieces.append(piece)

    def sent(self, arrived: int) -> Sent:
        """The whole message. Raises BodyRefusedError where it is none."""
        if self._missing or len(self._prefix) < PREFIX:
            raise BodyRefusedError(HTTPStatus.BAD_REQUEST, "the message is shorter than its length")
        coding = self.coding if self._prefix[0] else ""
        return Sent(self.signal, PROTOBUF, coding, self._pieces, arrived, self.load)

    @property
    def bytes(self) -> int:
        """Of the message, as it was sent."""
        return sum(map(len, self._pieces))

    def _begin(self) -> None:
        """The length is there. Raises BodyRefusedError for what need not be sent on."""
        self._missing = int.from_bytes(self._prefix[1:], "big")
        if self._missing > self.most:
            raise TooLargeError(self.most)
        if self._prefix[0] > 1 or (self._prefix[0] and self.coding != "gzip"):
            raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                                   "send grpc-encoding: gzip, or none")


def is_grpc(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request is one of gRPC in protobuf."""
    kind = headers.get(b"content-type", b"")
    return headers.get(b":method") == b"POST" and (
        kind == b"application/grpc" or kind.startswith((b"application/grpc+proto",
                                                        b"application/grpc;")))


def coding_of(headers: Mapping[bytes, bytes]) -> str:
    """Of a compressed message. Raises BodyRefusedError for one that nobody here reads."""
    coding = headers.get(b"grpc-encoding", b"").decode("latin-1")
    coding = "" if coding == "identity" else coding
    if coding not in CODINGS:
        raise BodyRefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                               "send grpc-encoding: gzip, or none")
    return coding
