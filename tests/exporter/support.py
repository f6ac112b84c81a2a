"""What many tests need: the exporter as a real process, and an engine that serves any page."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from inferometer.serve.server import Server

FIXTURES = Path(__file__).parents[1] / "fixtures"
START_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float = 10.0, every: float = 0.05) -> Any:
    """The condition's first true value; AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s; last was {value!r}"
        time.sleep(every)


@dataclass(frozen=True)
class Series:
    name: str
    labels: Mapping[str, str]
    value: float


class Page:
    """A parsed text page, to be asked for values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: dict[str, str] = {}
        self.series: list[Series] = []
        for family in text_string_to_metric_families(text):
            self.kinds[family.name] = family.type
            self.series += [Series(s.name, s.labels, s.value) for s in family.samples]

    def find(self, name: str, **labels: str) -> list[Series]:
        return [s for s in self.series if s.name == name and labels.items() <= s.labels.items()]

    def values(self, name: str, **labels: str) -> list[float]:
        return [s.value for s in self.find(name, **labels)]

    def value(self, name: str, **labels: str) -> float | None:
        """The one value, None if there is none; AssertionError if there are several."""
        values = self.values(name, **labels)
        assert len(values) <= 1, f"{name}{labels} is there {len(values)} times"
        return values[0] if values else None

    def names(self) -> set[str]:
        return {s.name for s in self.series}


@dataclass
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def get(port: int, path: str = "/metrics", method: str = "GET",
        headers: Mapping[str, str] | None = None, seconds: float = 15.0) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    with contextlib.closing(connection):
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Response(response.status, dict(response.headers), response.read())


@dataclass
class Exporter:
    """A running `inferometer run`."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def read_out(self) -> None:
        """Wait until all that an ended process said has been read."""
        for reader in self.readers:
            reader.join(5)

    def scrape(self, path: str = "/metrics", **headers: str) -> Page:
        response = get(self.port, path, headers=headers)
        assert response.status == 200, response.text
        return Page(response.text)

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


@contextlib.contextmanager
def launched(*arguments: str, env: Mapping[str, str] | None = None,
             command: Sequence[str] = ("inferometer", "run")) -> Iterator[Exporter]:
    """`inferometer run` with these arguments, at its very beginning; ended by its pid."""
    process = subprocess.Popen([sys.executable, "-m", *command, *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **(env or {})})
    running = Exporter(process, 0)
    running.readers = [
        threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
        for pipe, lines in ((process.stdout, running.printed), (process.stderr, running.lines))]
    for reader in running.readers:
        reader.start()
    try:
        yield running
    finally:
        process.send_signal(signal.SIGCONT)  # a test may have stopped it
        process.kill()
        process.wait()
        running.read_out()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


@contextlib.contextmanager
def exporter(*arguments: str, env: Mapping[str, str] | None = None,
             config: Path | None = None) -> Iterator[Exporter]:
    """`inferometer run` on a free port, ready to be scraped."""
    port = free_port()
    settings = ["--config", str(config)] if config else []
    with launched("--listen", f"127.0.0.1:{port}", *settings, *arguments, env=env) as running:
        running.port = port
        wait_for(lambda: running.process.poll() is not None or _answers(port), START_SECONDS)
        assert running.process.poll() is None, "".join(running.lines)
        yield running


def _answers(port: int) -> bool:
    try:
        return get(port, "/-/ready", seconds=2).status == 200
    except OSError:
        return False


Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Engine:
    """A server on loopback that answers each path with a body or by a behaviour."""

    def __init__(self, page: bytes | str | Behaviour = b"", port: int = 0, **paths: Any) -> None:
        self.paths: dict[str, bytes | str | Behaviour] = {"/metrics": page, **paths}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                engine.asked.append((self.path, dict(self.headers)))
                answer = engine.paths.get(self.path)
                if callable(answer):
                    answer(self)
                    return
                send(self, b"no such path" if answer is None else answer,
                     404 if answer is None else 200)

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256  # else the kernel drops some of many callers, and they wait

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self, page: bytes | str | Behaviour) -> None:
        """Answer /metrics with this from now on."""
        self.paths["/metrics"] = page

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def send(handler: BaseHTTPRequestHandler, body: bytes | str, status: int = 200,
         kind: str = "text/plain; version=0.0.4", **headers: str) -> None:
    body = body.encode() if isinstance(body, str) else body
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def in_thread(server: Server) -> Iterator[int]:
    """The server of the exporter, serving in this process; its port."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(10)
    assert not thread.is_alive()


def fixture(path: str) -> bytes:
    return (FIXTURES / "engines" / path).read_bytes()
