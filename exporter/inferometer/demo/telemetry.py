"""Spans of calls to models, as OpenTelemetry's conventions have them, in OTLP's JSON.

Source: docs/gen-ai/gen-ai-spans.md of
open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from inferometer.demo.endings import CallEnding

SCOPE = "inferometer.demo"  # no library's: these spans are made up
INTERNAL, SERVER, CLIENT, ERROR = 1, 2, 3, 2  # kinds and a status of spans
NANO = 10**9
_NAMED_BY = "gen_ai.request.model", "gen_ai.agent.name", "gen_ai.tool.name"


@dataclass(frozen=True)
class Callee:
    """Whom an application asks for what."""

    provider: str
    name: str
    address: str
    streamed: bool = True


class SpanPlace(NamedTuple):
    """Where in which trace a span is."""

    trace_id: str
    parent_id: str  # none at its root


def body(spans: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """What is posted to /v1/traces, by the service that sends it."""
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": attributes({"service.name": service})},
        "scopeSpans": [{"scope": {"name": SCOPE}, "spans": of_service}]}
        for service, of_service in spans.items() if of_service]}).encode()


def span(called: Callee, ending: CallEnding, end: int, dice: Random,
         place: SpanPlace, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """The span of a call that ended then, in Unix nanoseconds, with `more` attributes."""
    facts = {**dict(_facts(called, ending, new_id(dice, 12))), **more}
    return step("chat", facts, ending.error, place,
                new_id(dice, 8), (end - int(ending.seconds * NANO), end), CLIENT)


def engine_span(call: Mapping[str, Any], ending: CallEnding, dice: Random) -> Mapping[str, Any]:
    """What vLLM sends of a call that it served, as vllm/tracing/otel.py of vllm-project/vllm."""
    assert ending.phases is not None
    return {
        **call, "parentSpanId": call["spanId"], "spanId": new_id(dice, 8), "name": "llm_request",
        "kind": SERVER, "status": {}, "attributes": attributes({
            f"gen_ai.latency.{name}": seconds for name, seconds in zip(
                ("time_in_queue", "time_in_model_prefill", "time_in_model_decode", "e2e"),
                (*ending.phases, sum(ending.phases)), strict=True)})}


def step(operation: str, facts: Mapping[str, Any], error: str, place: SpanPlace, span_id: str,
         times: tuple[int, int], kind: int) -> Mapping[str, Any]:
    """A span of this operation. `times`: begin and end, in Unix nanoseconds."""
    begin, end = times
    of = next((facts[key] for key in _NAMED_BY if key in facts), "")
    return {
        "traceId": place.trace_id, "parentSpanId": place.parent_id, "spanId": span_id,
        "name": f"{operation} {of}", "kind": kind,
        "startTimeUnixNano": str(begin), "endTimeUnixNano": str(end),
        "attributes": attributes({"gen_ai.operation.name": operation, **facts,
                                   **({"error.type": error} if error else {})}),
        "status": {"code": ERROR} if error else {},
    }


def new_id(dice: Random, size: int) -> str:
    """Of a trace or a span, of so many bytes."""
    return dice.randbytes(size).hex()


def _facts(called: Callee, ending: CallEnding, identity: str) -> Iterator[tuple[str, Any]]:
    yield "gen_ai.provider.name", called.provider
    yield "gen_ai.request.model", called.name
    yield "gen_ai.request.stream", called.streamed
    yield "server.address", called.address
    if ending.first_token is None:
        return
    yield "gen_ai.response.id", f"chatcmpl-{identity}"
    yield "gen_ai.response.model", called.name
    yield "gen_ai.usage.input_tokens", ending.input
    yield "gen_ai.usage.cache_read.input_tokens", ending.cached
    yield "gen_ai.usage.output_tokens", ending.output
    if called.streamed:
        yield "gen_ai.response.time_to_first_chunk", ending.first_token


def attributes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """As OTLP's JSON has them."""
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> Mapping[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": value}

