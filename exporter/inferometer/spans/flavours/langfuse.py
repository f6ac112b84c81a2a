"""Langfuse's SDKs, 3 and later.

Source: langfuse/langfuse-python, langfuse/_client/attributes.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, count, document, listing
from inferometer.spans.flavours.table import (
    AGENT,
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

_USAGE = "langfuse.observation.usage_details"


def _documents(span: Span) -> Documents:
    return listing(span.attributes.get("langfuse.observation.output"))


def _usage(span: Span) -> dict[str, object]:
    """LangChain's handler takes details out of their sum; the total tells that it did."""
    parsed = document(span.attributes.get(_USAGE))
    if not isinstance(parsed, dict) or count(parsed.get("input")) is None:
        return {}
    sums = {}
    for side in ("input", "output"):
        sums[side] = (count(parsed.get(side)) or 0) + sum(
            count(value) or 0 for name, value in parsed.items()
            if name.startswith(f"{side}_") and "priority" not in name)
    taken_out = count(parsed.get("total")) == sums["input"] + sums["output"]
    return {**sums} if taken_out else {}


def _responses(span: Span) -> bool:
    """Whether it is OpenAI's Responses that were called: they name tokens otherwise."""
    parsed = document(span.attributes.get(_USAGE))
    return isinstance(parsed, dict) and "input_tokens_details" in parsed


LANGFUSE = GENAI.but(
    "Langfuse",
    scopes=("langfuse*",),
    marks=("langfuse.observation.type",),
    steps=(Steps("langfuse.observation.type", {
        "generation": CHAT,
        "embedding": EMBEDDINGS,
        "agent": AGENT,
        "chain": CHAIN,
        "tool": TOOL,
        "retriever": RETRIEVAL,
        "evaluator": CHAIN,
        "guardrail": CHAIN,
        "span": CHAIN,
        "event": NOTHING,
    }, otherwise=NOTHING), *GENAI.steps),
    fields={
        "request_model": ("langfuse.observation.model.name",),
        "response_model": ("langfuse.observation.model.name",),
        "input": (inside(_USAGE, "input"), inside(_USAGE, "prompt_tokens"),
                  inside(_USAGE, "input_tokens")),
        "cached": (inside(_USAGE, "prompt_tokens_details", "cached_tokens"),
                   inside(_USAGE, "prompt_tokens_details.cached_tokens"),
                   inside(_USAGE, "input_cached_tokens"), inside(_USAGE, "input_cache_read"),
                   inside(_USAGE, "input_tokens_details", "cached_tokens"),
                   inside(_USAGE, "cache_read_input_tokens")),
        "cache_write": (inside(_USAGE, "cache_creation_input_tokens"),
                        inside(_USAGE, "input_cache_creation")),
        "output": (inside(_USAGE, "output"), inside(_USAGE, "completion_tokens"),
                   inside(_USAGE, "output_tokens")),
        "reasoning": (inside(_USAGE, "completion_tokens_details", "reasoning_tokens"),
                      inside(_USAGE, "output_reasoning_tokens"),
                      inside(_USAGE, "output_tokens_details", "reasoning_tokens"),
                      inside(_USAGE, "output_reasoning")),
        "finish_reason": ("langfuse.observation.metadata.finish_reason",),
        "first_token": ("langfuse.observation.completion_start_time",),
        "conversation": ("session.id", "langfuse.session.id"),
        "user": ("user.id", "langfuse.user.id"),
        "prompt_name": ("langfuse.observation.prompt.name",),
        "prompt_version": ("langfuse.observation.prompt.version",),
        "failed": ("langfuse.observation.level",),
    },
    content=("langfuse.observation.input", "langfuse.observation.output"),
    answer=("langfuse.observation.output",),
    asked=("langfuse.observation.metadata.response_format", "langfuse.observation.input"),
    given=("langfuse.observation.input",),
    retrieved=("langfuse.observation.output",),
    documents=_documents,
    usage=_usage,
    responses=_responses,
    tells_finish=("langfuse-sdk|OpenAI-generation",),
    long=("langfuse.observation.output",),
)
