"""HTTP: which route a request is for, who may ask, and the bytes of the answer."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Hashable, Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from inferometer import request_ids
from inferometer.serve.connection import Connection, Limits
from inferometer.serve.connections import RESERVE, SHAKES, Connections
from inferometer.serve.lanes import Lane
from inferometer.serve.listening import listening_socket
from inferometer.serve.request import RefusalError, Request
from inferometer.serve.routes import Received, Response, Route, text_response
from inferometer.serve.web_config import WebConfig
from inferometer.threads import Job

SEND_BUFFER = 2**17  # bytes of an answer in the kernel, which takes it twice: for each connection
GZIP_FROM = 1024  # bytes; smaller pages are not worth it
GUESSES = 1  # of passwords at once: bcrypt is slow, and meant to be
RETRY_SECONDS = 5  # after which who was refused for want of room may try again
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")  # that change nothing
OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site; none: by the user's own hand
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Server:
    """The listening socket and the routes on it. TLS and its users may be changed.

    Raises ListenError if the address cannot be had, ValueError for two routes at one path, or for
    lanes that could take all threads.
    """

    def __init__(self, host: str, port: int, routes: Iterable[Route], web: WebConfig | None = None,
                 limits: Limits | None = None) -> None:
        self._web = web
        self._routes = _by_path(routes)
        limits = limits or Limits()
        _check_lanes(self._routes.values(), limits)
        listener = listening_socket(host, port)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # inherited
        self.server_address = listener.getsockname()
        self.server_port: int = self.server_address[1]
        self._guesses: Lane[Connection] = Lane(GUESSES, newest_first=True)
        self._connections = Connections(listener, self, limits)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    @property
    def web(self) -> WebConfig | None:
        """TLS, users and headers. A new one ends what was connected under other terms."""
        return self._web

    @web.setter
    def web(self, web: WebConfig | None) -> None:
        if web is not None and self._web is not None:
            web.inherit(self._web)
        self._web = web
        self._connections.renew()

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a path."""
        host = str(self.server_address[0])
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if self.web is not None and self.web.tls else "http"
        return f"{scheme}://{shown}:{self.server_port}"

    def serve_forever(self, tend: Job = lambda: None) -> None:
        """Serve until `shutdown`. `tend` is called every second, and after `wake`."""
        self._connections.serve(tend)

    def wake(self) -> None:
        """Have `serve_forever` tend at once. May be called by a signal's handler."""
        self._connections.wake()

    @property
    def alone(self) -> bool:
        """Whether it has no thread but that of `serve_forever`."""
        return self._connections.alone

    def shutdown(self) -> None:
        """Serve no more."""
        self._connections.stop()

    def terms(self) -> tuple[ssl.SSLContext | None, Hashable]:
        """The TLS context for a new connection, None without TLS, and what it is made of."""
        return self._web.terms() if self._web is not None else (None, None)

    def guesses(self, request: Request, connection: Connection) -> Lane[Connection] | None:
        """Where a request waits whose password was not seen before, if it may count at all."""
        web = self._web
        if web is None or web.decision(_credentials(request)) is not None:
            return None
        return self._guesses if _allows_peer(web, connection) else None

    def guess(self, request: Request) -> None:
        """Find out whether the password is right."""
        if self._web is not None:
            self._web.authorized(_credentials(request))

    def lane(self, request: Request) -> Lane[Connection] | None:
        """Where a request waits its turn that may take long."""
        route = self._route(request)
        return route.lane if route and not _misuse(route, request) else None

    def place(self, request: Request) -> tuple[Hashable, int]:
        """Who has a password in common is let in, or not, together; then the route knows.

        Of those let in who asks with a query goes after who asks without: the variants of a query
        have no end, and each has a turn of its own.
        """
        if self._web is not None and self._web.decision(_credentials(request)) is None:
            return _credentials(request), 0
        route, rank = self._route(request), int("?" in request.target)
        if route is None or route.together is None:
            return None, rank
        return (route, route.together(Received(request, b"", 0.0))), rank

    def body_bytes(self, request: Request) -> int:
        """The largest body that is kept until its request is answered."""
        route = self._route(request)
        return route.body_bytes if route else 0

    def answer(self, request: Request, connection: Connection,
               shared: dict[Hashable, Any]) -> bytes:
        """The whole response."""
        response = self._refusal(request, connection) or self._answer(request, connection, shared)
        return self._bytes(response, request)

    def refuse(self, error: RefusalError, request: Request | None = None) -> bytes:
        """The whole response to a request that is refused or failed."""
        response = text_response(error.status, str(error))
        return self._bytes(response, request or Request("GET", "", {}, 0, True))

    def _bytes(self, response: Response, request: Request) -> bytes:
        headers = {**NOSNIFF, **(self._web.headers if self._web is not None else {}),
                   **_HEADERS_OF.get(response.status, {}), **response.headers}
        if (current := request_ids.current()) is not None:
            headers |= current.headers
        return _response_bytes(response, request, headers)

    def _route(self, request: Request) -> Route | None:
        return self._routes.get(path_of(request.target) or "")

    def _refusal(self, request: Request, connection: Connection) -> Response | None:
        """Why this client gets no answer, if so."""
        web = self._web
        if web is None:
            return None
        if not web.admits():
            return text_response(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        if not _allows_peer(web, connection):
            return text_response(HTTPStatus.FORBIDDEN, "client certificate not allowed")
        if not web.authorized(_credentials(request)):
            connection.refusals += 1
            return text_response(HTTPStatus.UNAUTHORIZED, "unauthorized")
        connection.refusals = 0
        return None

    def _answer(self, request: Request, connection: Connection,
                shared: dict[Hashable, Any]) -> Response:
        if request.method not in METHODS:
            return text_response(HTTPStatus.NOT_IMPLEMENTED, "no such method")
        if path_of(request.target) is None:
            return text_response(HTTPStatus.BAD_REQUEST, "bad request target")
        route = self._route(request)
        if route is None:
            return text_response(HTTPStatus.NOT_FOUND, "not found")
        received = Received(request, bytes(connection.body), connection.read_at, shared)
        return _misuse(route, request) or route.handler(received)


_HEADERS_OF: Mapping[HTTPStatus, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Basic"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_SECONDS)},
}


def _credentials(request: Request) -> str | None:
    return request.headers.get("authorization")


def _allows_peer(web: WebConfig, connection: Connection) -> bool:
    return not isinstance(connection.sock, ssl.SSLSocket) or web.allows_peer(connection.certificate)


def _check_lanes(routes: Iterable[Route], limits: Limits) -> None:
    """Raises ValueError unless threads are left for what waits in no lane."""
    lanes = {route.lane for route in routes if route.lane is not None}
    needed = sum(lane.most for lane in lanes) + GUESSES + SHAKES + RESERVE
    if needed > limits.threads:
        raise ValueError(f"the lanes need {needed} threads, and there are {limits.threads}")


def _by_path(routes: Iterable[Route]) -> Mapping[str, Route]:
    by_path: dict[str, Route] = {}
    for route in routes:
        if by_path.setdefault(route.path, route) is not route:
            raise ValueError(f"two routes at {route.path}")
    return by_path


def _misuse(route: Route, request: Request) -> Response | None:
    """What is wrong with the request by what the route takes."""
    if request.method not in route.allowed:
        return Response(HTTPStatus.METHOD_NOT_ALLOWED,
                        f"use {' or '.join(route.allowed)}\n".encode(),
                        headers={"Allow": ", ".join(route.allowed)})
    if request.method not in SAFE_METHODS and _is_another_sites(request):
        return text_response(HTTPStatus.FORBIDDEN, "no page of another site may send this")
    if not route.body_bytes:
        return None
    unread = request.unread or (HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                                if request.body > route.body_bytes else None)
    if unread:
        return text_response(unread, f"send up to {route.body_bytes} bytes, with their length")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if route.content_types and content_type not in route.content_types:
        return text_response(HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                             f"send {' or '.join(route.content_types)}")
    return None


def _is_another_sites(request: Request) -> bool:
    """Whether a browser sends this for a page that is not ours; other clients do not say.

    Sec-Fetch-Site: https://www.w3.org/TR/fetch-metadata/, Origin: RFC 6454.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in OWN_SITE:
        return True
    if origin is None:
        return False
    scheme, _, host = origin.partition("://")
    own = request.headers.get("host", "")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return not own or own.removesuffix(usual).lower() != host.removesuffix(usual).lower()


def path_of(target: str) -> str | None:
    """The path of a request's target, None if it has none."""
    if target.startswith("/"):
        return "/" + target.partition("?")[0].lstrip("/")
    try:
        return urlsplit(target).path
    except ValueError:
        return None


@lru_cache(maxsize=64)
def takes_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header lets us compress."""
    takes: dict[str, bool] = {}
    for part in (header or "").lower().replace(" ", "").split(","):
        coding, _, quality = part.partition(";")
        takes[coding] = not re.fullmatch(r"q=0(\.0*)?", quality)
    return takes.get("gzip", takes.get("*", False))


def _response_bytes(response: Response, request: Request, headers: Mapping[str, str]) -> bytes:
    """Status, headers and body in one piece: one write, one packet where it is small."""
    body = response.body
    lines = [_first_line(response.status), f"Date: {_date(int(time.time()))}",
             f"Content-Type: {response.content_type}"]
    if len(body) >= GZIP_FROM and takes_gzip(request.headers.get("accept-encoding")):
        body = response.packed
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
