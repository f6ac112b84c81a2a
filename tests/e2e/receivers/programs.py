"""Real programs that take telemetry, each as a process of its own, and what they then have.

`make receivers` installs those that are Python's, each in an environment of its own: Datadog's test
agent pins another protobuf than the gateway's, Phoenix and MLflow bring a hundred packages.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.receivers.demands import LOGS, METRICS, TRACES
from tests.exporter.support import free_port, wait_for

ROOT = Path(__file__).parents[3]
INSTALLED = Path(os.environ.get("RECEIVERS", ROOT / ".cache" / "receivers"))
TOOLS = Path(os.environ.get("TOOLS", ROOT / ".cache" / "tools"))
START_SECONDS = 900.0  # MLflow and Phoenix make a database first, on a machine that is busy
ANSWER_SECONDS = 60.0
PROJECT = "demo"


@dataclass(frozen=True)
class Receiver:
    """One that runs: where it listens, and where it keeps what it has."""

    port: int
    folder: Path
    grpc: int = 0

    @property
    def url(self) -> str:
        """What is before /v1/… ."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def agent(folder: Path) -> Iterator[Receiver]:
    """Datadog's test agent, which takes OTLP as an Agent does."""
    made = Receiver(free_port(), folder, free_port())
    command = [INSTALLED / "test-agent" / "bin" / "ddapm-test-agent", "--port", str(free_port()),
               "--otlp-http-port", str(made.port), "--otlp-grpc-port", str(made.grpc),
               "--max-requests", "10000"]
    with _running(command, made, {}, "/test/session/traces"):
        yield made


def of_agent(receiver: Receiver, signal: str) -> int:
    """The spans, records or metrics that it has."""
    root = {TRACES: "spans", LOGS: "logs", METRICS: "metrics"}[signal]
    return sum(len(scope.get({LOGS: "log_records"}.get(signal, root), ()))
               for request in ask(receiver, f"/test/session/{signal}")
               for resource in request.get(f"resource_{root}", ())
               for scope in resource.get(f"scope_{root}", ()))


@contextlib.contextmanager
def phoenix(folder: Path) -> Iterator[Receiver]:
    """Arize Phoenix, with its own database in the folder."""
    made = Receiver(free_port(), folder, free_port())
    settings = {"PHOENIX_WORKING_DIR": str(folder), "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(made.port), "PHOENIX_GRPC_PORT": str(made.grpc),
                "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false"}
    command = [INSTALLED / "phoenix" / "bin" / "phoenix", "serve"]
    with _running(command, made, settings, "/healthz"):
        yield made


def of_phoenix(receiver: Receiver) -> int:
    """The spans that it has stored."""
    number, cursor = 0, ""
    while True:
        page = ask(receiver, f"/v1/projects/{PROJECT}/spans?limit=1000{cursor}")
        number += len(page["data"])
        if not page.get("next_cursor"):
            return number
        cursor = f"&cursor={page['next_cursor']}"


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[Receiver]:
    """MLflow, with its own database in the folder."""
    made = Receiver(free_port(), folder)
    command = [INSTALLED / "mlflow" / "bin" / "mlflow", "server", "--host", "127.0.0.1",
               "--port", str(made.port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
               "--default-artifact-root", str(folder / "artifacts")]
    with _running(command, made, {"MLFLOW_DISABLE_TELEMETRY": "true"}, "/health"):
        yield made


def of_mlflow(receiver: Receiver) -> int:
    """The spans in its database: its API gives them trace by trace alone."""
    with contextlib.closing(sqlite3.connect(receiver.folder / "mlflow.db")) as database:
        return int(database.execute("SELECT count(*) FROM spans").fetchone()[0])


@contextlib.contextmanager
def collector(folder: Path, onward: str) -> Iterator[Receiver]:
    """An OpenTelemetry Collector that passes all on to this URL."""
    made = Receiver(free_port(), folder)
    pipeline = {"receivers": ["otlp"], "exporters": ["otlphttp"]}
    config = folder / "otelcol.yaml"
    config.write_text(json.dumps({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{made.port}"}}}},
        "exporters": {"otlphttp": {"endpoint": onward}},
        "service": {"telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {TRACES: pipeline, LOGS: pipeline, METRICS: pipeline}}}))
    command = [TOOLS / "collector" / "otelcol", "--config", config]
    with _running(command, made, {}, "/"):
        yield made


def ask(receiver: Receiver, path: str) -> Any:
    """What it answers to a GET, in JSON."""
    status, body = _got(receiver, path)
    assert status == 200, body[:500]
    return json.loads(body)


def _got(receiver: Receiver, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


@contextlib.contextmanager
def _running(command: Sequence[object], receiver: Receiver, settings: Mapping[str, str],
             path: str) -> Iterator[None]:
    """The process, once it answers; it is ended by its own id."""
    log = receiver.folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen([*map(str, command)], stdout=written, stderr=written,
                                   cwd=receiver.folder, env={**os.environ, **settings},
                                   start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or _answers(receiver, path), START_SECONDS,
                 0.25)
        assert process.poll() is None, log.read_text()[-3000:]
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)  # MLflow's workers are processes of their own
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(30)


def _answers(receiver: Receiver, path: str) -> bool:
    try:
        return _got(receiver, path)[0] < 500
    except (OSError, http.client.HTTPException):
        return False
