"""Calls to a model as an application's exporter sends them."""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.drills.journal import Body

INPUT, OUTPUT = 7, 3  # tokens of each call


def calls(chance: random.Random, now: int) -> Body:
    """A body of a few calls that ended now. `now`: Unix nanoseconds."""
    request: Any = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    ids: list[bytes] = []
    for _ in range(chance.randint(1, 10)):
        trace = chance.randbytes(16)
        for _ in range(chance.randint(1, 3)):
            ids.append(trace + chance.randbytes(8))
            span = scope.spans.add(
                trace_id=trace, span_id=ids[-1][16:], name="chat gpt-4o-mini", kind=3,
                start_time_unix_nano=now - 10**9, end_time_unix_nano=now)
            for key, value in (
                    ("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "openai"),
                    ("gen_ai.request.model", "gpt-4o-mini"), ("gen_ai.usage.input_tokens", INPUT),
                    ("gen_ai.usage.output_tokens", OUTPUT)):
                kind = "string_value" if isinstance(value, str) else "int_value"
                setattr(span.attributes.add(key=key).value, kind, value)
    return ids, request.SerializeToString()
