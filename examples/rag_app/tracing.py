"""OpenTelemetry, by its own instrumentations; OTEL_* say where spans go, and under which name."""

from __future__ import annotations

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .logs import RequestIds


def set_up_tracing() -> TracerProvider:
    """Once, before a client of OpenAI is made."""
    provider = TracerProvider()
    provider.add_span_processor(RequestIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()
    # OpenAI's client speaks httpx2; this one's spans carry `traceparent` to the engine.
    HTTPX2ClientInstrumentor().instrument()
    return provider


def trace_requests(app: FastAPI) -> None:
    """A span of each request but for files; a streamed answer is one, not one a piece."""
    FastAPIInstrumentor.instrument_app(app, excluded_urls="/static,/healthz,/$",
                                       exclude_spans=["receive", "send"])


def current_trace_id() -> str:
    """Of the request that is being answered: 32 hexadecimal digits."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"
