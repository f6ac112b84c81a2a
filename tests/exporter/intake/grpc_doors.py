"""The gRPC door without what stands behind it, and two clients: grpcio, and frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from inferometer.intake.access import Admission, Tokens
from inferometer.intake.application import Door, Sent, Taken
from inferometer.intake.body import BodyMemory, Portion, Sizes, unpack
from inferometer.intake.grpc_call import SIGNALS
from inferometer.intake.grpc_listener import GrpcListener
from inferometer.intake.listener import ConnectionBounds
from inferometer.intake.tally import IntakeTally
from inferometer.serve.listening import listening_socket
from inferometer.serve.web_config import WebConfig

PATHS = {signal: path for path, signal in SIGNALS.items()}
Headers = Sequence[tuple[str, str]]


@dataclass
class OpenedGrpc:
    """A door that is open."""

    port: int
    server: GrpcListener
    memory: BodyMemory
    tally: IntakeTally
    bodies: list[bytes] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def has(self, count: int) -> bool:
        """Whether so many bytes of bodies are in memory."""
        return self.memory.bytes == count

    def results(self) -> Mapping[str, float]:
        """How bodies of all signals were answered, where any was so."""
        counts: dict[str, float] = {}
        for family in self.tally.families():
            if family.metric.name == "inferometer_intake_bodies_total":
                for (_, result), value in family.items():
                    assert isinstance(value, int | float)
                    counts[result] = counts.get(result, 0) + value
        return {result: count for result, count in counts.items() if count}


@contextlib.contextmanager
def opened_grpc(bounds: ConnectionBounds | None = None, sizes: Sizes | None = None, *,
                web: WebConfig | None = None, tokens: tuple[str, ...] = (),
                accept: Callable[[Sent], Taken] = lambda _: Taken()) -> Iterator[OpenedGrpc]:
    """A door in a thread of its own, which ends."""
    sizes = sizes or Sizes()
    memory, tally = BodyMemory(sizes.held_bytes), IntakeTally()
    access = Admission(web, Tokens(tokens))

    async def keep(sent: Sent) -> Taken:
        taken = accept(sent)
        with Portion(memory) as load:
            door.bodies.append(unpack(sent.pieces, sent.coding, sizes.body_bytes, load))
        door.sent.append(sent)
        return taken

    async def guess(header: str) -> bool:
        return await asyncio.to_thread(access.guess, header)

    listener = listening_socket("127.0.0.1", 0)
    server = GrpcListener(
        listener, Door(lambda: access, dict, guess, keep, lambda: sizes, memory, tally),
        lambda: web.http2_context() if web is not None and web.tls else None, bounds)
    door = OpenedGrpc(listener.getsockname()[1], server, memory, tally)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        yield door
    finally:
        server.stop()
        thread.join(20)
        listener.close()
    assert not thread.is_alive()


@dataclass
class Answer:
    """What a call came to."""

    code: int
    details: str = ""
    message: bytes = b""
    metadata: Mapping[str, str | bytes] = field(default_factory=dict)


@contextlib.contextmanager
def channel(port: int, credentials: grpc.ChannelCredentials | None = None
            ) -> Iterator[grpc.Channel]:
    """One of grpcio, that shares its connection with no other."""
    address, options = f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]
    with (grpc.secure_channel(address, credentials, options) if credentials is not None
          else grpc.insecure_channel(address, options)) as made:
        yield made


def called(made: grpc.Channel, message: bytes, signal: str = "traces", *, headers: Headers = (),
           compression: grpc.Compression = grpc.Compression.NoCompression,
           path: str = "", seconds: float = 20.0) -> Answer:
    """Call it with a message of bytes."""
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = made.unary_unary(path or PATHS[signal])
    try:
        answer, call = method.with_call(message, timeout=seconds, metadata=tuple(headers),
                                        compression=compression)
    except grpc.RpcError as error:
        return Answer(error.code().value[0], error.details() or "",
                      metadata=_metadata(error))
    return Answer(0, "", answer, _metadata(call))


def _metadata(call: grpc.Call | grpc.RpcError) -> Mapping[str, str | bytes]:
    pairs = cast("Sequence[tuple[str, str | bytes]]", call.trailing_metadata() or ())
    return dict(pairs)


class Http2Client:
    """A connection of HTTP/2, on which nothing is sent that is not asked for."""

    def __init__(self, port: int, seconds: float = 10.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), seconds)
        self.http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http2.config.validate_outbound_headers = False
        self.answers: dict[int, Answer] = {}
        self.finished: set[int] = set()
        self.gone = False
        self.http2.initiate_connection()
        self.flush()

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.http2.data_to_send())

    def begin(self, *extra: tuple[str, str], path: str = PATHS["traces"],
              kind: str = "application/grpc") -> int:
        """Send a call's headers; its stream."""
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
            ("te", "trailers"), ("content-type", kind), *extra])
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> Http2Client:
        """Send as much as there is room for, and wait for more room where there is none."""
        while data and stream not in self.finished:
            room = min(self.http2.local_flow_control_window(stream), 16384)
            if room:
                self.http2.send_data(stream, data[:room])
                data = data[room:]
                self.flush()
            elif not self.receive():
                return self
        if end and stream not in self.finished:
            self.http2.end_stream(stream)
            self.flush()
        return self

    def receive(self) -> bool:
        """Take what comes next; whether the connection is still there."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.gone = True
            return False
        for event in self.http2.receive_data(data):
            self._handle(event)
        with contextlib.suppress(OSError):
            self.flush()
        return True

    def receive_within(self, seconds: float) -> None:
        """Take what comes in so much time."""
        if select.select([self.sock], [], [], seconds)[0]:
            self.receive()

    def answer(self, stream: int) -> Answer:
        """How the call was answered. ConnectionError if it was not."""
        while stream not in self.finished:
            if not self.receive():
                raise ConnectionError("no answer")
        return self.answers.get(stream, Answer(-1))

    def ended(self, seconds: float = 10.0) -> bool:
        """Whether the connection is closed within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.gone and (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            self.gone = not data
        return self.gone

    def _handle(self, event: object) -> None:
        if isinstance(event, ResponseReceived | TrailersReceived):
            headers = {str(name): str(value) for name, value in event.headers or ()}
            answer = self.answers.setdefault(event.stream_id, Answer(-1))
            answer.metadata = {**answer.metadata, **headers}
            answer.code = int(headers.get("grpc-status", answer.code))
            answer.details = headers.get("grpc-message", "")
        elif isinstance(event, DataReceived):
            self.answers[event.stream_id].message += event.data or b""
        elif isinstance(event, StreamEnded | StreamReset):
            self.finished.add(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.gone = True


def message(body: bytes, *, packed: bool = False, length: int | None = None) -> bytes:
    """A body as it stands on the wire."""
    size = len(body) if length is None else length
    return struct.pack("!BI", packed, size) + body
