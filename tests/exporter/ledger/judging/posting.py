"""Answers as applications post them to a gateway, and the judge that its configuration names."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from tests.exporter.ledger.judging.judged import DOCUMENT, QUESTION
from tests.scripted_judge import ScriptedJudge

SECOND = 10**9


def configured(judge: ScriptedJudge, **keys: object) -> str:
    """The sections that have all answers judged."""
    section = {"url": judge.url, "model": "judge-model", "sample_ratio": 1, **keys}
    return ("content: {store: true}\nprices: [{model: judge-model, input: 1, output: 2}]\n"
            f"judge: {json.dumps(section)}\n")


def post(port: int, answers: Sequence[str]) -> list[str]:
    """Post a trace for each answer; their ids. Raises AssertionError unless all are kept."""
    spans = [span for answer in answers for span in _trace(answer)]
    body = {"resourceSpans": [{
        "resource": {"attributes": _attributes({"service.name": "shop"})},
        "scopeSpans": [{"scope": {"name": "opentelemetry.instrumentation.openai_v2"},
                        "spans": spans}]}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/traces", json.dumps(body),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200, response.read()
    finally:
        connection.close()
    return [*dict.fromkeys(span["traceId"] for span in spans)]


def _trace(answer: str) -> list[dict[str, Any]]:
    trace = secrets.token_hex(16)
    asked = [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]
    reply = [{"role": "assistant", "parts": [{"type": "text", "content": answer}],
             "finish_reason": "stop"}]
    return [_span(trace, "retrieval", {
        "db.system.name": "qdrant",
        "gen_ai.retrieval.documents": json.dumps([{"id": "a", "content": DOCUMENT}])}),
        _span(trace, "chat", {
            "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
            "gen_ai.response.model": "m", "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20, "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps(reply)})]


def _span(trace: str, operation: str, attributes: dict[str, object]) -> dict[str, Any]:
    now = time.time_ns()
    return {"traceId": trace, "spanId": secrets.token_hex(8), "name": operation, "kind": 3,
            "startTimeUnixNano": str(now - SECOND), "endTimeUnixNano": str(now),
            "attributes": _attributes({"gen_ai.operation.name": operation, **attributes})}


def _attributes(values: dict[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {
        "stringValue": str(value)}} for key, value in values.items()]
