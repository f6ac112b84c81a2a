"""What a span says: numbers, units, errors, and what a deployment wants to have kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from inferometer.facts import (
    AgentRun,
    ErrorType,
    McpOperation,
    ModelCall,
    Outcome,
    Retrieval,
    ToolCall,
    Usage,
)
from inferometer.spans.errors import error_of, outcome_of
from inferometer.spans.flavours.reading import moment
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from inferometer.spans.reader import Wishes
from inferometer.spans.span import Attributes, Event, Kind, Resource, Scope, Span, Status
from tests.exporter.spans.bodies import bodies, scenarios

START = 1_800_000_000 * 10**9
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def span(attributes: Attributes, scope: str = "app", name: str = "chat m", *,
         status: Status = Status.UNSET, message: str = "",
         events: Mapping[str, Mapping[str, Any]] | None = None) -> Span:
    return Span(b"t" * 16, b"s" * 8, b"", name, Kind.CLIENT, START, START + 10**9, status, message,
                attributes, [Event(event, START + 250_000_000, about)
                             for event, about in (events or {}).items()],
                Resource({"service.name": "app"}), Scope(scope))


def call(attributes: Attributes, scope: str = "app", **fields: Any) -> ModelCall:
    fact = facts_of(span({**CHAT, **attributes}, scope, **fields))
    assert isinstance(fact, ModelCall)
    return fact


@pytest.mark.parametrize(("attributes", "usage"), [
    ({}, Usage()),
    ({"gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 0}, Usage(30, output=0)),
    ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}, Usage()),
    ({"gen_ai.usage.prompt_tokens": 30.0, "gen_ai.usage.completion_tokens": "7"},
     Usage(30, output=7)),
    ({"gen_ai.usage.input_tokens": -1, "gen_ai.usage.output_tokens": 7}, Usage(output=7)),
    ({"gen_ai.usage.input_tokens": True, "gen_ai.usage.output_tokens": 2**60}, Usage()),
    # The sender left cached tokens out of the input, and reasoning out of the output.
    ({"gen_ai.usage.input_tokens": 40, "gen_ai.usage.output_tokens": 24,
      "gen_ai.usage.cache_read.input_tokens": 1000, "gen_ai.usage.cache_write.input_tokens": 300},
     Usage(1340, 1000, 300, 24)),
    ({"gen_ai.usage.input_tokens": 1340, "gen_ai.usage.output_tokens": 24,
      "gen_ai.usage.cache_read.input_tokens": 1000, "gen_ai.usage.cache_write.input_tokens": 300},
     Usage(1340, 1000, 300, 24)),
    ({"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 72,
      "gen_ai.usage.reasoning.output_tokens": 128}, Usage(60, output=200, reasoning=128)),
    # Its own total says so, though neither is more than the rest.
    ({"gen_ai.usage.input_tokens": 400, "gen_ai.usage.output_tokens": 24,
      "gen_ai.usage.total_tokens": 464, "gen_ai.usage.cache_read.input_tokens": 30,
      "gen_ai.usage.cache_write.input_tokens": 10}, Usage(440, 30, 10, 24)),
    ({"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 24,
      "gen_ai.usage.total_tokens": 92, "gen_ai.usage.reasoning.output_tokens": 8},
     Usage(60, output=32, reasoning=8)),
    ({"gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 24,
      "gen_ai.usage.total_tokens": 84, "gen_ai.usage.cache_read.input_tokens": 40},
     Usage(60, 40, output=24)),
])
def test_tokens_are_counted_as_opentelemetry_counts_them(
        attributes: Attributes, usage: Usage) -> None:
    assert call(attributes).usage == usage


@pytest.mark.parametrize(("model", "tokens"), [
    ("us.anthropic.claude-sonnet-4-20250514-v1:0", 440), ("amazon.nova-lite-v1:0", 440),
    ("gemini-2.5-flash", 400)])  # whose total has thoughts besides
def test_the_input_of_bedrock_by_strands_has_what_only_the_total_has(
        model: str, tokens: int) -> None:
    assert call({"gen_ai.request.model": model, "gen_ai.usage.input_tokens": 400,
                 "gen_ai.usage.output_tokens": 24, "gen_ai.usage.total_tokens": 464},
                "strands.telemetry.tracer").usage == Usage(tokens, output=24)


@pytest.mark.parametrize(("attributes", "scope", "seconds"), [
    ({"gen_ai.response.time_to_first_chunk": 0.25}, "app", 0.25),
    ({"gen_ai.response.time_to_first_chunk": 2.5}, "app", None),  # beyond its span
    ({"gen_ai.response.time_to_first_chunk": 0.25, "gen_ai.request.stream": False}, "app", None),
    ({"gen_ai.response.time_to_first_chunk": 0.01, "gen_ai.response.id": "resp_1"}, "app", None),
    ({"gen_ai.server.time_to_first_token": 274}, "strands.telemetry.tracer", 0.274),
    ({"gen_ai.server.time_to_first_token": 1.0}, "openlit.otel.tracing", None),
    ({"gen_ai.server.time_to_first_token": 0.25, "gen_ai.request.stream": True},
     "openlit.otel.tracing", 0.25),
    ({"ai.response.msToFirstChunk": 271.3}, "ai", 0.2713),
])
def test_a_time_to_first_token_is_a_streams_and_within_it(
        attributes: Attributes, scope: str, seconds: float | None) -> None:
    read = call(attributes, scope).time_to_first_token
    assert read == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(("written", "seconds"), [
    ("2027-01-15T08:00:00.25", 0.25), ("2027-01-15T13:45:00.25", 0.25),
    ("2027-01-14T20:30:00.25", 0.25), ("2027-01-15T09:00:00.25+01:00", 0.25),
    ("2027-01-15T08:00:02", None), ("2027-01-15T07:59:59", None), ("2027-01-16T08:00:00.25", None),
    ("2027-01-15T09:00:00.25+00:00", None), ("soon", None), (None, None)])
def test_a_first_tokens_time_may_be_the_senders_local_one(
        written: str | None, seconds: float | None) -> None:
    output = {"replies": [{"meta": {"completion_start_time": written}}]}
    fact = facts_of(span({"haystack.component.type": "OpenAIChatGenerator",
                          "haystack.component.output": json.dumps(output)}, "haystack"))
    assert isinstance(fact, ModelCall)
    assert fact.time_to_first_token == seconds


@pytest.mark.parametrize(("minutes", "offset"), [(14, 60 * 10**9), (15, None)])
def test_a_local_time_within_a_span_of_many_minutes_is_unknown(
        minutes: int, offset: int | None) -> None:
    read = moment("2027-01-15T10:01:00", START, START + minutes * 60 * 10**9)
    assert read == (None if offset is None else START + offset)


@pytest.mark.parametrize(("names", "message", "error", "outcome"), [
    (("429",), "", ErrorType.RATE_LIMIT, Outcome.REJECTED),
    (("openai.RateLimitError",), "", ErrorType.RATE_LIMIT, Outcome.REJECTED),
    (("rate_limit_error",), "", ErrorType.RATE_LIMIT, Outcome.REJECTED),
    (("_OTHER", "Exception"), "Error code: 429 - slow down", ErrorType.RATE_LIMIT,
     Outcome.REJECTED),
    (("AI_APICallError",), "Rate limit reached", ErrorType.RATE_LIMIT, Outcome.REJECTED),
    (("AI_APICallError",), "", ErrorType.SERVER, Outcome.ERROR),
    (("litellm.exceptions.InternalServerError",), "", ErrorType.SERVER, Outcome.ERROR),
    (("BadRequestError",), "maximum context length", ErrorType.CONTEXT_LENGTH, Outcome.INVALID),
    (("BadRequestError",), "no such tool", ErrorType.BAD_REQUEST, Outcome.INVALID),
    (("ContextWindowExceededError",), "", ErrorType.CONTEXT_LENGTH, Outcome.INVALID),
    (("AuthenticationError",), "", ErrorType.AUTHENTICATION, Outcome.INVALID),
    (("PermissionDeniedError",), "", ErrorType.PERMISSION, Outcome.INVALID),
    (("NotFoundError",), "", ErrorType.NOT_FOUND, Outcome.INVALID),
    (("APITimeoutError",), "", ErrorType.TIMEOUT, Outcome.ERROR),
    (("APIConnectionError",), "", ErrorType.CONNECTION, Outcome.ERROR),
    (("OverloadedError",), "", ErrorType.OVERLOADED, Outcome.ERROR),
    (("GeneratorExit",), "", ErrorType.ABANDONED, Outcome.ABORT),
    (("asyncio.CancelledError",), "", ErrorType.CANCELLED, Outcome.ABORT),
    (("ValueError",), "no such city", ErrorType.OTHER, Outcome.ERROR),
    (("-32602",), "", ErrorType.BAD_REQUEST, Outcome.INVALID),
    (("MCPError", "-32601"), "", ErrorType.NOT_FOUND, Outcome.INVALID),
    (("-32603",), "", ErrorType.SERVER, Outcome.ERROR),
    (("-32001",), "", ErrorType.TIMEOUT, Outcome.ERROR),
    (("-31999",), "", ErrorType.OTHER, Outcome.ERROR),
])
def test_errors_have_closed_names_and_somebodys_fault(
        names: tuple[str, ...], message: str, error: ErrorType, outcome: Outcome) -> None:
    assert error_of(names, message) is error
    assert outcome_of(error) is outcome


def test_an_answer_that_is_there_is_a_success_whatever_is_around_it() -> None:
    answered: dict[str, Any] = {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 9,
                "gen_ai.response.finish_reasons": ["stop"]}
    assert call(answered, status=Status.ERROR, message="Rate limit").outcome is Outcome.SUCCESS
    assert call({}, status=Status.ERROR, message="Rate limit").outcome is Outcome.REJECTED


def test_a_content_filter_is_a_success_that_was_refused() -> None:
    filtered = call({"gen_ai.response.finish_reasons": ["content_filter"]})
    assert (filtered.outcome, filtered.refused) == (Outcome.SUCCESS, True)


def test_an_operation_that_no_table_knows_is_a_call_only_with_an_answer() -> None:
    unheard = {"gen_ai.operation.name": "ponder", "gen_ai.request.model": "m"}
    assert facts_of(span(unheard)) is None
    assert isinstance(facts_of(span({**unheard, "gen_ai.response.id": "r"})), ModelCall)


@pytest.mark.parametrize(("attributes", "kind"), [
    ({"spring.ai.kind": "tool_call", "spring.ai.tool.definition.name": "clock"}, ToolCall),
    ({"spring.ai.kind": "vector_store", "db.operation.name": "query"}, Retrieval),
    ({"spring.ai.kind": "vector_store", "db.operation.name": "add"}, type(None)),
    ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "7"}, ModelCall),
])
def test_steps_of_spring_ai_are_what_they_say(attributes: Attributes, kind: type) -> None:
    assert isinstance(facts_of(span(attributes, "org.springframework.boot")), kind)


def test_the_scope_decides_before_any_attribute() -> None:
    attributes = {"gen_ai.operation.name": "chat", "openinference.span.kind": "AGENT"}
    assert isinstance(facts_of(span(attributes, "openinference.instrumentation.x")), AgentRun)
    assert isinstance(facts_of(span(attributes, "strands.telemetry.tracer")), ModelCall)
    assert isinstance(facts_of(span(attributes, "my-app")), AgentRun)


def test_a_failed_tool_without_a_known_error_failed_as_a_tool() -> None:
    fact = facts_of(span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"},
                         events={"exception": {"exception.type": "ValueError"}}))
    assert isinstance(fact, ToolCall)
    assert (fact.error_type, fact.tool) == (ErrorType.TOOL, "t")


def test_content_and_ids_are_kept_as_a_deployment_wants_them() -> None:
    asked = {**CHAT, "gen_ai.input.messages": "[]", "my.request": "r-1", "app.user": "u-1"}
    wishes = Wishes(content=True, request_id_attributes=("my.request",),
                    user_attributes=("app.user",))
    wanting, plain = facts_of(span(asked), wishes), facts_of(span(asked))
    assert isinstance(wanting, ModelCall)
    assert isinstance(plain, ModelCall)
    assert (wanting.content, wanting.request_id, wanting.user) == (
        {"gen_ai.input.messages": "[]"}, "r-1", "u-1")
    assert (plain.content, plain.request_id, plain.user) == ({}, "", "")


def test_attributes_of_a_deployments_own_are_read_from_bodies() -> None:
    body, encoding = next(bodies("google-adk-2.13.0"))
    own = "gcp.vertex.agent.event_id"
    read = [attributes for each_span in decode_traces(body, encoding, also=(own,)).spans
            if own in (attributes := each_span.attributes)]
    assert read
    assert not any(own in each_span.attributes
                   for each_span in decode_traces(body, encoding).spans)


def test_nothing_heavy_is_imported_until_a_body_of_protobuf_comes() -> None:
    code = ("import sys; import inferometer.spans.otlp as o, inferometer.spans.once, "
            "inferometer.spans.normalise; list(o.decode_traces(b'{}', 'json').spans); "
            "print([m for m in sys.modules if m.startswith(('google.protobuf', 'opentelemetry'))])")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             check=True, timeout=60)
    assert printed.stdout.strip() == "[]"


def test_a_star_in_a_name_stands_for_any_provider() -> None:
    raw = {"llm.openai.model": "m-2026", "llm.openai.id": "r"}
    fact = facts_of(span(raw, "litellm", "raw_gen_ai_request"))
    assert isinstance(fact, ModelCall)
    assert (fact.response_model, fact.response_id) == ("m-2026", "r")


@pytest.mark.parametrize(("attributes", "scope", "name", "method"), [
    ({"mcp.method.name": "resources/read", "mcp.resource.uri": "file:///a"}, "app", "x",
     "resources/read"),
    ({"mcp.method.name": "ping"}, "Experimental.ModelContextProtocol", "ping", "ping"),
    ({"traceloop.entity.input": "{}"}, "opentelemetry.instrumentation.mcp.instrumentation",
     "prompts/get.mcp", "prompts/get"),
    ({"mcp.method": "list_tools"}, "openlit.instrumentation.mcp", "mcp tools/list", "tools/list"),
    ({"mcp.request.payload": """{"method": "send_request", "params": {"args": [
        "root=PingRequest(method='ping', params=None)"]}}"""}, "openlit.instrumentation.mcp",
     "mcp transport/request", "ping"),
    ({"mcp.method.name": "x" * 999}, "mcp-python-sdk", "x", "x" * 256),
])
def test_an_operation_over_mcp_has_its_method(
        attributes: Attributes, scope: str, name: str, method: str) -> None:
    fact = facts_of(span(attributes, scope, name))
    assert isinstance(fact, McpOperation)
    assert fact.method == method


@pytest.mark.parametrize(("attributes", "scope", "protocol"), [
    ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "f"}, "mcp-python-sdk", "mcp"),
    # An agent's span of the tool, to which what saw its call over MCP has added.
    ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f",
      "mcp.method.name": "tools/call"}, "opentelemetry.instrumentation.genai.x", "mcp"),
    ({"traceloop.span.kind": "tool", "traceloop.entity.name": "f"},
     "opentelemetry.instrumentation.mcp.instrumentation", "mcp"),
    ({"traceloop.span.kind": "tool", "traceloop.entity.name": "f"},
     "opentelemetry.instrumentation.langchain", ""),
    ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}, "app", ""),
])
def test_a_tool_is_called_over_mcp_where_its_span_or_its_sender_says_so(
        attributes: Attributes, scope: str, protocol: str) -> None:
    fact = facts_of(span(attributes, scope, "execute_tool f"))
    assert isinstance(fact, ToolCall)
    assert (fact.tool, fact.protocol) == ("f", protocol)


@pytest.mark.parametrize(("attributes", "tool"), [
    ({"mcp.tool.name": "f"}, "f"),
    ({"mcp.request.payload": '{"params": {"args": ["f", {}]}}'}, "f"),
    ({}, ""),  # without content a name that is given by its place is not kept
])
def test_a_tool_that_openlit_saw_has_the_name_that_is_kept(
        attributes: Attributes, tool: str) -> None:
    fact = facts_of(span({"mcp.system": "mcp", **attributes}, "openlit.instrumentation.mcp",
                         "mcp tools/call"))
    assert isinstance(fact, ToolCall)
    assert (fact.tool, fact.protocol, fact.outcome) == (tool, "mcp", Outcome.SUCCESS)


def test_what_openlit_tells_of_a_server_is_the_call_and_not_how_it_was_set_up() -> None:
    settled = scenarios("openlit-mcp-1.45.0+mcp-1.30.0")[""]
    assert [(step.fact.method, step.fact.service_name, step.fact.outcome)
            for one in settled for step in one.operations] == [
        ("tools/call", "weather-server", Outcome.SUCCESS)]
    assert len(settled) > 5  # traces of handlers that were registered
