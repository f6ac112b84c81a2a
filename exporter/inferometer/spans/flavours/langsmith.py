"""LangSmith's SDK with its OpenTelemetry exporter.

Source: langchain-ai/langsmith-sdk, python/langsmith/_internal/otel/_otel_exporter.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, document, listing, step_into
from inferometer.spans.flavours.table import (
    CHAIN,
    CHAT,
    EMBEDDINGS,
    NOTHING,
    RETRIEVAL,
    TOOL,
    Steps,
    inside,
)
from inferometer.spans.span import Span


def _documents(span: Span) -> Documents:
    output = document(span.attributes.get("gen_ai.completion"))
    parsed = listing(output)
    return parsed if parsed is not None else listing(step_into(output, ("output",)))


# Where LangChain's own answer has its usage.
_CHAIN = ("gen_ai.completion", "generations", "0", "0", "message", "kwargs", "usage_metadata")

LANGSMITH = GENAI.but(
    "LangSmith",
    scopes=("langsmith*",),
    marks=("langsmith.span.kind", "langsmith.trace.name"),
    steps=(Steps("langsmith.span.kind", {
        "llm": CHAT,
        "LLM": CHAT,
        "chain": CHAIN,
        "CHAIN": CHAIN,
        "tool": TOOL,
        "TOOL": TOOL,
        "retriever": RETRIEVAL,
        "RETRIEVER": RETRIEVAL,
        "embedding": EMBEDDINGS,
        "EMBEDDING": EMBEDDINGS,
        "prompt": NOTHING,
        "PROMPT": NOTHING,
        "parser": NOTHING,
        "PARSER": NOTHING,
    }, otherwise=NOTHING), *GENAI.steps),
    fields={
        "cached": (inside("gen_ai.usage.input_token_details", "cache_read"),
                   inside(*_CHAIN, "input_token_details", "cache_read", long=True)),
        "cache_write": (inside("gen_ai.usage.input_token_details", "cache_creation"),
                        inside(*_CHAIN, "input_token_details", "cache_creation", long=True)),
        "reasoning": (inside("gen_ai.usage.output_token_details", "reasoning"),
                      inside(*_CHAIN, "output_token_details", "reasoning", long=True)),
        "streamed": ("langsmith.request.streaming",),
        "conversation": ("langsmith.metadata.session_id", "langsmith.metadata.thread_id",
                         "langsmith.metadata.conversation_id"),
        "user": ("langsmith.metadata.user_id",),
    },
    documents=_documents,
    long=("gen_ai.completion",),
    content=(*GENAI.content, "gen_ai.prompt", "gen_ai.completion"),
    answer=("gen_ai.completion",),
    asked=("langsmith.metadata.ls_invocation_params", "gen_ai.prompt"),
    given=("gen_ai.prompt",),
    retrieved=("gen_ai.completion",),
)
