"""Servers that write bytes as they are, and answers that no server should give."""

from __future__ import annotations

import contextlib
import gzip
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator

from inferometer.engines.fetch import Access, fetch
from inferometer.engines.page import PageError

Script = Callable[[socket.socket], object]  # what is done with a connection before it is closed

BODY = b"# TYPE x counter\nx 1\ny 2\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUSES = (b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 503 Busy",
            b"HTTP/1.1 307 Away", b"HTTP/1.1 101 Up", b"HTTP/9 200", b"ICY 200 OK", b"",
            b"HTTP/1.1 \xb2\xb3\xb9 OK", b"HTTP/1.1 99999 OK", b"HTTP/1.1 200\x00OK")
LENGTHS = (b"%d" % len(BODY), "²³".encode("latin-1"), "²³".encode(), b"9" * 5000, b"-1", b"+5", b"",
           b"1_0", b"0x19", b"25, 25", b"25, 26", b" 25 ", b"99999999999999999", b"1e1")
CODINGS = (b"chunked", b"identity", b"gzip, chunked", b"chunked, chunked", b"Chunked", b"x" * 999)
PACKINGS = (b"gzip", b"deflate", b"br", b"identity", b"gzip, gzip", b"")
LINES = (b"X: y", b"no colon", b" folded", b"\tfolded", b": nameless", b"X y: z", b"X: \x00",
         b"X: \r y", b"X\x00: y", b"X:" + b" " * 5000 + b"\x01", b"Location: /metrics",
         b"Location: http://[::1", b"Location: \xff", b"Content-Type: text/html")
SIZES = (b"%x" % len(BODY), b"0", b"-1", b"zz", b"f" * 40, b"5 ;a=b", b"5;" + b"x" * 500, b"", b"1",
         "²".encode(), b"0x5", b"+5", b"5" * 15)


@contextlib.contextmanager
def serving_raw(script: Script) -> Iterator[str]:
    """The URL of a server that does this with each connection, one at a time."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        def serve() -> None:
            with contextlib.suppress(OSError):  # the listener was closed
                while True:
                    sock = listener.accept()[0]
                    with sock, contextlib.suppress(OSError):
                        sock.settimeout(5)
                        sock.recv(65536)
                        script(sock)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def fetched_or_refused(url: str, seconds: float) -> bytes | str:
    """The body, or why there is none; AssertionError where it takes longer than it may."""
    began = time.monotonic()
    try:
        return fetch(url, Access(max_bytes=2**20), seconds)
    except PageError as error:
        return str(error)
    finally:
        assert time.monotonic() - began < seconds + 0.5


def strange_answer(dice: random.Random) -> bytes:
    """An answer that is wrong in a few places, or in none."""
    lines = [dice.choice(STATUSES) if dice.random() < 0.3 else STATUSES[0]]
    lines += [b"Content-Length: " + dice.choice(LENGTHS) for _ in range(dice.choice((0, 0, 1, 2)))]
    lines += dice.choices(LINES, k=dice.choice((0, 0, 0, 1, 3)))
    body = BODY * dice.choice((0, 1, 1, 1, 50))
    if dice.random() < 0.3:
        lines.append(b"Content-Encoding: " + dice.choice(PACKINGS))
        body = dice.choice((gzip.compress, zlib.compress, bytes))(body)
    if dice.random() < 0.4:
        lines.append(b"Transfer-Encoding: " + dice.choice((b"chunked", *CODINGS)))
        body = b"".join(chunks(body, dice))
    ends = dice.choice((b"\r\n", b"\r\n", b"\n", b"\r"))
    raw = CONTINUE * dice.choice((0, 0, 0, 1, 4, 9)) + ends.join([*lines, b"", b""]) + body
    return spoilt(raw, dice) if dice.random() < 0.3 else raw


def chunks(body: bytes, dice: random.Random) -> Iterator[bytes]:
    """The body in chunks, whose sizes may be none."""
    while body:
        piece, body = body[: dice.choice((1, 7, 999))], body[999:]
        size = dice.choice(SIZES) if dice.random() < 0.1 else b"%x" % len(piece)
        yield size + b"\r\n" + piece + dice.choice((b"\r\n",) * 9 + (b"", b"x\r\n"))
    yield dice.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"", b"0"))


def spoilt(raw: bytes, dice: random.Random) -> bytes:
    """The bytes with some of them changed, cut off, doubled or torn out."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        position = dice.randrange(len(data) + 1)
        edit = dice.randrange(4)
        if edit == 0:
            data[position : position + 1] = bytes([dice.randrange(256)])
        elif edit == 1:
            del data[position:]
        elif edit == 2:
            data[position:position] = data[: dice.randrange(200)]
        else:
            del data[position : position + dice.randrange(9)]
    return bytes(data)
