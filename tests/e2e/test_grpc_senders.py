"""Applications that send over gRPC by OpenTelemetry's own SDK, to a gateway that may be behind."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from tests.e2e.gateways import Gateway, gateway
from tests.exporter.support import wait_for

SPANS = 700  # more than one body of 512
CALL: Mapping[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3}


class Watched(SpanExporter):
    """OpenTelemetry's exporter, and what became of each body."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self.results: list[SpanExportResult] = []

    def export(self, spans):  # type: ignore[no-untyped-def]  # as the SDK's own
        self.results.append(self._exporter.export(spans))
        return self.results[-1]

    def shutdown(self) -> None:
        self._exporter.shutdown()


@contextlib.contextmanager
def application(port: int, **options: object) -> Iterator[tuple[TracerProvider, Watched]]:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}", **options)  # type: ignore[arg-type]
    watched = Watched(exporter)
    provider = TracerProvider(resource=Resource({"service.name": "chat"}),
                              id_generator=RandomIdGenerator(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(watched, schedule_delay_millis=100))
    try:
        yield provider, watched
    finally:
        provider.shutdown()


def calls(provider: TracerProvider, count: int) -> None:
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai_v2")
    for _ in range(count):
        with tracer.start_as_current_span("chat gpt-4o-mini", attributes=CALL):
            pass


@contextlib.contextmanager
def behind(running: Gateway, seconds: float) -> Iterator[None]:
    """Another process's lock on the ledger, for longer than the gateway waits for it."""
    connection = sqlite3.connect(running.ledger, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_what_the_sdk_sends_is_counted(tmp_path: Path, compression: grpc.Compression) -> None:
    with gateway(tmp_path, grpc_listen="127.0.0.1:0") as running:
        with application(running.grpc, compression=compression) as (provider, watched):
            calls(provider, SPANS)
        assert {*watched.results} == {SpanExportResult.SUCCESS}
        page, services = running.settled()
        assert sum(page.values("llm_client_requests_total")) == SPANS
        assert services["chat"]["requests"] == SPANS
        bodies = page.value("inferometer_intake_bodies_total", signal="traces", result="taken")
        assert bodies == len(watched.results)


@pytest.mark.heavy
def test_a_gateway_that_is_behind_is_sent_to_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with gateway(tmp_path, grpc_listen="127.0.0.1:0") as running:
        with behind(running, 12), application(running.grpc, timeout=60) as (provider, watched):
            calls(provider, 50)
            wait_for(lambda: watched.results, 60)
        page, _ = running.settled()
        put_off = page.value("inferometer_intake_bodies_total", signal="traces", result="put_off")
        assert put_off
        assert {*watched.results} == {SpanExportResult.SUCCESS}
        assert sum(page.values("llm_client_requests_total")) == 50


def test_the_sdk_gives_up_at_once_what_may_not_be_tried_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    with gateway(tmp_path, grpc_listen="127.0.0.1:0", max_body_bytes=65536,
                 bearer_token_files=[str(token)]) as running:
        for headers, name in (({"authorization": "Bearer secret"}, "x" * 200_000),
                              ({"authorization": "Bearer wrong"}, "x")):
            began = time.monotonic()
            with application(running.grpc, headers=headers) as (provider, watched), \
                    provider.get_tracer("a").start_as_current_span(name):
                pass
            assert watched.results == [SpanExportResult.FAILURE]
            assert time.monotonic() - began < 8
        page = running.page()
    for result in ("too_large", "unauthorized"):
        assert page.value("inferometer_intake_bodies_total", signal="traces", result=result) == 1
