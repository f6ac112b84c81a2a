"""OpenLLMetry, Traceloop's instrumentations: GenAI names, and their own for what is above a call.

Source: traceloop/openllmetry, packages/opentelemetry-semantic-conventions-ai.
"""

from __future__ import annotations

import re

from inferometer.spans.flavours.genai import GENAI, OPERATIONS, REQUEST_TYPES, with_cached
from inferometer.spans.flavours.reading import (
    Documents,
    count,
    document,
    listing,
    numbered,
    step_into,
    text,
)
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    MCP_OPERATION,
    NOTHING,
    TOOL,
    WORKFLOW,
    Means,
    Steps,
)
from inferometer.spans.span import Span

_OWN_STEPS = Steps("traceloop.span.kind", {
    "workflow": WORKFLOW,
    "task": CHAIN,
    "agent": AGENT,
    "tool": TOOL,
}, otherwise=NOTHING)


def _documents(span: Span) -> Documents:
    output = document(span.attributes.get("traceloop.entity.output"))
    parsed = listing(step_into(output, ("documents",)))
    return parsed if parsed is not None else listing(output)


def _with_thoughts(span: Span) -> dict[str, object]:
    """Gemini's count of output leaves out its thoughts, which are in the total alone."""
    tokens, output, total = (count(span.attributes.get(f"gen_ai.usage.{name}_tokens"))
                             for name in ("input", "output", "total"))
    if tokens is None or output is None or total is None or total <= tokens + output:
        return {}
    return {"output": total - tokens, "reasoning": total - tokens - output}


def _operation(span: Span) -> Means | None:
    """The method of what is no tool is in the span's name alone."""
    return MCP_OPERATION if span.name.endswith(".mcp") else None


_PLACE = re.compile(r"Doc ([0-9]{1,6}), Score: ")


def _reranked(span: Span) -> tuple[Documents, Documents]:
    """Each document of the answer has its place among what was given, which the query ends."""
    given = numbered(span.attributes, "gen_ai.prompt.")
    answer = numbered(span.attributes, "gen_ai.completion.")
    places = None if answer is None else [
        match[1] for one in answer
        if (match := _PLACE.match(text(step_into(one, ("content",)))))]
    return None if given is None else [*map(str, range(len(given) - 1))], places


OPENLLMETRY = GENAI.but(
    "OpenLLMetry",
    scopes=("opentelemetry.instrumentation.openai.v*", "opentelemetry.instrumentation.langchain*",
            "opentelemetry.instrumentation.anthropic*", "opentelemetry.instrumentation.mistralai*",
            "opentelemetry.instrumentation.ollama*", "opentelemetry.instrumentation.groq*",
            "opentelemetry.instrumentation.together*",
            "opentelemetry.instrumentation.replicate*", "opentelemetry.instrumentation.writer*",
            "opentelemetry.instrumentation.watsonx*", "opentelemetry.instrumentation.alephalpha*",
            "opentelemetry.instrumentation.sagemaker*",
            "opentelemetry.instrumentation.transformers*",
            "opentelemetry.instrumentation.llamaindex*", "opentelemetry.instrumentation.haystack*",
            "opentelemetry.instrumentation.crewai*", "opentelemetry.instrumentation.agno*",
            "opentelemetry.instrumentation.openai_agents*",
            "opentelemetry.instrumentation.voyageai*", "traceloop.*"),
    marks=("traceloop.span.kind", "traceloop.entity.name"),
    steps=(OPERATIONS, _OWN_STEPS, REQUEST_TYPES),
    first_token_events=("gen_ai.content.completion.chunk", "llm.content.completion.chunk"),
    documents=_documents,
    tells_finish=("opentelemetry.instrumentation.openai.v1|openai.chat",),
    long=("traceloop.entity.output",),
    content=(*GENAI.content, "traceloop.entity.input", "traceloop.entity.output"),
    asked=(*GENAI.asked, "gen_ai.request.structured_output_schema"),
    retrieved=(*GENAI.retrieved, "traceloop.entity.output"),
    fields={
        "input": ("llm.usage.prompt_tokens",),
        "output": ("llm.usage.completion_tokens",),
        "cached": ("llm.usage.cache_read_input_tokens",),
        "cache_write": ("llm.usage.cache_creation_input_tokens",),
        "reasoning": ("llm.usage.reasoning_tokens",),
        "streamed": ("llm.is_streaming",),
        "conversation": ("traceloop.association.properties.session_id",
                         "traceloop.association.properties.thread_id"),
        "user": ("traceloop.association.properties.user_id", "llm.user"),
        "prompt_name": ("traceloop.prompt.key",),
        "prompt_version": ("traceloop.prompt.version",),
        "agent": ("gen_ai.agent.name", "traceloop.entity.name", "traceloop.workflow.name"),
        "tool": ("gen_ai.tool.name", "traceloop.entity.name"),
        "store": ("traceloop.association.properties.ls_vector_store_provider",),
        "finish_reason": ("llm.response.finish_reason", "llm.response.stop_reason"),
    },
)

OPENLLMETRY_BEDROCK = OPENLLMETRY.but(
    "OpenLLMetry, Bedrock", scopes=("opentelemetry.instrumentation.bedrock*",), marks=(),
    usage=with_cached)

OPENLLMETRY_GEMINI = OPENLLMETRY.but(
    "OpenLLMetry, Gemini", marks=(), usage=_with_thoughts,
    scopes=("opentelemetry.instrumentation.google_generativeai*",
            "opentelemetry.instrumentation.vertexai*"))

# Cohere's streams begin with an event that has no token.
OPENLLMETRY_COHERE = OPENLLMETRY.but(
    "OpenLLMetry, Cohere", scopes=("opentelemetry.instrumentation.cohere*",), marks=(),
    first_token_events=(), reranked=_reranked,
    reads=("gen_ai.prompt.*.role", "gen_ai.completion.*.content"))

OPENLLMETRY_MCP = OPENLLMETRY.but(
    "OpenLLMetry, MCP", scopes=("opentelemetry.instrumentation.mcp*",), marks=(), odd=_operation,
    protocol="mcp")
