"""Spans that an engine itself sends: they tell how a call's time was spent, and count no call.

Source: vllm-project/vllm, vllm/tracing/otel.py and vllm/v1/engine/output_processor.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.table import ENGINE, NOTHING, Flavour, Means
from inferometer.spans.span import Kind as SpanKind
from inferometer.spans.span import Span


def _engine(span: Span) -> Means | None:
    return ENGINE if span.kind == SpanKind.SERVER else NOTHING


VLLM = Flavour(
    name="vLLM",
    scopes=("vllm.*", "vllm"),
    marks=("gen_ai.latency.e2e", "gen_ai.latency.time_in_queue"),
    odd=_engine,
    fields={
        "input": GENAI.fields["input"],
        "output": GENAI.fields["output"],
        "response_id": ("gen_ai.request.id", "gen_ai.response.id"),
        "response_model": ("gen_ai.response.model",),
        "time_to_first_token": ("gen_ai.latency.time_to_first_token",),
        "queue": ("gen_ai.latency.time_in_queue",),
        "prefill": ("gen_ai.latency.time_in_model_prefill",),
        "decode": ("gen_ai.latency.time_in_model_decode",),
        "error": ("error.type",),
    },
)
