"""Fetch a document within bounds of time and size. Raises PageError and nothing else."""

from __future__ import annotations

import json
import socket
import ssl
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from inferometer.engines.answer import Answer, AnswerError, Incoming
from inferometer.engines.page import PageError
from inferometer.engines.resolver import Address, Resolver
from inferometer.outside import shown
from inferometer.reasons import is_ours, reason_of

# No OpenMetrics and no name escaping: engines then print the names their tables hold.
ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
RECEIVED_AT_ONCE = 65536  # bytes
REDIRECTS = (301, 302, 303, 307, 308)
LONGEST_LOCATION = 2048  # characters of a redirect's URL
REFUSAL_BYTES = 4096  # of a refusal that are read for its reason
REFUSAL_SECONDS = 0.5  # for which its end is waited for
LONGEST_REASON = 120  # characters of it that are passed on
LARGEST_DROP = 512  # bytes that come at once, of which
MOST_DROPS = 64  # are taken one by one; then they are gathered, lest each costs a turn
GATHERING_SECONDS = 0.002

RESOLVER = Resolver()  # shared by all: a name is asked for once at a time

Take = Callable[[bytes], object]


@dataclass(frozen=True)
class Access:
    """How to reach an endpoint: who asks, TLS, names; and the bound to keep.

    Who asks has a bearer token, or a file with it, or a login.
    """

    token: str = ""
    token_file: str = ""
    login: str = ""  # user:password of HTTP Basic
    tls: ssl.SSLContext | None = None
    max_bytes: int = 16 * 2**20
    resolver: Resolver = RESOLVER


def fetch(url: str, access: Access, seconds: float) -> bytes:
    """The body of one GET, without a last line that may be cut off; see `fetch_into`."""
    body = bytearray()
    if fetch_into(url, access, seconds, body.extend):
        del body[body.rfind(b"\n") + 1 :]
    return bytes(body)


def fetch_into(url: str, access: Access, seconds: float, take: Take) -> bool:
    """Hand on the body of one GET piece by piece; return whether its last line may be cut off.

    The body is at most `access.max_bytes` long, packed and unpacked, and has come within `seconds`.
    One redirect is followed, if it stays with the scheme, host and port. Raises PageError, with a
    cause where there was no answer, or none in full; and what `take` raises.
    """
    deadline = time.monotonic() + seconds
    try:
        return _get(url, access, seconds, deadline, take)
    except _Redirect as redirect:
        location = _beside(url, str(redirect))
    try:
        return _get(location, access, seconds, deadline, take)
    except _Redirect as redirect:
        raise PageError(f"redirected to {shown(location, LONGEST_REASON)} and on to "
                        f"{shown(str(redirect), LONGEST_REASON)}") from None


class _Redirect(Exception):
    """The answer is elsewhere: at the Location that is the message."""


def _get(url: str, access: Access, seconds: float, deadline: float, take: Take) -> bool:
    try:
        parts = urlsplit(url)
        request = _request(parts, access)
        sock = _connect(parts, access, deadline)
    except (OSError, ValueError) as error:
        raise PageError(_reason(error)) from error
    try:
        sock.settimeout(_left(deadline))
        sock.sendall(request)
        receiver = _Receiver(sock, deadline)
        answer = Answer(Incoming(receiver.receive))
        if answer.status in REDIRECTS and answer.headers.get("location"):
            raise _Redirect(answer.headers["location"])
        if answer.status != 200:
            raise PageError(f"HTTP status {answer.status}{_reason_given(receiver, answer)}")
        if "html" in answer.headers.get("content-type", "").lower():
            raise PageError("HTML instead of metrics")
        for piece in answer.body(access.max_bytes):
            take(piece)
        return answer.may_be_cut
    except TimeoutError as error:
        raise PageError(f"no full answer within {seconds:.3g} s") from error
    except AnswerError as error:
        raise PageError(str(error)) from error
    except EOFError as error:
        raise PageError("the body ended early") from error
    except (OSError, zlib.error) as error:
        raise PageError(_reason(error)) from error
    finally:
        sock.close()


class _Receiver:
    """What a peer sends, bounded by one deadline however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._drops = 0

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this for what is still to come."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def receive(self) -> bytes:
        """What has come, none at the end; where it comes drop by drop, of some time."""
        if self._drops > MOST_DROPS:
            time.sleep(min(GATHERING_SECONDS, _left(self._deadline)))
        self._sock.settimeout(_left(self._deadline))
        received = self._sock.recv(RECEIVED_AT_ONCE)
        self._drops += len(received) < LARGEST_DROP
        return received


def _beside(url: str, location: str) -> str:
    """A redirect's URL, where it stays with scheme, host and port. Raises PageError elsewhere."""
    try:
        if len(location) <= LONGEST_LOCATION:
            joined = urljoin(url, location)
            if _origin(joined) == _origin(url) and _is_plain(joined):
                return joined
    except ValueError:
        pass  # no URL at all
    raise PageError(f"redirected to {shown(location, LONGEST_REASON)}")


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _usual_port(parts.scheme)


def _usual_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _is_plain(text: str) -> bool:
    """Whether nothing in it ends a word or a line of a request."""
    return text.isascii() and text.isprintable() and " " not in text


def _reason_given(receiver: _Receiver, answer: Answer) -> str:
    """Why a request was refused, in the server's own words, if it gave a reason in a few."""
    if "html" in answer.headers.get("content-type", "").lower():
        return ""
    receiver.hurry(REFUSAL_SECONDS)
    try:
        text = b"".join(answer.body(REFUSAL_BYTES)).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error, AnswerError):
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
    if not _is_plain(path + parts.netloc):
        raise ValueError("no URL of plain characters")
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", f"Accept: {ACCEPT}",
             "Accept-Encoding: identity", "Connection: close"]
    token = access.token or _token(access.token_file)
    if token:
        if not (token.isascii() and token.isprintable()):
            raise PageError("the bearer token is no header's value")
        lines.append(f"Authorization: Bearer {token}")
    if access.login:
        lines.append(f"Authorization: Basic {b64encode(access.login.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _token(file: str) -> str:
    """The token as the file holds it now: tokens are rotated."""
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(f"the bearer token file cannot be read: {reason_of(error)}") from error


def _connect(parts: SplitResult, access: Access, deadline: float) -> socket.socket:
    """A connection to one of the host's addresses. Raises OSError, ValueError."""
    host = parts.hostname or ""
    addresses = access.resolver.addresses(host, deadline)
    sock = _reach(addresses, parts.port or _usual_port(parts.scheme), deadline)
    if parts.scheme != "https":
        return sock
    try:
        sock.settimeout(_left(deadline))
        context = access.tls or ssl.create_default_context()
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _reach(addresses: Sequence[Address], port: int, deadline: float) -> socket.socket:
    """Try the addresses in turn, each with its share of the time that is left."""
    failure: OSError = OSError("the name has no address")
    for number, (family, (place, _, *scope)) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(deadline) / (len(addresses) - number))
            sock.connect((place, port, *scope))
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> str:
    """Why there is no connection, or no answer in full."""
    if isinstance(error, TimeoutError) and not is_ours(error):
        return "no connection in time"
    if isinstance(error, UnicodeError):
        return "the name of the host is none"
    if not isinstance(error, OSError | zlib.error):
        return "this is no URL that can be asked"
    return reason_of(error)
