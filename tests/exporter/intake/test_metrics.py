"""Metrics come in by every door, as senders send them, and show as calls."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.exporter.intake.gateways import Gateway, gateway_in
from tests.exporter.spans.test_metrics import encoded, one
from tests.exporter.support import wait_for

BOTH = "listen: 127.0.0.1:0, grpc_listen: 127.0.0.1:0"
TYPES = {"json": "application/json", "protobuf": "application/x-protobuf"}
REQUESTS, INFO = "llm_client_requests_total", "llm_client_info"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """One that counts what metrics tell after 6 seconds."""
    with gateway_in(tmp_path, doors=BOTH) as gateway:
        yield gateway


def posted(gateway: Gateway, body: bytes, kind: str, coding: str = "") -> tuple[int, bytes]:
    """How a body is answered."""
    address = gateway.intake.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request("POST", "/v1/metrics", body, {
            "Content-Type": kind, **({"Content-Encoding": coding} if coding else {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_a_real_sdk_sums_up_shows_as_calls(gateway: Gateway) -> None:
    exporter = OTLPMetricExporter(endpoint=gateway.intake._urls["grpc"], insecure=True, timeout=20)
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
        resource=Resource.create({"service.name": "envoy"}))
    meter = provider.get_meter("gateway")
    tokens = meter.create_histogram("gen_ai.client.token.usage", "token")
    took = meter.create_histogram("gen_ai.server.request.duration", "s",
                                  explicit_bucket_boundaries_advisory=[0.1, 1.0])
    for _ in range(2):  # what is exported again is counted no second time
        for _ in range(3):
            tokens.record(100, {**CHAT, "gen_ai.token.type": "input"})
            tokens.record(20, {**CHAT, "gen_ai.token.type": "output"})
            took.record(0.5, CHAT)
        took.record(0.1, {**CHAT, "error.type": "429"})
        assert provider.force_flush(20_000)
    labels = "openai", "gpt-4o-mini", "chat", "envoy"
    wait_for(lambda: gateway.points("llm_client_input_tokens_total").get(labels) == 600, 30)
    assert gateway.count("llm_client_output_tokens_total", *labels) == 120
    assert gateway.count(REQUESTS, *labels, "success", "") == 6
    assert gateway.count(REQUESTS, *labels, "rejected", "rate_limit") == 2
    assert gateway.points(INFO) == {("envoy", "metrics"): 1.0}
    provider.shutdown()


@pytest.mark.parametrize("kind", ["json", "protobuf"])
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_body_over_http_counts(gateway: Gateway, kind: str, coding: str) -> None:
    body = encoded([one(startTimeUnixNano=str(2_000_000_000 * 10**9),
                        timeUnixNano=str(2_000_000_001 * 10**9))])[kind]
    packed = gzip.compress(body) if coding else body
    for _ in range(2):
        status, answer = posted(gateway, packed, TYPES[kind], coding)
        assert (status, answer) == (200, b"{}" if kind == "json" else b"")
    key = "openai", "m", "chat", "envoy", "success", ""
    wait_for(lambda: gateway.points(REQUESTS).get(key) == 2, 30)
    assert gateway.points("inferometer_intake_entries_total")["metrics",] == 2
    assert gateway.points("inferometer_intake_bodies_total")["metrics", "taken"] == 2
    assert gateway.points("inferometer_ledger_unmetered_points_total")["repeated",] == 1


def test_what_is_left_out_is_answered(gateway: Gateway) -> None:
    body = encoded([one(), one(sum=-1.0)])["json"]
    status, answer = posted(gateway, body, TYPES["json"])
    partial: Any = json.loads(answer)["partialSuccess"]
    assert (status, partial["rejectedDataPoints"]) == (200, "1")
    assert partial["errorMessage"] == "not taken: malformed 1"
    assert gateway.points("inferometer_intake_rejected_total")["metrics", "malformed"] == 1


def test_no_otlp_is_refused_as_it_is_of_spans(gateway: Gateway) -> None:
    assert posted(gateway, b"{", TYPES["json"])[0] == 400
    assert posted(gateway, b"\x0a\xff", TYPES["protobuf"])[0] == 400
    assert posted(gateway, b"{}", "text/plain")[0] == 415


def test_a_large_body_is_read_in_the_child(gateway: Gateway) -> None:
    many = [one(more={"n": str(number)}) for number in range(4000)]
    body = encoded(many)["json"]
    assert len(body) > 2**20
    assert posted(gateway, body, TYPES["json"])[0] == 200
    assert gateway.points("inferometer_intake_entries_total")["metrics",] == 4000
