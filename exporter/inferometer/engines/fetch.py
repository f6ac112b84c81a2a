"""Fetch a document within bounds of time and size. Nothing worse than PageError leaves."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inferometer.engines.page import PageError

# No OpenMetrics and no name escaping: engines then print the names their tables hold.
ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"


@dataclass(frozen=True)
class Access:
    """How to reach an endpoint: bearer token or its file, TLS context, and the bound to keep."""

    token: str = ""
    token_file: str = ""
    tls: ssl.SSLContext | None = None
    max_bytes: int = 16 * 2**20


def fetch(url: str, access: Access, seconds: float) -> bytes:
    """The body of one GET, at most `access.max_bytes` long and within `seconds` in all.

    Redirects are not followed, and a compressed body is bounded by its unpacked size. Raises
    PageError.
    """
    deadline = time.monotonic() + seconds
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept": ACCEPT, "Accept-Encoding": "identity", "Connection": "close"}
    token = access.token or _token(access.token_file)
    if token:
        if not (token.isascii() and token.isprintable()):  # http.client would say it aloud
            raise PageError("the bearer token is no header's value")
        headers["Authorization"] = f"Bearer {token}"
    sock = _connect(parts.scheme, parts.hostname or "", parts.port, access, deadline)
    # Without a port it would look for one in an IPv6 address.
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
    connection.sock = _TimedSocket(sock, deadline)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise PageError(f"HTTP status {response.status}")
        if "html" in response.headers.get("Content-Type", "").lower():
            raise PageError("HTML instead of metrics")
        return _body(response, access.max_bytes)
    except TimeoutError as error:
        raise PageError(f"no full answer within {seconds:.3g} s") from error
    except http.client.IncompleteRead as error:
        raise PageError("the body ended early") from error
    except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
        raise PageError(_reason(error)) from error
    finally:
        sock.close()


class _TimedSocket:
    """A socket whose every wait ends at one deadline, however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """Nothing: http.client closes early, while the body is still to be read."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)  # type: ignore[arg-type]


def _token(file: str) -> str:
    """The token as the file holds it now: tokens are rotated."""
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise PageError("the bearer token file cannot be read") from error


def _connect(scheme: str, host: str, port: int | None, access: Access,
             deadline: float) -> socket.socket:
    address = (host, port or (443 if scheme == "https" else 80))
    try:
        sock = socket.create_connection(address, timeout=_left(deadline))
        if scheme == "https":
            sock.settimeout(_left(deadline))
            context = access.tls or ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError) as error:
        raise PageError(_reason(error)) from error
    return sock


def _body(response: http.client.HTTPResponse, most: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("gzip", "deflate"):
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    elif encoding in ("", "identity"):
        unpack = None
    else:
        raise PageError(f"content encoding {encoding[:20]!r}")
    framed = response.chunked or response.length is not None
    body, size = bytearray(), 0
    while chunk := response.read1(65536):
        size += len(chunk)  # what follows a packed body's end would be kept as well
        body += chunk if unpack is None else unpack.decompress(chunk, most + 1 - len(body))
        if max(size, len(body)) > most:
            raise PageError(f"the page is larger than {most} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    if unpack is not None and not unpack.eof:
        raise PageError("the body ended early")
    if not framed and unpack is None:  # closed to end it: a last line without end may be cut off
        del body[body.rfind(b"\n") + 1 :]
    return bytes(body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if type(error) in (http.client.BadStatusLine, http.client.UnknownProtocol):
        return "no HTTP"  # what it is instead may differ each time
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}"[:200]
