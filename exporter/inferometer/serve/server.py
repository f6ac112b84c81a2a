"""HTTP: routes and formats, and nothing else."""

from __future__ import annotations

import gzip
import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from inferometer.collector import Deadline
from inferometer.exposition import content_type
from inferometer.home import page as home
from inferometer.serve.connections import Connection, Connections, Lane, Limits
from inferometer.serve.request import LARGEST_BODY, RefusalError, Request
from inferometer.serve.web_config import WebConfig

DEFAULT_TIMEOUT = 10.0  # of a scrape that does not say, seconds
LONGEST_TIMEOUT = 120.0
TIMEOUT_MARGIN = 0.5  # for the way back, as blackbox_exporter keeps it
SCRAPES = 8  # at once; one that waits for its turn does so on its own time
ALERTS = "/v1/alerts"
HOMES = 2  # pages for a person at once; they take no scrape's turn
BACKLOG = 512
SEND_BUFFER = 2**17  # bytes of an answer in the kernel, which takes it twice: for each connection
GZIP_FROM = 1024  # bytes; smaller pages are not worth it
PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Site:
    """What the server serves: the page, its parts' names, readiness, the page for a person, which
    may reload itself, the way to reload the configuration, and where alerts are written down."""

    page: Callable[[Deadline, Sequence[str] | None, str], bytes]
    collectors: Callable[[], Sequence[str]]
    ready: Callable[[], bool]
    home: Callable[[bool], bytes]
    # None where not switched on; else they say what went wrong.
    reload: Callable[[], str] | None = None
    log_alerts: Callable[[bytes], str] | None = None


@dataclass(frozen=True)
class Response:
    """One response."""

    status: HTTPStatus
    body: bytes
    kind: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)


class Server:
    """The listening socket and what is answered on it. TLS and its users may be changed."""

    def __init__(self, host: str, port: int, site: Site, web: WebConfig | None = None,
                 limits: Limits | None = None) -> None:
        self.site = site
        self.web = web
        listener = _listen(host, port)
        self.server_address = listener.getsockname()
        self.server_port: int = self.server_address[1]
        scrapes = Lane(SCRAPES)
        self._lanes = {"/": Lane(HOMES), "/metrics": scrapes, "/-/reload": scrapes,
                       ALERTS: Lane(1)}
        self._guesses = Lane(1)  # of passwords: bcrypt is slow, and meant to be
        self._connections = Connections(listener, self, limits or Limits())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def serve_forever(self) -> None:
        """Serve until `shutdown`."""
        self._connections.serve()

    def shutdown(self) -> None:
        """Serve no more."""
        self._connections.stop()

    def context(self) -> ssl.SSLContext | None:
        """For a new connection; None for one without TLS."""
        return self.web.fresh_context() if self.web is not None and self.web.tls else None

    def lane(self, request: Request) -> Lane | None:
        """Where a request waits its turn that may take long."""
        if self.web is not None and not self.web.remembers(request.headers.get("authorization")):
            return self._guesses
        return self._lanes.get(path_of(request.target) or "")

    def wants_body(self, request: Request) -> bool:
        """Whether a request's body is kept until it is answered."""
        return self.site.log_alerts is not None and path_of(request.target) == ALERTS

    def answer(self, request: Request, connection: Connection) -> bytes:
        """The whole response."""
        headers = dict(self.web.headers) if self.web is not None else {}
        answer = self._refusal(request, connection) or self._route(request, connection, headers)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Basic"
        headers.update(answer.headers)
        return _response(answer, request, headers)

    def refuse(self, error: RefusalError) -> bytes:
        """The whole response to what is no request."""
        return _response(_text(error.status, str(error)), Request("GET", "", {}, 0, True), {})

    def _refusal(self, request: Request, connection: Connection) -> Response | None:
        web = self.web
        if web is None:
            return None
        if not web.admits():
            return _text(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        if isinstance(connection.sock, ssl.SSLSocket) and not web.allows_peer(
                connection.certificate):
            return _text(HTTPStatus.FORBIDDEN, "client certificate not allowed")
        if not web.authorized(request.headers.get("authorization")):
            return _text(HTTPStatus.UNAUTHORIZED, "unauthorized")
        return None

    def _route(self, request: Request, connection: Connection,
               headers: dict[str, str]) -> Response:
        if request.method not in METHODS:
            return _text(HTTPStatus.NOT_IMPLEMENTED, "no such method")
        path = path_of(request.target)
        if path is None:
            return _text(HTTPStatus.BAD_REQUEST, "bad request target")
        methods = _ROUTES.get(path)
        optional = {"/-/reload": self.site.reload, ALERTS: self.site.log_alerts}
        if methods is None or optional.get(path, True) is None:
            return _text(HTTPStatus.NOT_FOUND, "not found")
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
            headers["Allow"] = ", ".join(allowed)
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, f"use {' or '.join(allowed)}")
        return route(self, request, connection)

    def metrics(self, request: Request, connection: Connection) -> Response:
        """The page, within the scrape's own deadline."""
        chosen, wrong = self._chosen(request.target)
        if wrong:
            return _text(HTTPStatus.BAD_REQUEST, wrong)
        kind = _content_type(request.headers.get("accept", ""))
        seconds = timeout_of(request.headers.get("x-prometheus-scrape-timeout-seconds"))
        deadline = Deadline(seconds - (time.monotonic() - connection.read_at))
        if not deadline.left():  # it has waited for its turn too long: nobody listens any more
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "too many scrapes")
        return Response(HTTPStatus.OK, self.site.page(deadline, chosen, kind), kind)

    def _chosen(self, target: str) -> tuple[Sequence[str] | None, str]:
        """Collectors asked for by `collect[]` or left out by `exclude[]`, or what is wrong."""
        if "?" not in target:
            return None, ""
        query = parse_qs(urlsplit(target).query, keep_blank_values=True)
        known = self.site.collectors()
        collect, exclude = query.get("collect[]", []), query.get("exclude[]", [])
        if collect and exclude:
            return None, "collect[] and exclude[] cannot be used together"
        for name in (*collect, *exclude):
            if name not in known:
                return None, f"unknown collector {name[:50]!r}; there are {', '.join(known)}"
        if exclude:
            return [name for name in known if name not in exclude], ""
        return collect or None, ""

    def ready(self, request: Request, connection: Connection) -> Response:
        """Whether the first look for GPUs and engines has ended."""
        if self.site.ready():
            return _text(HTTPStatus.OK, "ready")
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready")

    def reload(self, request: Request, connection: Connection) -> Response:
        """Read the configuration again."""
        wrong = self.site.reload() if self.site.reload else "switched off"
        if wrong:
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, f"the old configuration stays: {wrong}")
        return _text(HTTPStatus.OK, "reloaded")

    def alerts(self, request: Request, connection: Connection) -> Response:
        """Write down what Alertmanager notifies of."""
        if request.unread:
            return _text(request.unread, f"send up to {LARGEST_BODY} bytes, with their length")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            # So that no page in a browser may send it without asking first.
            return _text(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {JSON}")
        log = self.site.log_alerts
        wrong = log(bytes(connection.body)) if log else "switched off"
        return _text(HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK, wrong or "logged")

    def healthy(self, request: Request, connection: Connection) -> Response:
        """That the process serves."""
        return _text(HTTPStatus.OK, "healthy")

    def home(self, request: Request, connection: Connection) -> Response:
        """The page for a person."""
        query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
        return Response(HTTPStatus.OK, self.site.home("refresh" in query), home.KIND, home.HEADERS)


_ROUTES: Mapping[str, Mapping[str, Callable[[Server, Request, Connection], Response]]] = {
    "/": {"GET": Server.home},
    "/metrics": {"GET": Server.metrics},
    "/-/healthy": {"GET": Server.healthy},
    "/-/ready": {"GET": Server.ready},
    "/-/reload": {"POST": Server.reload, "PUT": Server.reload},
    ALERTS: {"POST": Server.alerts},
}


def path_of(target: str) -> str | None:
    """The path of a request's target, None if it has none."""
    if target.startswith("/"):
        return "/" + target.partition("?")[0].lstrip("/")
    try:
        return urlsplit(target).path
    except ValueError:
        return None


@lru_cache(maxsize=64)
def timeout_of(header: str | None) -> float:
    """Seconds to answer in, by Prometheus' scrape-timeout header, less the way back."""
    try:
        seconds = float(header) if header is not None else DEFAULT_TIMEOUT
    except ValueError:
        seconds = DEFAULT_TIMEOUT
    if not (math.isfinite(seconds) and seconds > 0):
        seconds = DEFAULT_TIMEOUT
    seconds = min(seconds, LONGEST_TIMEOUT)
    return seconds - min(TIMEOUT_MARGIN, 0.2 * seconds)


@lru_cache(maxsize=64)
def takes_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header lets us compress."""
    takes: dict[str, bool] = {}
    for part in (header or "").lower().replace(" ", "").split(","):
        coding, _, quality = part.partition(";")
        takes[coding] = not re.fullmatch(r"q=0(\.0*)?", quality)
    return takes.get("gzip", takes.get("*", False))


_content_type = lru_cache(maxsize=64)(content_type)  # who scrapes asks for the same each time


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; on no host, of both IP versions. Raises OSError."""
    ip6 = ":" in host or (not host and socket.has_dualstack_ipv6())
    listener = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET)
    try:
        if ip6 and not host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit these.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _response(answer: Response, request: Request, headers: Mapping[str, str]) -> bytes:
    """Status, headers and body in one piece: one write, one packet where it is small."""
    body = answer.body
    lines = [_first_line(answer.status), f"Date: {_date(int(time.time()))}",
             f"Content-Type: {answer.kind}"]
    if len(body) >= GZIP_FROM and takes_gzip(request.headers.get("accept-encoding")):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        lines.append("Content-Encoding: gzip")
    lines.append(f"Content-Length: {len(body)}")
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    if request.last:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if request.method == "HEAD" else head + body


@lru_cache(maxsize=16)
def _first_line(status: HTTPStatus) -> str:
    return f"HTTP/1.1 {status.value} {status.phrase}"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _text(status: HTTPStatus, text: str) -> Response:
    return Response(status, f"{text}\n".encode())
