"""The lines of docs/telemetry.md that say how a reranking went, in an application of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.spans.flavours.databases import SEARCHES
from inferometer.spans.flavours.own import RERANK_AFTER, RERANK_BEFORE
from inferometer.values import Histogram
from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.support import wait_for

TEXT = (Path(__file__).parents[3] / "docs/telemetry.md").read_text(encoding="utf-8")
HELPER = TEXT.partition("<!-- helper -->\n```python\n")[2].partition("```")[0]
APPLICATION = """
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
documents = [{"id": 1}, {"id": 2}, {"id": 3}]
assert reranked("ce", lambda given: given[::-1], documents) == documents[::-1]
assert reranked("ce", lambda given: [given[0], given[2], given[1]], documents)[1] == {"id": 3}
assert reranked("ce", lambda given: given[:1], documents) == [{"id": 1}]
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with gateway_in(tmp_path, doors="listen: 127.0.0.1:0, grpc_listen: 127.0.0.1:0") as gateway:
        yield gateway


def test_the_documented_helper_tells_how_the_order_changed(gateway: Gateway) -> None:
    subprocess.run([sys.executable, "-c", HELPER + APPLICATION], check=True, timeout=120, env={
        **os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": gateway.intake._urls["grpc"],
        "OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_SERVICE_NAME": "shop"})
    wait_for(lambda: sum(
        value for value in gateway.points("rag_reranks_total").values()
        if isinstance(value, float)) == 3, 30.0)
    assert gateway.points("rag_reranks_total") == {
        ("shop", "true"): 1, ("shop", "false"): 2, ("shop", "unknown"): 0}
    seen = gateway.points("rag_rerank_disagreement_ratio")["shop",]
    assert isinstance(seen, Histogram)
    assert seen.counts[-1] == 2
    assert seen.total == pytest.approx(1 + 1 / 3, abs=1e-8)


def test_the_helper_is_as_short_as_said_and_has_our_attributes() -> None:
    function = HELPER.partition("def ")[2].strip().splitlines()
    assert len(function) <= 10
    assert {RERANK_BEFORE, RERANK_AFTER} <= {*re.findall(r'"(inferometer[.\w]+)"', HELPER)}


@pytest.mark.parametrize("system", SEARCHES)
def test_the_document_has_the_operations_that_are_searches(system: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{system}` |"))
    assert {*re.findall("`([^`]+)`", row)} == {system, *SEARCHES[system]}
