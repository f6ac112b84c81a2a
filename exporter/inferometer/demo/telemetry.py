"""Spans of calls to models, as OpenTelemetry's conventions have them, in OTLP's JSON.

One call is one trace. Source: docs/gen-ai/gen-ai-spans.md of
open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from inferometer.demo.endings import CallEnding

SCOPE = "inferometer.demo"  # no library's: these spans are made up
CLIENT, ERROR = 3, 2  # kind and status of a span
NANO = 10**9


@dataclass(frozen=True)
class CalledModel:
    """Whom an application asks for what."""

    provider: str
    name: str
    address: str
    streamed: bool = True


def body(service: str, spans: Sequence[Mapping[str, Any]]) -> bytes:
    """What an application posts to /v1/traces."""
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": _attributes({"service.name": service})},
        "scopeSpans": [{"scope": {"name": SCOPE}, "spans": spans}]}]}).encode()


def span(called: CalledModel, ending: CallEnding, end: int, dice: Random) -> Mapping[str, Any]:
    """The span of a call that ended then, in Unix nanoseconds."""
    return {
        "traceId": _id(dice, 16), "spanId": _id(dice, 8), "name": f"chat {called.name}",
        "kind": CLIENT, "endTimeUnixNano": str(end),
        "startTimeUnixNano": str(end - int(ending.seconds * NANO)),
        "attributes": _attributes(dict(_facts(called, ending, _id(dice, 12)))),
        "status": {"code": ERROR} if ending.error else {},
    }


def _facts(called: CalledModel, ending: CallEnding, identity: str) -> Iterator[tuple[str, Any]]:
    yield "gen_ai.operation.name", "chat"
    yield "gen_ai.provider.name", called.provider
    yield "gen_ai.request.model", called.name
    yield "gen_ai.request.stream", called.streamed
    yield "server.address", called.address
    if ending.error:
        yield "error.type", ending.error
    if ending.first_token is None:
        return
    yield "gen_ai.response.id", f"chatcmpl-{identity}"
    yield "gen_ai.response.model", called.name
    yield "gen_ai.usage.input_tokens", ending.input
    yield "gen_ai.usage.cache_read.input_tokens", ending.cached
    yield "gen_ai.usage.output_tokens", ending.output
    if called.streamed:
        yield "gen_ai.response.time_to_first_chunk", ending.first_token


def _attributes(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
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


def _id(dice: Random, size: int) -> str:
    return dice.randbytes(size).hex()
