"""Logfire's own instrumentations of clients: a stream is a span, which ends early, and a log.

Source: pydantic/logfire, logfire/_internal/integrations/llm_providers.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.table import CHAT, NOTHING, Means, inside
from inferometer.spans.span import Span, Status

_REQUEST, _RESPONSE, _RAW = "request_data", "response_data", "gen_ai.usage.raw"
_ANSWER = (_RESPONSE, "gen_ai.response.id", "gen_ai.usage.input_tokens")


def _half(span: Span) -> Means | None:
    """Of a stream's two halves the log has the answer; the span counts only where it failed.

    Nothing but the want of an answer says that a span is the first half.
    """
    attributes = span.attributes
    kind = attributes.get("logfire.span_type")
    if kind == "pending_span":
        return NOTHING  # the same span again, before its end
    if kind == "log":
        return CHAT if span.name.startswith("streaming response") else NOTHING
    if _REQUEST not in attributes or any(name in attributes for name in _ANSWER):
        return None
    failed = span.status is Status.ERROR or any(event.name == "exception" for event in span.events)
    return None if failed else NOTHING


LOGFIRE = GENAI.but(
    "Logfire",
    scopes=("logfire*",),
    marks=("logfire.span_type",),
    odd=_half,
    answer=(*GENAI.answer, _RESPONSE),
    asked=(*GENAI.asked, _REQUEST),
    given=(*GENAI.given, _REQUEST),
    fields={
        "request_model": (inside(_REQUEST, "model", long=True),),
        "streamed": (inside(_REQUEST, "stream", long=True),),
        "duration": ("duration",),
        "input": (inside(_RESPONSE, "usage", "prompt_tokens", long=True),
                  inside(_RESPONSE, "usage", "input_tokens", long=True)),
        "cached": (inside(_RESPONSE, "usage", "prompt_tokens_details", "cached_tokens", long=True),
                   inside(_RESPONSE, "usage", "input_tokens_details", "cached_tokens", long=True),
                   inside(_RESPONSE, "usage", "cache_read_input_tokens", long=True)),
        "cache_write": (inside(_RESPONSE, "usage", "cache_creation_input_tokens", long=True),),
        "output": (inside(_RESPONSE, "usage", "completion_tokens", long=True),
                   inside(_RESPONSE, "usage", "output_tokens", long=True)),
        "reasoning": (inside(_RAW, "completion_tokens_details", "reasoning_tokens"),
                      inside(_RAW, "output_tokens_details", "reasoning_tokens"),
                      inside(_RESPONSE, "usage", "completion_tokens_details", "reasoning_tokens",
                             long=True),
                      inside(_RESPONSE, "usage", "output_tokens_details", "reasoning_tokens",
                             long=True)),
    },
)
