"""An application that calls a model: the spans that it posts, in OTLP's JSON."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from typing import Any

SERVICE = "shop"
_SECOND = 10**9


def post_calls(port: int, number: int, model: str, seconds: int = 2) -> list[str]:
    """So many streamed calls of this length, which ended just now; their trace ids.

    Raises AssertionError unless they are kept.
    """
    spans = [_span(model, seconds) for _ in range(number)]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/traces", json.dumps(_body(spans)),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return [span["traceId"] for span in spans]
    finally:
        connection.close()


def _body(spans: list[dict[str, Any]]) -> dict[str, Any]:
    scope = {"name": "opentelemetry.instrumentation.openai_v2"}
    return {"resourceSpans": [{
        "resource": {"attributes": attributes({"service.name": SERVICE})},
        "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def _span(model: str, seconds: int) -> dict[str, Any]:
    end = time.time_ns()
    return {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "kind": 3,
        "name": f"chat {model}", "startTimeUnixNano": str(end - seconds * _SECOND),
        "endTimeUnixNano": str(end), "attributes": attributes({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model, "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": "stop", "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": 0.25, "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.output_tokens": 24})}


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """As OTLP's JSON has them."""
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": name, "value": {
        kinds[type(value)]: str(value) if type(value) is int else value}}
        for name, value in values.items()]
