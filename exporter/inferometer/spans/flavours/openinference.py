"""OpenInference: Arize's instrumentations, which smolagents, agno and others use too.

Source: Arize-ai/openinference, spec/semantic_conventions.md.
"""

from __future__ import annotations

import re

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, document, numbered, step_into, text
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    NOTHING,
    RERANK,
    RETRIEVAL,
    TOOL,
    Flavour,
    Means,
    Steps,
    inside,
)
from inferometer.spans.span import Span

_RESPONSE_ID = re.compile(r'\s*\{\s*"id":\s*"([^"]{1,128})"')
_CACHED = re.compile(r'"(?:cached_tokens|cache_read_input_tokens)":\s*[1-9]')
_IN_ANSWER = (("cached", "prompt_tokens_details", "cached_tokens"),
              ("cached", "input_tokens_details", "cached_tokens"),
              ("cached", "cache_read_input_tokens"),
              ("cache_write", "cache_creation_input_tokens"))
_REFUSAL = re.compile(r'"refusal":\s*"[^"]')


def _documents(span: Span) -> Documents:
    """An empty list is only in the output, where that is kept."""
    if text(span.attributes.get("output.value")).strip() == "[]":
        return ()
    return numbered(span.attributes, "retrieval.documents.")


def _reranked(span: Span) -> tuple[Documents, Documents]:
    return (numbered(span.attributes, "reranker.input_documents."),
            numbered(span.attributes, "reranker.output_documents."))


def _refused(span: Span) -> bool:
    return bool(_REFUSAL.search(text(span.attributes.get("output.value"))))


def _no_call(span: Span) -> Means | None:
    """LlamaIndex's own bookkeeping has the kind of a call, a handoff and an end that of a tool."""
    name = span.name
    if name.endswith("._prepare_chat_with_tools") or name.startswith("handoff to "):
        return NOTHING
    if name == "finish.__call__" and span.scope.name == "openinference.instrumentation.dspy":
        return NOTHING
    return None


def _usage(span: Span) -> dict[str, object]:
    """What is only in the answer as it came: cached tokens, and all that embeddings have."""
    attributes = span.attributes
    answer = attributes.get("output.value")
    if "llm.token_count.prompt" in attributes:
        if "llm.token_count.prompt_details.cache_read" in attributes \
                or not _CACHED.search(text(answer)):
            return {}
        kept = document(answer)
        usage = step_into(kept, ("usage",)) or step_into(kept, ("data", "usage"))
        return {field: value for field, *path in _IN_ANSWER
                if (value := step_into(usage, path)) is not None}
    if attributes.get("openinference.span.kind") != "EMBEDDING":
        return {}
    output = document(answer)
    usage = step_into(output, ("usage",)) or step_into(output, ("meta", "usage"))
    return {"input": step_into(usage, ("prompt_tokens",))} if isinstance(usage, dict) else {}


def response_id(span: Span) -> str:
    """The id at the head of a response that is kept as it came."""
    match = _RESPONSE_ID.match(text(span.attributes.get("output.value"))[:512])
    return match[1] if match else ""


OPENINFERENCE = Flavour(
    name="OpenInference",
    scopes=("openinference.*", "@arizeai/openinference*"),
    marks=("openinference.span.kind",),
    steps=(Steps("openinference.span.kind", {
        "LLM": CHAT,
        "EMBEDDING": EMBEDDINGS,
        "RETRIEVER": RETRIEVAL,
        "RERANKER": RERANK,
        "TOOL": TOOL,
        "AGENT": AGENT,
        "CHAIN": CHAIN,
        "PROMPT": NOTHING,
        "GUARDRAIL": CHAIN,
        "EVALUATOR": CHAIN,
        "UNKNOWN": NOTHING,
    }, otherwise=NOTHING),),
    fields={
        **GENAI.fields,
        "provider": ("llm.provider", "llm.system", *GENAI.fields["provider"]),
        "request_model": (inside("llm.invocation_parameters", "model"),
                          *GENAI.fields["request_model"]),
        "response_model": ("llm.model_name", "embedding.model_name",
                           *GENAI.fields["response_model"]),
        "input": ("llm.token_count.prompt", *GENAI.fields["input"]),
        "cached": ("llm.token_count.prompt_details.cache_read", *GENAI.fields["cached"]),
        "cache_write": ("llm.token_count.prompt_details.cache_write",
                        *GENAI.fields["cache_write"]),
        "output": ("llm.token_count.completion", *GENAI.fields["output"]),
        "reasoning": ("llm.token_count.completion_details.reasoning",
                      *GENAI.fields["reasoning"]),
        "total": ("llm.token_count.total", *GENAI.fields["total"]),
        "streamed": (inside("llm.invocation_parameters", "stream"), *GENAI.fields["streamed"]),
        "finish_reason": ("llm.finish_reason", *GENAI.fields["finish_reason"]),
        "conversation": ("session.id", *GENAI.fields["conversation"]),
        "user": ("user.id", inside("llm.invocation_parameters", "user"), *GENAI.fields["user"]),
        "prompt_version": ("llm.prompt_template.version",),
        "agent": ("agent.name", "graph.node.id", *GENAI.fields["agent"]),
        "tool": ("tool.name", *GENAI.fields["tool"]),
        "call_id": ("tool_call.id", *GENAI.fields["call_id"]),
        "model": ("reranker.model_name",),
        "store": (inside("metadata", "ls_vector_store_provider"),),
    },
    first_token_events=("First Token Stream Event",),
    content=("input.value", "output.value"),
    answer=("output.value", "llm.output_messages.*"),
    asked=("llm.invocation_parameters", "llm.tools.*"),
    given=("input.value", "llm.input_messages.*"),
    retrieved=("retrieval.documents.*", "output.value"),
    odd=_no_call,
    documents=_documents,
    tells_finish=("openinference.instrumentation.openai|ChatCompletion",),
    first_event=True,
    reranked=_reranked,
    refused=_refused,
    usage=_usage,
    response_id=response_id,
    prefixes=("retrieval.documents", "reranker.input_documents", "reranker.output_documents"),
    long=("output.value",),
)
