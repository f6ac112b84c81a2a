"""What models of the demo answer, as attributes of the spans of calls: refusals, and broken JSON.

Names are those of docs/gen-ai/gen-ai-spans.md of
open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

REFUSED, FILTERED, BROKEN = 0.012, 0.004, 0.02  # shares of answers; the last one of JSON
TEXT, REFUSAL = "Here is what the handbook says.", "I'm sorry, but I can't help with that."
REPORT = json.dumps({"title": "Night shift", "incidents": 2, "summary": "All pumps ran."})


def answered(in_json: bool, dice: Random) -> Mapping[str, Any]:
    """The attributes of one answer."""
    lot = dice.random()
    if lot < FILTERED:
        return {"gen_ai.response.finish_reasons": "content_filter"}
    if in_json:
        text = REPORT[:dice.randrange(10, len(REPORT) - 1)] if lot < BROKEN else REPORT
        return {"gen_ai.output.type": "json", **_message(text)}
    return _message(REFUSAL if lot < FILTERED + REFUSED else TEXT)


def _message(text: str) -> Mapping[str, Any]:
    parts = [{"type": "text", "content": text}]
    return {"gen_ai.response.finish_reasons": "stop", "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": parts, "finish_reason": "stop"}])}
