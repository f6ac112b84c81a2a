"""What sending on costs a gateway, beside all else that it does with a body.

    python -m bench.forwarding [captured|gathered|plain] [BODIES]

prints the CPU time of a gateway's process for a body: without a destination, with one on this
machine that gets bodies as they came, and with one for which content and users are taken out. All
bodies have ids of their own; what is measured ends when all are counted and sent on.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

from bench.otlp import KINDS, Template, bodies

BODIES = 2000
WARM = 100  # bodies before what is measured
TARGET = 0.3  # of the CPU time without a destination
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0
HERTZ = os.sysconf("SC_CLK_TCK")


class Counter:
    """A destination that counts what it is sent."""

    def __init__(self) -> None:
        counter = self
        self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                counter.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def main(kind: str = "captured", count: str = str(BODIES)) -> int:
    """Measure it; the exit code: 1 where it costs more than TARGET."""
    costs: dict[str, float] = {}
    for name, redaction in (("no destination", None), ("as it came", "none"),
                            ("content and users taken out", "content_and_users")):
        costs[name] = _cost(kind, int(count), redaction)
        base = costs["no destination"]
        more = "" if redaction is None else (
            f", {(costs[name] - base) / base:.2f} of the whole way (target {TARGET})")
        print(f"{name:28} {costs[name] * 1e6:8.0f} us of CPU a body{more}", flush=True)
    return int((costs["as it came"] - base) / base > TARGET)


def _cost(kind: str, count: int, redaction: str | None) -> float:
    """Seconds of CPU time a body."""
    counter = Counter()
    try:
        with tempfile.TemporaryDirectory() as folder, _gateway(
                Path(folder), counter.url, redaction) as (process, port):
            made = bodies(KINDS[kind](), 2**40)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            _send(connection, made, WARM)
            _wait(counter, WARM if redaction else 0)
            began = _cpu(process.pid)
            _send(connection, made, count)
            _wait(counter, WARM + count if redaction else 0)
            return (_cpu(process.pid) - began) / count
    finally:
        counter.close()


def _send(connection: http.client.HTTPConnection, made: Iterator[tuple[Template, bytes]],
          count: int) -> None:
    for template, body in islice(made, count):
        connection.request("POST", "/v1/traces", body, {"Content-Type": template.encoding})
        with connection.getresponse() as response:
            response.read()
            assert response.status == 200, response.status


def _wait(counter: Counter, requests: int) -> None:
    """Until so many are sent on, and all is settled."""
    end = time.monotonic() + PATIENCE_SECONDS
    while counter.requests < requests:
        assert time.monotonic() < end, f"{counter.requests} of {requests} were sent on"
        time.sleep(0.05)
    time.sleep(SETTLE_SECONDS)


@contextlib.contextmanager
def _gateway(folder: Path, url: str, redaction: str | None
             ) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port, page = _free_port(), _free_port()
    destinations = f"destinations: [{{url: '{url}', redact: {redaction}}}]\n" if redaction else ""
    (folder / "gateway.yml").write_text(
        f"role: gateway\nweb: {{listen: '127.0.0.1:{page}'}}\nledger: {{path: ledger.db}}\n"
        f"intake: {{listen: '127.0.0.1:{port}', settle_seconds: 1}}\n{destinations}")
    process = subprocess.Popen(
        [sys.executable, "-m", "inferometer", "run", "--config", str(folder / "gateway.yml")],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < end, "no gateway starts"
            time.sleep(0.1)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cpu(pid: int) -> float:
    """Seconds of CPU time that a process has had."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / HERTZ


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
