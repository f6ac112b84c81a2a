"""An engine's HTTP server on loopback; it refuses connections while the engine is dead."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from inferometer.demo.endings import CallEnding
from inferometer.demo.engine import ScriptedEngine
from inferometer.threads import start_thread

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.1


class Endpoint:
    """Where an engine is reached. The port stays its own while it is dead."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address, once it has lived."""
        return f"http://{LOOPBACK}:{self._port}"

    def live(self) -> None:
        """Listen; the engine starts anew. Raises OSError."""
        if self._server is None:
            self.engine.restart()
            self._server = _QuietServer((LOOPBACK, self._port), _handler(self.engine))
            self._port = self._server.server_address[1]
            server = self._server
            start_thread(lambda: server.serve_forever(POLL_SECONDS), "demo-engine")

    def die(self) -> None:
        """Refuse every connection from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def endings(self) -> Sequence[CallEnding]:
        """How requests to it ended since the last call of this."""
        return self.engine.endings() if self.alive else self.engine.refusals()

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._server is not None


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


def _handler(engine: ScriptedEngine) -> type[BaseHTTPRequestHandler]:
    documents = engine.documents()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = engine.page().encode() if self.path == "/metrics" else documents.get(self.path)
            self.send_response(HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None: ...

    return Handler
