"""LiteLLM's OpenTelemetry callback. It writes a call onto its caller's span where there is one.

Source: BerriAI/litellm, litellm/integrations/opentelemetry.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.table import (
    CALL,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    GENERATE,
    NOTHING,
    RERANK,
    Means,
    StepKind,
    Steps,
    inside,
)
from inferometer.spans.span import Span
from inferometer.spans.vocabulary import fits

_MEANS = {
    "completion": CHAT, "responses": CHAT, "anthropic_messages": CHAT, "generate_content": GENERATE,
    "text_completion": COMPLETION, "embedding": EMBEDDINGS, "rerank": RERANK,
    "image_generation": Means(StepKind.CALL, "image_generation"),
}
_AWAITED = {f"a{name}": means for name, means in _MEANS.items()}
_LEFT_OUT = {name: NOTHING for name in (
    "moderation", "transcription", "speech", "search", "pass_through_endpoint", "create_batch",
    "retrieve_batch", "create_file", "file_content", "file_list", "file_retrieve", "file_delete")}


def _raw(span: Span) -> Means | None:
    """The provider's own answer: `raw_gen_ai_request`, but a caller may name it otherwise."""
    attributes = span.attributes
    if "gen_ai.operation.name" in attributes or "llm.request.type" in attributes:
        return None
    return CALL if any(fits(key, "llm.", ".model") for key in attributes) else None


LITELLM = GENAI.but(
    "LiteLLM",
    scopes=("litellm*",),
    marks=("litellm.call_id", "llm.request.type"),
    names={"raw_gen_ai_request": CALL},
    odd=_raw,
    asked=(*GENAI.asked, "llm.request.functions.*"),
    steps=(Steps("gen_ai.operation.name", {**_AWAITED, **_LEFT_OUT}), *GENAI.steps,
           Steps("llm.request.type", {**_MEANS, **_AWAITED})),
    fields={
        "input": (inside("llm.*.usage", "prompt_tokens"), inside("llm.*.usage", "input_tokens")),
        "cached": (inside("llm.*.usage", "prompt_tokens_details", "cached_tokens"),
                   inside("llm.*.usage", "input_tokens_details", "cached_tokens"),
                   inside("llm.*.usage", "cache_read_input_tokens"),
                   inside("metadata.usage_object", "prompt_tokens_details", "cached_tokens")),
        "cache_write": (inside("llm.*.usage", "cache_creation_input_tokens"),
                        inside("metadata.usage_object", "cache_creation_input_tokens")),
        "output": (inside("llm.*.usage", "completion_tokens"),
                   inside("llm.*.usage", "output_tokens")),
        "reasoning": (inside("llm.*.usage", "completion_tokens_details", "reasoning_tokens"),
                      inside("llm.*.usage", "output_tokens_details", "reasoning_tokens"),
                      inside("metadata.usage_object", "completion_tokens_details",
                             "reasoning_tokens")),
        "response_id": ("llm.*.id",),
        "response_model": ("llm.*.model",),
        "user": ("metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id",
                 "llm.user", "llm.*.user"),
    },
)
