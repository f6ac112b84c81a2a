"""LlamaIndex's own OpenTelemetry integration: what happened stands in events, flattened.

Source: run-llama/llama_index, llama-index-integrations/observability/
llama-index-observability-otel and llama_index/core/instrumentation/events.
"""

from __future__ import annotations

import re

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, listing
from inferometer.spans.flavours.table import (
    CHAIN,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    NOTHING,
    RERANK,
    RETRIEVAL,
    TOOL,
    Flavour,
    Means,
    Origins,
    of_event,
)
from inferometer.spans.span import Span

_MEANS = {"LLMChatStartEvent": CHAT, "LLMCompletionStartEvent": COMPLETION,
          "EmbeddingStartEvent": EMBEDDINGS, "RetrievalStartEvent": RETRIEVAL,
          "ReRankStartEvent": RERANK, "QueryStartEvent": CHAIN}
_ENDS = ("LLMChatEndEvent", "LLMCompletionEndEvent")


def _by_event(span: Span) -> Means:
    for event in span.events:
        if event.name in _MEANS:
            return _MEANS[event.name]
    return TOOL if span.name in ("FunctionTool.call", "FunctionTool.acall") else NOTHING


def _documents(span: Span) -> Documents:
    for event in span.events:
        if event.name == "RetrievalEndEvent":
            return listing(event.attributes.get("nodes"))
    return None


def _reranked(span: Span) -> tuple[Documents, Documents]:
    nodes = {event.name: listing(event.attributes.get("nodes")) for event in span.events}
    return nodes.get("ReRankStartEvent"), nodes.get("ReRankEndEvent")


def _tool_name(summary: str) -> str:
    """The tool in the summary of a step's input."""
    match = re.search(r"tool_name='([^']+)'", summary)
    return match[1] if match else summary


def _ended(*names: str) -> Origins:
    return tuple(of_event(event, name) for event in _ENDS for name in names)


LLAMA_INDEX = Flavour(
    name="LlamaIndex",
    scopes=("llamaindex.opentelemetry*",),
    odd=_by_event,
    fields={
        "request_model": (of_event("LLMChatStartEvent", "model_dict.model"),
                          of_event("LLMCompletionStartEvent", "model_dict.model"),
                          of_event("EmbeddingStartEvent", "model_dict.model_name")),
        "response_model": _ended("response.raw.model"),
        "input": _ended("response.raw.usage.prompt_tokens", "response.raw.usage.input_tokens",
                        "response.additional_kwargs.prompt_tokens"),
        "cached": _ended("response.raw.usage.prompt_tokens_details.cached_tokens"),
        "output": _ended("response.raw.usage.completion_tokens",
                         "response.raw.usage.output_tokens",
                         "response.additional_kwargs.completion_tokens"),
        "reasoning": _ended("response.raw.usage.completion_tokens_details.reasoning_tokens"),
        "response_id": _ended("response.raw.id"),
        "tool": ("llamaindex.step.input_summary",),
        "model": (of_event("ReRankStartEvent", "model_name"),),
        "error": GENAI.fields["error"],
    },
    documents=_documents,
    reranked=_reranked,
    tool_name=_tool_name,
    events=(*_MEANS, *_ENDS, "RetrievalEndEvent", "ReRankEndEvent"),
)
