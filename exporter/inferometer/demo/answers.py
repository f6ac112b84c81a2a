"""What models of the demo are asked and answer, as attributes of the spans of calls.

Some answers are refusals, some JSON is broken, and now and then a figure is made up. Names are
those of docs/gen-ai/gen-ai-spans.md of open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from inferometer.demo.handbook import Handbook

# Shares of answers; of broken ones, of those in JSON.
REFUSED, FILTERED, BROKEN, INVENTED = 0.012, 0.004, 0.02, 0.03
REFUSAL = "I'm sorry, but I can't help with that."
QUESTION, TEXT = "Is line {line} of the change good?", "Line {line} of the change is good as it is."
REPORT_QUESTION = "Write the report of the night shift as JSON: title, incidents, summary."


def report(dice: Random) -> str:
    """A whole one."""
    return json.dumps({"title": "Night shift", "incidents": dice.randrange(9),
                       "summary": f"{dice.randrange(2, 40)} pumps ran."})


def answered_in_json(dice: Random) -> Mapping[str, Any]:
    """Question and answer of a call that asks for JSON."""
    text = report(dice)
    return _finished(dice, REPORT_QUESTION, text[:dice.randrange(10, len(text) - 1)] if (
        dice.random() < BROKEN) else text, {"gen_ai.output.type": "json"})


def answered_freely(dice: Random) -> Mapping[str, Any]:
    """The same of one without any document."""
    line = dice.randrange(1, 2000)
    return _finished(dice, QUESTION.format(line=line), _or_refused(dice, TEXT.format(line=line)))


def answered_from(handbook: Handbook, pages: Sequence[int], dice: Random) -> Mapping[str, Any]:
    """The same after a search, which found these pages: it is the first of them that is asked for.
    """
    page = pages[0] if pages else dice.randrange(1000, 2000)
    text = handbook.unknown
    if pages:
        text = (handbook.invented if dice.random() < INVENTED else handbook.page)(page)
    return _finished(dice, handbook.asked(page), _or_refused(dice, text))


def _or_refused(dice: Random, text: str) -> str:
    return REFUSAL if dice.random() < REFUSED else text


def _finished(dice: Random, question: str, text: str, more: Mapping[str, Any] | None = None
              ) -> Mapping[str, Any]:
    if dice.random() < FILTERED:
        return {"gen_ai.response.finish_reasons": "content_filter"}
    return {"gen_ai.response.finish_reasons": "stop", **(more or {}),
            "gen_ai.input.messages": _message("user", question),
            "gen_ai.output.messages": _message("assistant", text, finish_reason="stop")}


def _message(role: str, text: str, **more: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}])
