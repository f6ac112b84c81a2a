"""HTTP: routes, formats and connections, and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import math
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from inferometer.collector import Deadline
from inferometer.exposition import content_type
from inferometer.home import page as home
from inferometer.web_config import WebConfig

DEFAULT_TIMEOUT = 10.0  # of a scrape that does not say, seconds
LONGEST_TIMEOUT = 120.0
TIMEOUT_MARGIN = 0.5  # for the way back, as blackbox_exporter keeps it
IDLE_SECONDS = 120.0  # a connection may rest between two scrapes
HANDSHAKE_SECONDS = 10.0
GZIP_FROM = 1024  # bytes; smaller pages are not worth it
LARGEST_BODY = 65536  # bytes; no route wants one, but a small one is read to keep the connection
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Site:
    """What the server serves: the page, its parts' names, readiness, the page for a person, which
    may reload itself, and the way to reload the configuration."""

    page: Callable[[Deadline, Sequence[str] | None, str], bytes]
    collectors: Callable[[], Sequence[str]]
    ready: Callable[[], bool]
    home: Callable[[bool], bytes]
    reload: Callable[[], str] | None = None  # None where not switched on; else what went wrong


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: HTTPStatus
    body: bytes
    kind: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """The listening socket. TLS is shaken hands on in each connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, host: str, port: int, site: Site, web: WebConfig | None = None) -> None:
        self.site = site
        self.web = web
        if ":" in host or (not host and socket.has_dualstack_ipv6()):
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking DNS for our own name; on no host, both IP versions."""
        if self.address_family == socket.AF_INET6 and not self.server_address[0]:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        if self.web is not None and self.web.tls:
            request.settimeout(HANDSHAKE_SECONDS)
            with self.web.fresh_context().wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away or shook no hands is no event of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "inferometer"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True  # a body must not wait for the head to be acknowledged

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def log_message(self, *_: Any) -> None:
        """No line per request."""

    def _serve(self) -> None:
        self._pass_body()
        refusal = self._refusal()
        if refusal is not None:
            self._send(refusal)
            return
        try:
            path = urlsplit(self.path).path
        except ValueError:
            self._send(_text(HTTPStatus.BAD_REQUEST, "bad request target"))
            return
        methods = _ROUTES.get(path)
        if methods is None or (path == "/-/reload" and self.server.site.reload is None):
            self._send(_text(HTTPStatus.NOT_FOUND, "not found"))
            return
        route = methods.get("GET" if self.command == "HEAD" else self.command)
        if route is None:
            allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
            answer = _text(HTTPStatus.METHOD_NOT_ALLOWED, f"use {' or '.join(allowed)}")
            self._send(answer, {"Allow": ", ".join(allowed)})
            return
        self._send(route(self))

    def _pass_body(self) -> None:
        """Read over a body, so that the next request can follow; close after a large one."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,5}", length) or (
                int(length) > LARGEST_BODY):
            self.close_connection = True
        elif int(length):
            self.rfile.read(int(length))

    def _refusal(self) -> Answer | None:
        web = self.server.web
        if web is None:
            return None
        if not web.admits():
            return _text(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        if isinstance(self.connection, ssl.SSLSocket) and not web.allows_peer(
                self.connection.getpeercert()):
            return _text(HTTPStatus.FORBIDDEN, "client certificate not allowed")
        if not web.authorized(self.headers.get("Authorization")):
            return _text(HTTPStatus.UNAUTHORIZED, "unauthorized")
        return None

    def metrics(self) -> Answer:
        """The page, within the scrape's own deadline."""
        chosen, wrong = self._chosen()
        if wrong:
            return _text(HTTPStatus.BAD_REQUEST, wrong)
        kind = content_type(", ".join(self.headers.get_all("Accept", [])))
        seconds = timeout_of(self.headers.get("X-Prometheus-Scrape-Timeout-Seconds"))
        return Answer(HTTPStatus.OK, self.server.site.page(Deadline(seconds), chosen, kind), kind)

    def _chosen(self) -> tuple[Sequence[str] | None, str]:
        """Collectors asked for by `collect[]` or left out by `exclude[]`, or what is wrong."""
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        known = self.server.site.collectors()
        collect, exclude = query.get("collect[]", []), query.get("exclude[]", [])
        if collect and exclude:
            return None, "collect[] and exclude[] cannot be used together"
        for name in (*collect, *exclude):
            if name not in known:
                return None, f"unknown collector {name[:50]!r}; there are {', '.join(known)}"
        if exclude:
            return [name for name in known if name not in exclude], ""
        return collect or None, ""

    def ready(self) -> Answer:
        """Whether the first look for GPUs and engines has ended."""
        if self.server.site.ready():
            return _text(HTTPStatus.OK, "ready")
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready")

    def reload(self) -> Answer:
        """Read the configuration again."""
        wrong = self.server.site.reload() if self.server.site.reload else "switched off"
        if wrong:
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, f"the old configuration stays: {wrong}")
        return _text(HTTPStatus.OK, "reloaded")

    def healthy(self) -> Answer:
        """That the process serves."""
        return _text(HTTPStatus.OK, "healthy")

    def home(self) -> Answer:
        """The page for a person."""
        query = parse_qs(self.path.partition("?")[2], keep_blank_values=True)
        return Answer(HTTPStatus.OK, self.server.site.home("refresh" in query), home.KIND,
                      home.HEADERS)

    def _send(self, answer: Answer, headers: Mapping[str, str] | None = None) -> None:
        body = answer.body
        with contextlib.suppress(OSError):  # the client may be gone
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            if len(body) >= GZIP_FROM and takes_gzip(self.headers.get("Accept-Encoding")):
                body = gzip.compress(body, compresslevel=1, mtime=0)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            if answer.status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Basic")
            for name, value in {**(self.server.web.headers if self.server.web else {}),
                                **answer.headers, **(headers or {})}.items():
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)


_ROUTES: Mapping[str, Mapping[str, Callable[[_Handler], Answer]]] = {
    "/": {"GET": _Handler.home},
    "/metrics": {"GET": _Handler.metrics},
    "/-/healthy": {"GET": _Handler.healthy},
    "/-/ready": {"GET": _Handler.ready},
    "/-/reload": {"POST": _Handler.reload, "PUT": _Handler.reload},
}


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


def takes_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header lets us compress."""
    takes: dict[str, bool] = {}
    for part in (header or "").lower().replace(" ", "").split(","):
        coding, _, quality = part.partition(";")
        takes[coding] = not re.fullmatch(r"q=0(\.0*)?", quality)
    return takes.get("gzip", takes.get("*", False))


def _text(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, f"{text}\n".encode())
