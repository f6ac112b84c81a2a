"""Spans and log records to facts, by the table of whoever made them: at most one fact each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from inferometer.facts import (
    MCP,
    AgentRun,
    EngineCall,
    ErrorType,
    Fact,
    McpOperation,
    ModelCall,
    Rerank,
    Retrieval,
    ToolCall,
    Usage,
)
from inferometer.spans.flavours.databases import known_system, system_of
from inferometer.spans.flavours.reading import count, moment, number, truth
from inferometer.spans.flavours.table import Flavour, StepKind
from inferometer.spans.reader import SpanReader, Wishes
from inferometer.spans.reordering import MOST_COMPARED, disagreement, identity, top_changed
from inferometer.spans.shape import shape_of
from inferometer.spans.span import Span

_NO_WISHES = Wishes()
_NO_USAGE = Usage()
_TOLERANCE = 0.005  # seconds that a time to first token may lie beyond its span
_REFUSALS = frozenset(("content_filter", "refusal", "safety", "content-filter", "blocklist",
                       "prohibited_content", "spii", "guardrail_intervened",
                       "content_filtered"))


def facts_of(span: Span, wishes: Wishes = _NO_WISHES) -> Fact | None:
    """What the span says happened; None where it is no step of an LLM application."""
    shape = shape_of(span)
    means = None if shape is None else shape.means(span)
    if shape is None or means is None or means.kind is StepKind.NOTHING:
        return None
    return _MAKERS[means.kind](SpanReader(span, shape, means, wishes))


def fact_of(reader: SpanReader) -> Fact:
    """The same of a span that is read already, and is a step."""
    return _MAKERS[reader.means.kind](reader)


def _call(reader: SpanReader) -> ModelCall:
    flavour, span, field = reader.flavour, reader.span, reader.texts.get
    usage = _usage(reader)
    finish_reason = field("finish_reason", "").strip('[]"')
    response_id = field("response_id", "") \
        or (flavour.response_id(span) if flavour.response_id is not None else "")
    first_token, streamed = _first_token(reader)
    if first_token is not None and flavour.first_event and (response_id.startswith("resp_") or (
            flavour.responses is not None and flavour.responses(span))):
        first_token = None
    error = reader.error()
    if error is ErrorType.NONE and streamed and usage.output is None and (
            finish_reason == "error" or (not finish_reason and _tells_finish(flavour, span))):
        error = ErrorType.TRUNCATED
    refusal = "provider" if finish_reason.lower() in _REFUSALS else "field" if (
        flavour.refused is not None and flavour.refused(span)) else ""
    return ModelCall(
        *reader.common(error), operation=reader.means.operation, provider=field("provider", ""),
        request_model=field("request_model", ""), response_model=field("response_model", ""),
        usage=usage, streamed=streamed, time_to_first_token=first_token,
        finish_reason=finish_reason, refused=bool(refusal), refusal=refusal,
        response_id=response_id,
        request_id=reader.chosen(reader.wishes.request_id_attributes, "request_id"),
        prompt_name=field("prompt_name", ""), prompt_version=field("prompt_version", ""),
        server_address=field("server_address", ""), service_tier=field("service_tier", ""))


def _tells_finish(flavour: Flavour, span: Span) -> bool:
    scope = span.scope.name
    return scope in flavour.tells_finish or f"{scope}|{span.name}" in flavour.tells_finish


def _usage(reader: SpanReader) -> Usage:
    """Tokens as OpenTelemetry counts them: cached ones are input, reasoning ones are output."""
    read: Callable[[str], int | None] = reader.counts.get
    if reader.flavour.usage is not None and (parsed := reader.flavour.usage(reader.span)):
        def read(field: str) -> int | None:
            return count(parsed.get(field)) if field in parsed else reader.counts.get(field)
    tokens, output = read("input"), read("output")
    if not tokens and not output:
        return _NO_USAGE  # no call has neither: a sender that writes 0 for what it does not know
    cached, written, reasoning = read("cached"), read("cache_write"), read("reasoning")
    if tokens is not None:
        if cached is not None and cached > tokens:
            tokens += cached + (written or 0)  # the sender left them out
        elif written is not None and written > tokens:
            tokens += written
    if output is not None and reasoning is not None and reasoning > output:
        output += reasoning
    if tokens is not None and output is not None and (total := read("total")) is not None:
        missing = total - tokens - output  # what a sender left out is in its own total
        if missing > 0 and missing == (cached or 0) + (written or 0):
            tokens += missing
        elif missing > 0 and missing == reasoning:
            output += missing
    estimated = reader.flavour.estimated is not None and reader.flavour.estimated(reader.span)
    return Usage(tokens, cached, written, output, reasoning, estimated)


def _first_token(reader: SpanReader) -> tuple[float | None, bool | None]:
    """Seconds from the start to the first token, and whether the call streamed."""
    flavour, span = reader.flavour, reader.span
    streamed = truth(reader.raw.get("streamed"))
    if flavour.always_streams:
        streamed = True
    if streamed is False:
        return None, False
    seconds = number(reader.raw.get("time_to_first_token"))
    if seconds is None and span.start:
        began = moment(reader.raw["first_token"], span.start, span.end) \
            if "first_token" in reader.raw else None
        for event in span.events:
            if event.name in flavour.first_token_events:
                began = event.time
        seconds = None if began is None else (began - span.start) / 1e9
    if seconds is None or (streamed is None and flavour.says_streamed):
        return None, streamed
    if not flavour.least_first_token <= seconds <= (span.end - span.start) / 1e9 + _TOLERANCE:
        return None, True
    return seconds, True


def _engine(reader: SpanReader) -> EngineCall:
    def seconds(field: str) -> float | None:
        return number(reader.raw.get(field))
    return EngineCall(*reader.common(reader.error()), response_id=reader.text("response_id"),
                      usage=_usage(reader), time_to_first_token=seconds("time_to_first_token"),
                      queue=seconds("queue"), prefill=seconds("prefill"),
                      decode=seconds("decode"))


def _run(reader: SpanReader) -> AgentRun:
    return AgentRun(*reader.common(reader.error()), agent=reader.text("agent"),
                    kind=reader.means.kind, usage=_usage(reader), provider=reader.text("provider"),
                    model=reader.text("response_model") or reader.text("request_model"))


def _tool(reader: SpanReader) -> ToolCall:
    protocol = MCP if "mcp.method.name" in reader.attributes else reader.flavour.protocol
    tool = reader.text("tool") or _tool_name(reader.span.name)
    if reader.flavour.tool_name is not None:
        tool = reader.flavour.tool_name(tool)
    return ToolCall(*reader.common(reader.error()), tool=tool,
                    call_id=reader.text("call_id"), protocol=protocol)


def _operation(reader: SpanReader) -> McpOperation:
    method = reader.flavour.method(reader.span) if reader.flavour.method is not None \
        else reader.text("method") or reader.span.name.removesuffix(".mcp")
    return McpOperation(*reader.common(reader.error()), method=method,
                        target=reader.text("prompt_name"))


def _tool_name(span_name: str) -> str:
    """The tool in a span's name: `tools/call NAME`, `execute_tool NAME`, `NAME.tool`."""
    for mark in ("tools/call ", "execute_tool "):
        _, beyond, name = span_name.partition(mark)
        if beyond:
            return name
    return span_name.removesuffix(".tool")


def _retrieval(reader: SpanReader) -> Retrieval:
    listed = reader.flavour.documents(reader.span) if reader.flavour.documents else None
    return Retrieval(*reader.common(reader.error()), system=_system(reader),
                     documents=reader.counts.get("documents") if listed is None else len(listed))


def _system(reader: SpanReader) -> str:
    """What was searched; who provides it may be somebody that is no database."""
    return system_of(reader.text("system")) or known_system(reader.text("store"))


def _rerank(reader: SpanReader) -> Rerank:
    before, after = reader.flavour.reranked(reader.span) if reader.flavour.reranked \
        else (None, None)
    fact = Rerank(*reader.common(reader.error()), model=reader.text("model"),
                  documents=None if before is None else len(before))
    if before is None or after is None or max(len(before), len(after)) > MOST_COMPARED:
        return fact
    orders = [*map(identity, before)], [*map(identity, after)]
    return replace(fact, disagreement=disagreement(*orders), top_changed=top_changed(*orders))


_MAKERS: Mapping[StepKind, Callable[[SpanReader], Fact]] = {
    StepKind.CALL: _call, StepKind.ENGINE: _engine, StepKind.AGENT: _run,
    StepKind.WORKFLOW: _run, StepKind.CHAIN: _run, StepKind.TOOL: _tool,
    StepKind.MCP: _operation,
    StepKind.RETRIEVAL: _retrieval, StepKind.RERANK: _rerank,
}
