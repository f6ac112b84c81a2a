"""Claude Code's spans, which its agent SDK sends too. Cached tokens stand beside the input.

Source: captures of its spans in public repositories; it was not run here.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import count
from inferometer.spans.flavours.table import (
    AGENT,
    CHAT,
    NOTHING,
    TOOL,
    milliseconds,
)
from inferometer.spans.span import Span


def _usage(span: Span) -> dict[str, object]:
    attributes = span.attributes
    beside = (count(attributes.get(name)) for name in (
        "input_tokens", "cache_read_tokens", "cache_creation_tokens"))
    return {"input": sum(tokens or 0 for tokens in beside)} if "input_tokens" in attributes else {}


CLAUDE_CODE = GENAI.but(
    "Claude Code",
    scopes=("com.anthropic.claude_code*",),
    marks=(),
    names={
        "claude_code.interaction": AGENT,
        "claude_code.llm_request": CHAT,
        "claude_code.tool": TOOL,
        "claude_code.tool.execution": NOTHING,
        "claude_code.tool.blocked_on_user": NOTHING,
        "claude_code.hook": NOTHING,
    },
    usage=_usage,
    always_streams=True,
    fields={
        "request_model": ("model",),
        "input": ("input_tokens",),
        "cached": ("cache_read_tokens",),
        "cache_write": ("cache_creation_tokens",),
        "output": ("output_tokens",),
        "time_to_first_token": (milliseconds("ttft_ms"),),
        "finish_reason": ("stop_reason",),
        "request_id": ("request_id",),
        "tool": ("tool_name",),
        "call_id": ("tool_use_id",),
        "error": ("error",),
        "code": ("status_code",),
    },
)
