"""Fetch a document within bounds of time and size. Raises PageError and nothing else."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from inferometer.engines.page import PageError
from inferometer.outside import masked, shown

# No OpenMetrics and no name escaping: engines then print the names their tables hold.
ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
RECEIVED_AT_ONCE = 65536  # bytes
LONGEST_HEAD_LINE = 65536  # bytes
MOST_HEADERS = 100
REDIRECTS = (301, 302, 303, 307, 308)
REFUSAL_BYTES = 4096  # of a refusal that are read for its reason
REFUSAL_SECONDS = 0.5  # for which its end is waited for
LONGEST_REASON = 120  # characters of it that are passed on
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})(?: |$)")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;|$)")


@dataclass(frozen=True)
class Access:
    """How to reach an endpoint: bearer token or its file, TLS context, and the bound to keep."""

    token: str = ""
    token_file: str = ""
    tls: ssl.SSLContext | None = None
    max_bytes: int = 16 * 2**20


def fetch(url: str, access: Access, seconds: float) -> bytes:
    """The body of one GET, at most `access.max_bytes` long and within `seconds` in all.

    One redirect is followed, if it stays with the scheme, host and port. A compressed body is
    bounded by its unpacked size. Raises PageError, with a cause where there was no answer, or none
    in full.
    """
    deadline = time.monotonic() + seconds
    try:
        return _get(url, access, seconds, deadline)
    except _Redirect as redirect:
        location = _beside(url, str(redirect))
    try:
        return _get(location, access, seconds, deadline)
    except _Redirect as redirect:
        raise PageError(f"redirected to {shown(masked(location), LONGEST_REASON)} and on to "
                        f"{shown(masked(str(redirect)), LONGEST_REASON)}") from None


class _Redirect(Exception):
    """The answer is elsewhere: at the Location that is the message."""


def _get(url: str, access: Access, seconds: float, deadline: float) -> bytes:
    parts = urlsplit(url)
    request = _request(parts, access)
    sock = _connect(parts.scheme, parts.hostname or "", parts.port, access, deadline)
    try:
        sock.settimeout(_left(deadline))
        sock.sendall(request)
        stream = _Stream(sock, deadline)
        status, headers = _head(stream)
        if status in REDIRECTS and headers.get("location"):
            raise _Redirect(headers["location"])
        if status != 200:
            raise PageError(f"HTTP status {status}{_reason_given(stream, headers)}")
        if "html" in headers.get("content-type", "").lower():
            raise PageError("HTML instead of metrics")
        return _body(stream, headers, access.max_bytes)
    except TimeoutError as error:
        raise PageError(f"no full answer within {seconds:.3g} s") from error
    except (_AnswerError, EOFError) as error:
        raise PageError(str(error) or "the body ended early") from error
    except (OSError, zlib.error) as error:
        raise PageError(_reason(error)) from error
    finally:
        sock.close()


class _AnswerError(Exception):
    """The bytes that came are no HTTP answer; the message says why in a few words."""


class _Stream:
    """What a peer sends, bounded by one deadline however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._received = b""

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this for what is still to come."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def some(self, most: int) -> bytes:
        """At most so many bytes, none at the end."""
        if not self._received:
            self._receive()
        taken, self._received = self._received[:most], self._received[most:]
        return taken

    def line(self) -> bytes:
        """Up to the next line end, without it. Raises EOFError, _AnswerError."""
        while b"\n" not in self._received:
            if len(self._received) > LONGEST_HEAD_LINE:
                raise _AnswerError("a line without end")
            if not self._receive():
                raise EOFError
        line, _, self._received = self._received.partition(b"\n")
        return line.rstrip(b"\r")

    def exactly(self, size: int) -> Iterator[bytes]:
        """So many bytes, piece by piece. Raises EOFError."""
        while size:
            piece = self.some(size)
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All there is to come, piece by piece."""
        while piece := self.some(RECEIVED_AT_ONCE):
            yield piece

    def chunks(self) -> Iterator[bytes]:
        """The pieces of a chunked body; what follows the last one is left. Raises EOFError."""
        while size := _chunk_size(self.line()):
            yield from self.exactly(size)
            self.line()

    def _receive(self) -> bytes:
        self._sock.settimeout(_left(self._deadline))
        received = self._sock.recv(RECEIVED_AT_ONCE)
        self._received += received
        return received


def _beside(url: str, location: str) -> str:
    """A redirect's URL, where it stays with scheme, host and port. Raises PageError elsewhere."""
    try:
        joined = urljoin(url, location)
        if _origin(joined) == _origin(url):
            return joined
    except ValueError:
        pass  # no URL at all
    raise PageError(f"redirected to {shown(masked(location), LONGEST_REASON)}")


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _reason_given(stream: _Stream, headers: Mapping[str, str]) -> str:
    """Why a request was refused, in the server's own words, if it gave a reason in a few."""
    if "html" in headers.get("content-type", "").lower():
        return ""
    stream.hurry(REFUSAL_SECONDS)
    try:
        text = _body(stream, headers, REFUSAL_BYTES).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error, _AnswerError, PageError):
        return ""
    reason = _message(text)
    return f": {shown(reason, LONGEST_REASON)}" if reason.strip() else ""


def _message(text: str) -> str:
    """What a JSON error says, as OpenAI's and FastAPI's do; else the text."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for key in ("error", "message", "detail"):
        if isinstance(content, dict) and isinstance(content.get(key), str | dict):
            content = content[key]
    return content if isinstance(content, str) else text


def _request(parts: SplitResult, access: Access) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", f"Accept: {ACCEPT}",
             "Accept-Encoding: identity", "Connection: close"]
    token = access.token or _token(access.token_file)
    if token:
        if not (token.isascii() and token.isprintable()):
            raise PageError("the bearer token is no header's value")
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _head(stream: _Stream) -> tuple[int, dict[str, str]]:
    """Status and headers, by names in lower case. Raises OSError, _AnswerError."""
    try:
        while True:
            first = _STATUS.match(stream.line())
            if first is None:
                raise _AnswerError("no HTTP")
            headers = _headers(stream)
            if not first[1].startswith(b"1"):  # 1xx comes before the answer itself
                return int(first[1]), headers
    except EOFError as error:
        raise _AnswerError("closed without an answer") from error


def _headers(stream: _Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for number, line in enumerate(iter(stream.line, b"")):
        if number >= MOST_HEADERS:
            raise _AnswerError(f"more than {MOST_HEADERS} headers")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _chunk_size(line: bytes) -> int:
    size = _CHUNK_SIZE.match(line)
    if size is None:
        raise EOFError
    return int(size[1], 16)


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


def _body(stream: _Stream, headers: Mapping[str, str], most: int) -> bytes:
    """The body, unpacked. Raises EOFError, OSError, zlib.error, _AnswerError, PageError."""
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding in ("gzip", "deflate"):
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    elif encoding in ("", "identity"):
        unpack = None
    else:
        raise PageError(f"content encoding {encoding[:20]!r}")
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    length = headers.get("content-length", "")
    framed = chunked or length.isdigit()
    body, size = bytearray(), 0
    for piece in (stream.chunks() if chunked else stream.exactly(int(length)) if framed
                  else stream.rest()):
        size += len(piece)  # zlib would keep what follows a packed body's end, too
        body += piece if unpack is None else unpack.decompress(piece, most + 1 - len(body))
        if max(size, len(body)) > most:
            raise PageError(f"the page is larger than {most} bytes")
    if unpack is not None and not unpack.eof:
        raise EOFError
    if not framed and unpack is None:  # it ends with the connection: its last line may be cut off
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
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}"[:200]
