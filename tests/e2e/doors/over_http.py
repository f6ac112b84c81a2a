"""Talks over HTTP: requests as they should be, in any framing, and then something that is none."""

from __future__ import annotations

import contextlib
import functools
import gzip
import random
import select
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.e2e.doors.account import Account, new_body
from tests.exporter.intake.doors import Client

HEAD = (b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n", b"Content-Type: application/x-protobuf\r\n")
CHUNKED, GZIP, END = b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"\r\n"
BODY_BYTES = 4 * 2**20  # that the gateway takes
SECONDS = 60.0  # for an answer, on a machine that has much else to do
GLANCE_SECONDS = 0.02  # for an answer that may come or not
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Manner:
    """How a request that should be taken is written."""

    chunks: tuple[int, ...] = ()  # their sizes, over and over; none: with a length
    extension: bytes = b""  # behind each size
    trailer: bool = False
    members: int = 0  # of gzip
    extra: tuple[bytes, ...] = ()  # header lines

    def write(self, body: bytes) -> bytes:
        """The request."""
        lines = [*HEAD, *self.extra]
        if self.members:
            size = len(body) // self.members + 1
            body = b"".join(gzip.compress(body[i:i + size], 1)
                            for i in range(0, len(body), size))
            lines.append(GZIP)
        if not self.chunks:
            return b"".join((*lines, _length(len(body)), END, body))
        framed, sizes = b"", [*self.chunks]
        while body:
            size = sizes[0]
            sizes = [*sizes[1:], size]
            piece, body = body[:size], body[size:]
            framed += b"%x%s\r\n%s\r\n" % (len(piece), self.extension, piece)
        return b"".join((*lines, CHUNKED, END, framed, b"0\r\n",
                         b"After: all\r\n" * self.trailer, END))


def _length(count: int) -> bytes:
    return b"Content-Length: %d\r\n" % count


def _with(*lines: bytes, body: bytes = b"", first: bytes = HEAD[0]) -> bytes:
    return b"".join((first, HEAD[1], *lines, END, body))


@functools.cache
def bomb() -> bytes:
    """A small body of gzip that is far too large when it is unpacked."""
    return gzip.compress(bytes(2 * BODY_BYTES), 9)


def mangled(head: bytes, place: int) -> bytes:
    """A head with some bytes of it gone, doubled or another."""
    dice, changed = random.Random(place), bytearray(head)
    for _ in range(dice.randint(1, 4)):
        first = dice.randrange(len(changed))
        piece = changed[first:first + dice.randint(1, 8)]
        changed[first:first + len(piece)] = dice.choice(
            (b"", piece * 2, dice.randbytes(len(piece))))
    return bytes(changed)


Writing = Callable[[bytes, int], bytes]  # of a body and any number
# What is to be refused, or cut off, as soon as it is there. No body in it may count.
BROKEN: Mapping[str, Writing] = {
    "length is no number": lambda body, n: _with(b"Content-Length: %dx\r\n" % n, body=body),
    "length below zero": lambda body, n: _with(b"Content-Length: -%d\r\n" % n, body=body),
    "two lengths": lambda body, n: _with(_length(len(body)), _length(n), body=body),
    "length too small": lambda body, n: _with(_length(1 + n % (len(body) - 1)), body=body),
    "length far too large": lambda body, n: _with(_length(BODY_BYTES + 1 + n), body=body),
    "length and chunks": lambda body, n: _with(
        _length(len(body)), CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
    "chunks within a coding": lambda body, n: _with(
        b"Transfer-Encoding: gzip, chunked\r\n", body=body),
    "size of a chunk is no number": lambda body, n: _with(
        CHUNKED, body=b"%xg\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
    "size of a chunk overflows": lambda body, n: _with(
        CHUNKED, body=b"f" * (17 + n % 64) + END + body),
    "chunk is longer than its size": lambda body, n: _with(
        CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (1 + n % (len(body) - 1), body)),
    "endless extension": lambda body, n: _with(
        CHUNKED, body=b"1;" + b"x" * (2**17 + n) + b"\r\n" + body),
    "no gzip": lambda body, n: _with(_length(len(body)), GZIP, body=body),
    "gzip is cut": lambda body, n: _with(
        GZIP, _length(len(packed := gzip.compress(body)[:-1 - n % 20])), body=packed),
    "gzip has a wrong sum": lambda body, n: _with(
        GZIP, _length(len(packed := gzip.compress(body)[:-8] + bytes(8))), body=packed),
    "gzip has too many members": lambda body, n: _with(
        GZIP, _length(len(packed := gzip.compress(body) + gzip.compress(b"") * 200)), body=packed),
    "gzip bomb": lambda body, n: _with(
        GZIP, _length(len(packed := gzip.compress(body) + bomb())), body=packed),
    "unknown coding": lambda body, n: _with(
        b"Content-Encoding: br\r\n", _length(len(body)), body=body),
    "unknown type": lambda body, n: b"".join((
        HEAD[0], b"Content-Type: text/plain\r\n", _length(len(body)), END, body)),
    "another path": lambda body, n: _with(
        _length(len(body)), body=body, first=b"POST /v1/traces/%d HTTP/1.1\r\n" % n),
    "another method": lambda body, n: _with(
        _length(len(body)), body=body, first=b"PUT /v1/traces HTTP/1.1\r\n"),
    "another protocol": lambda body, n: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + body,
    "handshake": lambda body, n: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + body,
    "endless head": lambda body, n: _with(b"X: " + b"y" * (2**15 + n) + END, body=body),
    "line without a colon": lambda body, n: _with(b"y" * (1 + n % 99) + END, body=body),
}
# What has more to come, for which the client does not wait.
WAITING: Mapping[str, Writing] = {
    "half a head": lambda body, n: _with(_length(len(body)))[:1 + n % 90],
    "half a body": lambda body, n: _with(_length(len(body)), body=body[:n % len(body)]),
    "length too large": lambda body, n: _with(_length(len(body) + 1 + n), body=body),
    "no last chunk": lambda body, n: _with(CHUNKED, body=b"%x\r\n%s\r\n" % (len(body), body)),
    "half a chunk": lambda body, n: _with(
        CHUNKED, body=b"%x\r\n%s" % (len(body), body[:n % len(body)])),
}
# What may be taken or not: a head with mistakes, and an answer that nobody waits for.
OPEN: Mapping[str, Writing] = {
    "head with mistakes": lambda body, n: mangled(_with(_length(len(body))), n) + body,
    "hangs up": lambda body, n: Manner().write(body),
}
KINDS = {**BROKEN, **WAITING, **OPEN}


@dataclass(frozen=True)
class HttpTalk:
    """What is said on one connection."""

    manners: tuple[Manner, ...]  # of requests that should be taken
    end: str  # of KINDS, or nothing
    number: int  # for what that leaves open
    pipelined: bool  # all of it is sent before an answer is read
    cuts: tuple[int, ...]  # bytes that are sent at a time, over and over; none: all at once
    reset: bool  # the connection is not closed but broken


_LINES = st.builds(lambda name, value: b"X-%s:%s\r\n" % (name.encode(), value.encode()),
                   st.text("abcXYZ019-_", min_size=1, max_size=20),
                   st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
_MANNERS = st.builds(
    Manner, st.lists(st.integers(1, 3000), max_size=4).map(tuple),
    st.sampled_from((b"", b";a=b", b';name="value"')), st.booleans(), st.integers(0, 4),
    st.lists(_LINES, max_size=5).map(tuple))
TALKS = st.builds(
    HttpTalk, st.lists(_MANNERS, max_size=3).map(tuple), st.sampled_from(("", *KINDS)),
    st.integers(0, 9999), st.booleans(), st.lists(st.integers(1, 4000), max_size=3).map(tuple),
    st.booleans())


def have(port: int, talk: HttpTalk, account: Account) -> None:
    """Have a talk, and then be served. Raises AssertionError where the door answers otherwise."""
    chance = random.Random()  # so that no two bodies have one id, also where a talk is had again
    bodies = [new_body(chance) for _ in talk.manners]
    requests = [manner.write(body[1]) for manner, body in zip(talk.manners, bodies, strict=True)]
    last = new_body(chance)
    end = KINDS[talk.end](last[1], talk.number) if talk.end else b""
    with Client(port, SECONDS) as client:
        if talk.pipelined:
            _send(client, b"".join((*requests, end)), talk.cuts)
        for request, body in zip(requests, bodies, strict=True):
            if not talk.pipelined:
                _send(client, request, talk.cuts)
            status = _status(client)
            # What follows it at once may cost its answer.
            assert status == 200 or (talk.pipelined and end and status != 503), status
            account.note(body, True if status == 200 else None)
        if end:
            if not talk.pipelined:
                _send(client, end, talk.cuts)
            account.note(last, None if talk.end in OPEN else False)
            if talk.end in BROKEN:
                assert _status(client) != 200, talk.end
            elif select.select([client.sock], [], [], GLANCE_SECONDS)[0]:
                _status(client)
        if talk.reset:
            with contextlib.suppress(OSError):
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    be_served(port, chance, account)


def be_served(port: int, chance: random.Random, account: Account) -> None:
    """Send what should be taken."""
    body = new_body(chance)
    with Client(port, SECONDS) as client:
        assert client.send(Manner().write(body[1])).reply().status == 200
    account.note(body, True)


def _send(client: Client, request: bytes, cuts: Sequence[int]) -> None:
    """As much of it as the door reads."""
    with contextlib.suppress(ConnectionError):
        if not cuts:
            client.send(request)
            return
        sizes = [*cuts]
        for _ in range(50):  # the rest at once: long ones are no slower for it
            size = sizes[0]
            sizes = [*sizes[1:], size]
            client.send(request[:size])
            request = request[size:]
        client.send(request)


def _status(client: Client) -> int:
    """Of the next answer, 0 where the connection ends. Raises TimeoutError where none comes."""
    try:
        return client.reply().status
    except ConnectionError:
        return 0
