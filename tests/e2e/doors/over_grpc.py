"""Talks over gRPC: calls as they should be, side by side, and then frames or messages that are not.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import select
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from h2.exceptions import ProtocolError
from hypothesis import strategies as st

from tests.e2e.doors.account import Account, new_body
from tests.e2e.doors.over_http import GLANCE_SECONDS, RESET, SECONDS, bomb
from tests.exporter.intake.grpc_doors import PATHS, Answer, Http2Client, message
from tests.exporter.wire import Wire

PACKED = ("grpc-encoding", "gzip")
FRAME_TYPES = 12  # those of RFC 9113 are 0 to 9
STREAMS = (0, 1, 2, 3, 5, 7, 2**31 - 1)


@dataclass(frozen=True)
class Call:
    """How a call is made: its message in such pieces, packed, padded, with more metadata."""

    pieces: tuple[int, ...] = ()
    packed: bool = False
    padding: int = 0
    metadata: tuple[tuple[str, str], ...] = ()

    def begin(self, client: Http2Client) -> int:
        """Send its headers; the stream."""
        return client.begin(*self.metadata, *([PACKED] if self.packed else ()))

    def send(self, client: Http2Client, stream: int, body: bytes) -> None:
        """Send its message, and the end."""
        data = message(gzip.compress(body, 1), packed=True) if self.packed else message(body)
        for size in self.pieces:
            piece, data = data[:size], data[size:]
            client.http2.send_data(stream, piece, pad_length=self.padding or None)
            client.flush()
        client.send(stream, data, end=True)


def _call(client: Http2Client, data: bytes, *metadata: tuple[str, str], end: bool = True,
          path: str = PATHS["traces"], kind: str = "application/grpc") -> int:
    stream = client.begin(*metadata, path=path, kind=kind)
    client.send(stream, data, end=end)
    return stream


Saying = Callable[[Http2Client, bytes, int], int]  # with a body and any number; the stream
# Calls that are to be refused. No body in them may count.
BROKEN: Mapping[str, Saying] = {
    "length too small": lambda client, body, n: _call(
        client, message(body, length=n % len(body))),
    "length too large": lambda client, body, n: _call(
        client, message(body, length=len(body) + 1 + n)),
    "length far too large": lambda client, body, n: _call(
        client, message(body, length=2**32 - 1 - n)),
    "packed in no coding": lambda client, body, n: _call(client, message(body, packed=True)),
    "flag of no meaning": lambda client, body, n: _call(
        client, bytes([2 + n % 254]) + message(body)[1:]),
    "no message": lambda client, body, n: _call(client, b""),
    "half a prefix": lambda client, body, n: _call(client, message(body)[:1 + n % 4]),
    "two messages": lambda client, body, n: _call(client, message(body) * 2),
    "half a body": lambda client, body, n: _call(
        client, message(body[:1 + n % (len(body) - 1)])),
    "no gzip": lambda client, body, n: _call(client, message(body, packed=True), PACKED),
    "gzip is cut": lambda client, body, n: _call(
        client, message(gzip.compress(body)[:-1 - n % 20], packed=True), PACKED),
    "gzip bomb": lambda client, body, n: _call(
        client, message(gzip.compress(body) + bomb(), packed=True), PACKED),
    "unknown coding": lambda client, body, n: _call(
        client, message(body, packed=True), ("grpc-encoding", "br")),
    "another method": lambda client, body, n: _call(client, message(body), path=f"/a/b{n}"),
    "another type": lambda client, body, n: _call(client, message(body), kind="text/plain"),
    "length of HTTP is wrong": lambda client, body, n: _call(
        client, message(body), ("content-length", str(n % len(body)))),
}
# Calls that their client gives up before all of them is sent.
GIVEN_UP: Mapping[str, Saying] = {
    "part of a message": lambda client, body, n: _call(
        client, message(body)[:1 + n % len(body)], end=False),
    "no end": lambda client, body, n: _call(client, message(body), end=False),
    "head alone": lambda client, body, n: _call(client, b"", end=False),
}
# Whose answer nobody waits for.
OPEN: Mapping[str, Saying] = {"hangs up": lambda client, body, n: _call(client, message(body))}
KINDS = {**BROKEN, **GIVEN_UP, **OPEN}


@dataclass(frozen=True)
class Frame:
    """A frame of any kind, whose length may not be that of its payload."""

    kind: int
    flags: int
    stream: int
    payload: bytes
    length: int | None = None

    def __bytes__(self) -> bytes:
        length = len(self.payload) if self.length is None else self.length
        return struct.pack("!I", length)[1:] + struct.pack(
            "!BBI", self.kind, self.flags, self.stream) + self.payload


@dataclass(frozen=True)
class GrpcTalk:
    """What is said on one connection."""

    calls: tuple[Call, ...]  # that should be taken
    end: str  # of KINDS, or nothing
    number: int  # for what that leaves open
    frames: tuple[Frame, ...]  # that follow, or stand in the place of all where there is no preface
    preface: bool
    reset: bool  # the connection is not closed but broken


_METADATA = st.tuples(st.text("abcxyz019-_", min_size=1, max_size=20).map(lambda name: f"x-{name}"),
                      st.text("abc XYZ019=;,", max_size=60).map(str.strip))
_CALLS = st.builds(
    Call, st.lists(st.integers(1, 1500), max_size=5).map(tuple), st.booleans(),
    st.integers(0, 255), st.lists(_METADATA, max_size=4).map(tuple))
_FRAMES = st.builds(
    Frame, st.integers(0, FRAME_TYPES), st.integers(0, 255), st.sampled_from(STREAMS),
    st.binary(max_size=64), st.none() | st.integers(0, 2**24 - 1))
TALKS = st.builds(
    GrpcTalk, st.lists(_CALLS, max_size=3).map(tuple), st.sampled_from(("", *KINDS)),
    st.integers(0, 9999), st.lists(_FRAMES, max_size=4).map(tuple),
    st.integers(0, 9).map(bool), st.booleans())


def have(port: int, talk: GrpcTalk, account: Account) -> None:
    """Have a talk, and then be served. Raises AssertionError where the door answers otherwise."""
    chance = random.Random()  # so that no two bodies have one id, also where a talk is had again
    with Http2Client(port, SECONDS) if talk.preface else Wire(port) as client:
        if isinstance(client, Http2Client):
            _calls(client, talk, chance, account)
            if talk.end:
                _end(client, talk, chance, account)
        _frames(client.sock, talk)
        if talk.reset:
            with contextlib.suppress(OSError):
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    be_served(port, chance, account)


def _calls(client: Http2Client, talk: GrpcTalk, chance: random.Random, account: Account) -> None:
    bodies = [new_body(chance) for _ in talk.calls]
    streams = [call.begin(client) for call in talk.calls]
    for call, stream, body in zip(talk.calls, streams, bodies, strict=True):
        call.send(client, stream, body[1])
    for stream, body in zip(streams, bodies, strict=True):
        answer = client.answer(stream)
        assert answer.code == 0, answer
        account.note(body, True)


def _end(client: Http2Client, talk: GrpcTalk, chance: random.Random, account: Account) -> None:
    body = new_body(chance)
    account.note(body, None if talk.end in OPEN else False)
    answer = Answer(-1)
    with contextlib.suppress(ConnectionError, ProtocolError):
        stream = KINDS[talk.end](client, body[1], talk.number)
        if talk.end in BROKEN:
            answer = client.answer(stream)
        elif talk.end in GIVEN_UP and talk.number % 2:
            client.http2.reset_stream(stream)
            client.flush()
    assert answer.code != 0, (talk.end, answer)


def _frames(sock: socket.socket, talk: GrpcTalk) -> None:
    with contextlib.suppress(ConnectionError):
        for frame in talk.frames:
            sock.sendall(bytes(frame))
        if talk.frames and select.select([sock], [], [], GLANCE_SECONDS)[0]:
            sock.recv(65536)


def be_served(port: int, chance: random.Random, account: Account) -> None:
    """Make a call that should be taken."""
    body = new_body(chance)
    with Http2Client(port, SECONDS) as client:
        answer = client.answer(_call(client, message(body[1])))
    assert answer.code == 0, answer
    account.note(body, True)
