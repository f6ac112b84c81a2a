"""A receiver of OTLP/HTTP that keeps what it is sent, and answers as a test says."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """One that came in."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass
class Answer:
    """What it is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Receiver:
    """What came, in order. `answer` says how each is answered, and may wait."""

    url: str
    answer: Callable[[Request], Answer] = lambda _: Answer()
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)  # those that were answered with 200

    @property
    def bodies(self) -> list[bytes]:
        """Of what it took."""
        return [request.body for request in self.taken]


@contextlib.contextmanager
def receiver(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """One that listens on a free port, or on this one, until the end."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # its sender was killed on the way
            request = Request(self.path, {name.lower(): value for name, value
                                          in self.headers.items()}, body)
            state.requests.append(request)
            answer = state.answer(request)
            if answer.status == 200:
                state.taken.append(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            pass  # who sent is gone

    server = Quiet(("127.0.0.1", port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    state = Receiver(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
