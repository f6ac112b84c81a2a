"""A real vLLM that sends its own spans, and an application in front that sends the trace on."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.gateways import gateway
from tests.e2e.senders.kinds import Kind, python
from tests.e2e.senders.playing import play
from tests.e2e.vllm import Vllm, started
from tests.exporter.support import Page, free_port, wait_for

SCENES = ("chat", "stream")
TIMES = 5
SETTLE_SECONDS = 20.0  # both export every 5 s, and one may have to wait for a processor
EXPORT_SECONDS = 60.0
PHASES = ("queue", "prefill", "decode")
_TOTALS = ("SELECT count(*), count(queue), count(prefill), count(decode), total(queue), "
           "total(prefill), total(decode) FROM counted WHERE kind = 'call'")


def application() -> Kind:
    """What calls it, under the official instrumentation and that of its HTTP client."""
    return python("genai", SCENES, instrumentation="propagating", TIMES=str(TIMES),
                  MODEL_PREFIX="vllm-")


@dataclass(frozen=True)
class Served:
    """What both ends have of the same calls."""

    engine: Page  # vLLM's own
    page: Page
    traces: int  # that the ledger has
    calls: int  # rows of the ledger
    joined: Mapping[str, int]  # those with each phase of the engine
    seconds: Mapping[str, float]  # the sums of the phases


def served(folder: Path, protocol: str = "http/protobuf") -> Served:
    """Call a vLLM that sends its spans by this protocol, until all is counted."""
    kind = application()
    grpc = f"127.0.0.1:{free_port()}"
    doors: dict[str, Any] = {"grpc_listen": grpc} if protocol == "grpc" else {}
    with gateway(folder, SETTLE_SECONDS, **doors) as running:
        url = f"http://127.0.0.1:{running.intake}"
        endpoint = f"http://{grpc}" if doors else f"{url}/v1/traces"
        with started(folder, "--served-model-name", *(f"vllm-{scene}" for scene in SCENES),
                     "--otlp-traces-endpoint", endpoint, OTEL_EXPORTER_OTLP_TRACES_INSECURE="true",
                     OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=protocol) as engine:
            play(kind, engine.url, url, folder)
            # Its spans come in batches of their own, and a trace is not counted before.
            wait_for(lambda: _engine_spans(running.ledger) >= TIMES * len(SCENES), EXPORT_SECONDS)
            page, _ = running.settled()
            return _served(engine, page, running.ledger)


def _engine_spans(ledger: Path) -> int:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return int(connection.execute(
            "SELECT count(*) FROM facts JOIN forms ON facts.form = forms.id "
            "WHERE forms.kind = 'EngineCall'").fetchone()[0])


def _served(engine: Vllm, page: Page, ledger: Path) -> Served:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        calls, *figures = connection.execute(_TOTALS).fetchone()
        traces = connection.execute("SELECT count(DISTINCT trace) FROM facts").fetchone()[0]
    return Served(engine.page(), page, traces, calls, dict(zip(PHASES, figures, strict=False)),
                  {phase: total / 1e9
                   for phase, total in zip(PHASES, figures[len(PHASES):], strict=True)})
