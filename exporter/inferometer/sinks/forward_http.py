"""Posts bodies over HTTP to one destination, on one connection that is kept.

No redirect is followed: what is sent is for nobody else.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from inferometer.outside import shown
from inferometer.reasons import reason_of
from inferometer.sinks.destinations import Destination, DestinationError
from inferometer.sinks.own_doors import IsOwn

MOST_ANSWER = 65536  # bytes of an answer that are read
LONGEST_REASON = 200  # characters of one that are shown
MOST_RETRY_SECONDS = 3600.0  # of a Retry-After


class DestinationAnswer(NamedTuple):
    """What a destination answered."""

    status: int
    content_type: str = ""
    content: bytes = b""
    retry_after: float | None = None  # seconds

    @property
    def words(self) -> str:
        """Its status, and its reason where that is text, for people."""
        text = self.content[:4096].decode("utf-8", "replace") if (
            "protobuf" not in self.content_type and "html" not in self.content_type) else ""
        reason = shown(text, LONGEST_REASON)
        return f"HTTP status {self.status}{f': {reason}' if reason.strip() else ''}"


class Poster:
    """The connection. `is_own` tells addresses that are this gateway's."""

    def __init__(self, destination: Destination, is_own: IsOwn) -> None:
        self._destination, self._is_own = destination, is_own
        self._connections: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def post(self, signal: str, headers: Mapping[str, str], body: bytes) -> DestinationAnswer:
        """Send one. Raises DestinationError where there is no answer, or none in full."""
        parts = urlsplit(self._destination.urls[signal])
        place = parts.scheme, parts.netloc
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = self._connection(*place)
            connection.sock.sendall(_head(path, parts.netloc, headers, len(body)) + body)
            with http.client.HTTPResponse(connection.sock, method="POST") as response:
                response.begin()
                content = response.read(MOST_ANSWER)
                answer = DestinationAnswer(
                    response.status, response.headers.get("content-type", "").lower(), content,
                    retry_seconds(response.headers.get("retry-after", "")))
                if response.will_close or not response.isclosed():  # or it goes on and on
                    self._drop(place)
            return answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop(place)
            raise DestinationError(_why(error)) from error
        except BaseException:
            self._drop(place)
            raise

    def close(self) -> None:
        """End the connections."""
        for place in [*self._connections]:
            self._drop(place)

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        """One that is open. Raises OSError, DestinationError."""
        connection = self._connections.get((scheme, netloc))
        if connection is not None and connection.sock is not None:
            if not select.select([connection.sock], [], [], 0)[0]:
                return connection
            self._drop((scheme, netloc))  # its peer has closed it
        connection = self._made(scheme, netloc)
        self._connections[scheme, netloc] = connection
        connection.connect()
        address, port = connection.sock.getpeername()[:2]
        if self._is_own(address, port):
            raise DestinationError("it is this gateway itself: give another URL")
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _made(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        timeout = self._destination.timeout
        if scheme == "https":
            return http.client.HTTPSConnection(
                netloc, timeout=timeout, context=self._destination.context())
        return http.client.HTTPConnection(netloc, timeout=timeout)

    def _drop(self, place: tuple[str, str]) -> None:
        connection = self._connections.pop(place, None)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


def _head(path: str, netloc: str, headers: Mapping[str, str], size: int) -> bytes:
    """Of a request; it leaves with its body at once, as two packets would cost twice as much."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {netloc}", "Accept-Encoding: identity",
             *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {size}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def retry_seconds(header: str) -> float | None:
    """What a Retry-After says, in seconds or as a date (RFC 9110, 10.2.3); None for nothing."""
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header), MOST_RETRY_SECONDS)
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), MOST_RETRY_SECONDS)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError | OSError):
        return reason_of(error)
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, http.client.HTTPException):
        return "what it answers is no HTTP"
    return reason_of(error)
