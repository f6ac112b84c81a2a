"""An application that calls a model, once by an agent with a tool: the spans that it posts."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

SERVICE = "shop"
BROKEN = '{"order": '  # JSON that was cut off
_SECOND = 10**9


def post_calls(port: int, number: int, model: str, seconds: int = 2) -> list[str]:
    """So many streamed calls of this length, which ended just now; their trace ids.

    The first is made by an agent, which uses a tool too. Raises AssertionError unless all is kept.
    """
    calls = [_call(model, seconds) for _ in range(number)]
    engines = [_engine_of(call) for call in calls]
    search, rerank = _search_of(calls[1 % number])
    senders = ((SERVICE, "opentelemetry.instrumentation.openai_v2",
                [*calls, *_run_of(calls[0]), search]),
               (SERVICE, "openinference.instrumentation.haystack", [rerank]),
               ("vllm", "vllm.llm_engine", engines))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/traces", json.dumps(_body(senders)),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return [span["traceId"] for span in calls]
    finally:
        connection.close()


def _body(senders: Iterable[tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """What is posted, by service and scope."""
    return {"resourceSpans": [{
        "resource": {"attributes": attributes({"service.name": service})},
        "scopeSpans": [{"scope": {"name": scope}, "spans": of_service}]}
        for service, scope, of_service in senders]}


def _run_of(call: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The agent that made this call, and its tool."""
    agent = {**_span("invoke_agent", {"gen_ai.agent.name": "clerk"}), "traceId": call["traceId"]}
    below = {"traceId": agent["traceId"], "parentSpanId": agent["spanId"]}
    call |= below
    return agent, {**_span("execute_tool", {
        "gen_ai.tool.name": "search", "mcp.method.name": "tools/call"}), **below}


def _search_of(call: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The search before this call, and a reranking that puts another document first."""
    beside = {"traceId": call["traceId"]}
    orders = {f"reranker.{name}_documents.{place}.document.id": document
              for name, order in (("input", "ab"), ("output", "ba"))
              for place, document in enumerate(order)}
    return ({**_span("retrieval", {
        "db.system.name": "qdrant", "gen_ai.data_source.id": "handbook",
        "gen_ai.retrieval.documents": json.dumps([{"id": "a"}, {"id": "b"}])}), **beside},
        {**_span("rerank", {"openinference.span.kind": "RERANKER", **orders}), **beside})


def _engine_of(call: dict[str, Any]) -> dict[str, Any]:
    """What the engine says of the call that it served."""
    took = {f"gen_ai.latency.{name}": seconds for name, seconds in (
        ("e2e", 0.75), ("time_in_queue", 0.125), ("time_in_model_prefill", 0.125),
        ("time_in_model_decode", 0.5))}
    return {**call, "parentSpanId": call["spanId"], "spanId": secrets.token_hex(8), "kind": 2,
            "name": "llm_request", "attributes": attributes(took)}


def _call(model: str, seconds: int) -> dict[str, Any]:
    return _span("chat", {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model, "gen_ai.response.model": model,
        "gen_ai.response.finish_reasons": "stop", "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25, "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.output_tokens": 24,
        "gen_ai.output.type": "json", "gen_ai.output.messages": json.dumps([{
            "role": "assistant", "parts": [{"type": "text", "content": BROKEN}]}])}, seconds)


def _span(operation: str, values: dict[str, Any], seconds: int = 2) -> dict[str, Any]:
    """One that ended just now."""
    end = time.time_ns()
    return {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "kind": 3,
        "name": operation, "startTimeUnixNano": str(end - seconds * _SECOND),
        "endTimeUnixNano": str(end),
        "attributes": attributes({"gen_ai.operation.name": operation, **values})}


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """As OTLP's JSON has them."""
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": name, "value": {
        kinds[type(value)]: str(value) if type(value) is int else value}}
        for name, value in values.items()]
