"""One request over HTTP, with its reply within a time that is for all of it.

No redirect is followed: what is sent is for nobody else. A reply that comes drop by drop has no
more time than one that does not come.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

MOST_REPLY = 1_048_576  # bytes of a reply


class HttpReply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]  # by their names in small letters
    content: bytes  # cut at a byte more than MOST_REPLY


def post(url: str, headers: Mapping[str, str], body: bytes, deadline: float, ca_file: str = ""
         ) -> HttpReply:
    """Send it on a connection of its own; `deadline`: of time.monotonic().

    Raises OSError (TimeoutError for the deadline), HTTPException, ValueError.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    left = _left(deadline)
    connection = http.client.HTTPSConnection(
        parts.netloc.rpartition("@")[2], timeout=left,
        context=ssl.create_default_context(cafile=ca_file or None),
    ) if parts.scheme == "https" else http.client.HTTPConnection(
        parts.netloc.rpartition("@")[2], timeout=left)
    with contextlib.closing(connection):
        connection.connect()
        connection.sock.settimeout(_left(deadline))
        connection.request("POST", path, body, {**headers, "Accept-Encoding": "identity"})
        source = cast(socket.socket, _ReplySource(connection.sock, deadline))
        with http.client.HTTPResponse(source, method="POST") as response:
            response.begin()
            content = response.read(MOST_REPLY + 1)
            if len(content) <= MOST_REPLY and response.length:  # read() takes any end for the end
                raise http.client.IncompleteRead(content, response.length)
            return HttpReply(response.status,
                             {name.lower(): value for name, value in response.getheaders()},
                             content)


class _ReplySource:
    """The side of a socket that HTTPResponse asks for."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """What reads from it."""
        return io.BufferedReader(_ReplyBytes(self._sock, self._deadline))


class _ReplyBytes(io.RawIOBase):
    """What comes from a socket until the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a Buffer, as such
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    """Seconds. Raises TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
