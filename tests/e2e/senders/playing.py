"""Runs a sender to its end, and reads which spans it made."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.senders.kinds import Kind

SECONDS = 240.0  # a sender may take, on a machine that has much else to do
APPLICATION = "application"  # the scope of its own spans, which name the scene


@dataclass(frozen=True)
class Span:
    """A span as its SDK has it."""

    trace: str
    scope: str
    name: str
    line: str  # all of it


def environment(kind: Kind, provider_url: str, gateway_url: str, spans: Path) -> Mapping[str, str]:
    """Of its process. What this process has of OpenTelemetry's and of proxies is not its."""
    own = {name: value for name, value in os.environ.items()
           if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")}
    return {**own, "PATH": f"{sysconfig.get_path('scripts')}:{own['PATH']}",
            "PROVIDER_URL": provider_url, "SPANS": str(spans),
            "MODEL_PREFIX": f"{kind.name}-",
            "OTEL_EXPORTER_OTLP_ENDPOINT": gateway_url, "OTEL_SERVICE_NAME": kind.service,
            "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", **kind.settings}


def play(kind: Kind, provider_url: str, gateway_url: str, folder: Path) -> Sequence[Span]:
    """Play its scenes to the end; its spans. Raises AssertionError where it fails."""
    path = folder / f"{kind.name}.spans"
    ended = subprocess.run(
        [*kind.command, *kind.scenes], capture_output=True, text=True, check=False,
        env=environment(kind, provider_url, gateway_url, path), timeout=SECONDS)
    assert ended.returncode == 0, f"{kind.name}: {ended.stdout}{ended.stderr}"[-3000:]
    return read(path)


def read(path: Path) -> Sequence[Span]:
    """The spans of a file that a sender wrote."""
    spans = []
    for line in path.read_text().splitlines():
        document = json.loads(line)
        spans.append(Span(document["context"]["trace_id"], document["scope"], document["name"],
                          line))
    return spans


def by_scene(spans: Sequence[Span]) -> Mapping[str, Sequence[Span]]:
    """The spans of instrumentations in the traces of a scene."""
    scenes = {span.trace: span.name for span in spans if span.scope == APPLICATION}
    found_spans: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.scope != APPLICATION:
            found_spans[scenes[span.trace]].append(span)
    return found_spans
