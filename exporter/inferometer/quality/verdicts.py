"""What a call's answer comes to: read as JSON, held against schemas, and whether it is a refusal.

It is made before the call is kept, so that it is as durable as the call and so that what was said
need not be kept for it; and never by the thread that answers senders.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from inferometer.evaluations import (
    CHECKS,
    FACTS_SUPPORTED,
    JSON_VALID,
    NOT_REFUSED,
    SCHEMA_VALID,
    TOOL_ARGUMENTS,
)
from inferometer.facts import Fact, ModelCall, Outcome, Retrieval
from inferometer.quality.answer import ModelAnswer, answer_of
from inferometer.quality.asked import Asked, asked_of
from inferometer.quality.checks.emptiness import is_empty
from inferometer.quality.checks.given import retrieved_text
from inferometer.quality.checks.marks import COSTLY, checked, marks_of
from inferometer.quality.checks.mentions import readings_of
from inferometer.quality.refusals import PHRASES, is_refusal
from inferometer.quality.schemas import CPU_SECONDS, SchemaBudget, fits

PROVIDER, FIELD, PHRASE = "provider", "field", "phrase"  # who says that it is a refusal
BODY_SECONDS = 0.5  # CPU, for the schemas of all calls of a body: later ones are not decided
CHECK_SECONDS = 0.5  # the same for all else that answers are looked at for
MOST_MENTIONS = 512  # of the documents that a search gave
_FENCE = "```"


def judged(facts: Sequence[Fact], phrases: Sequence[str] = PHRASES,
           checks: Collection[str] = CHECKS) -> list[Fact]:
    """The facts, calls with what their answers come to. Their content stays as it is.

    `checks`: those of CHECKS that are made.
    """
    left, left_to_look = BODY_SECONDS, CHECK_SECONDS
    made: list[Fact] = []
    for fact in facts:
        begin = time.thread_time()
        if isinstance(fact, ModelCall) and fact.content:
            budget = SchemaBudget(min(CPU_SECONDS, left))
            fact = verdict_of(fact, phrases, budget, checks)
            left = max(0.0, left - budget.spent)
            begin += budget.spent
        elif isinstance(fact, Retrieval) and fact.content and FACTS_SUPPORTED in checks:
            readings, _ = readings_of(retrieved_text(fact.content), MOST_MENTIONS)
            fact = replace(fact, mentions=tuple(sorted(readings)))
        left_to_look -= time.thread_time() - begin
        if left_to_look < 0:
            checks = [check for check in checks if check not in COSTLY]
        made.append(fact)
    return made


def verdict_of(call: ModelCall, phrases: Sequence[str] = PHRASES,
               budget: SchemaBudget | None = None, checks: Collection[str] = CHECKS) -> ModelCall:
    """A call with what its answer comes to; as it is where no answer can be seen."""
    answer = answer_of(call.content)
    if call.operation == "embeddings" or not (answer or is_empty(call.content)):
        return call
    refusal = call.refusal or (FIELD if answer.refusal else "") or (
        PHRASE if is_refusal(answer.text, phrases) else "")
    made: dict[str, Any] = {"is_read": True, "refusal": refusal,
                            "refused": call.refused or refusal == FIELD}
    passed: dict[str, bool | None] = {NOT_REFUSED: not refusal}
    if call.outcome is not Outcome.SUCCESS or (refusal and not (answer.text or answer.tools)):
        return replace(call, checks=marks_of(passed, checks) if refusal else "", **made)
    asked = asked_of(call.content)
    own = budget or SchemaBudget()
    if asked.json and answer.text and not answer.tools and refusal not in (PROVIDER, FIELD):
        json_valid, schema_valid = _of_text(answer, asked, own)
        made |= {"json_valid": json_valid, "schema_valid": schema_valid}
        passed[JSON_VALID] = json_valid
        if json_valid and asked.schema is not None:
            passed[SCHEMA_VALID] = schema_valid
    if answer.tools:
        good, bad = _of_tools(answer, asked, own)
        made |= {"good_tools": good, "bad_tools": bad}
        passed[TOOL_ARGUMENTS] = False if bad else True if good else None
    return replace(call, **made, **checked(answer, call.content, passed, checks)._asdict())


def _of_text(answer: ModelAnswer, asked: Asked, budget: SchemaBudget
             ) -> tuple[bool | None, bool | None]:
    """Whether it is JSON, and fits the schema; None each where that is not known."""
    try:
        value = read_json(answer.text)
    except json.JSONDecodeError:
        return (False if answer.is_complete else None), None
    except (ValueError, RecursionError):  # a number of too many digits, or lists too deep for us
        return None, None
    return True, None if asked.schema is None else fits(asked.schema, value, budget)


def _of_tools(answer: ModelAnswer, asked: Asked, budget: SchemaBudget
              ) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the tools whose arguments are good, and of those whose are not."""
    good: list[str] = []
    bad: list[str] = []
    for name, arguments in answer.tools:
        try:
            value = _arguments(arguments)
        except json.JSONDecodeError:
            bad.append(name[:256])
            continue
        except (ValueError, RecursionError):  # as above
            continue
        schema = asked.tools.get(name)
        is_fit = True if schema is None else fits(schema, value, budget)
        if is_fit is not None:
            (good if is_fit else bad).append(name[:256])
    return tuple(good), tuple(bad)


def _arguments(arguments: object) -> object:
    """What a tool is given. Raises ValueError for a text that is no JSON."""
    for _ in range(2):  # some quote the document once more
        if not isinstance(arguments, str):
            break
        arguments = read_json(arguments) if arguments.strip() else {}
    return {} if arguments is None else arguments


def read_json(text: str) -> object:
    """What a text holds, a fence of code around it taken off. Raises ValueError."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and len(text) > 2 * len(_FENCE):
        text = text[len(_FENCE):-len(_FENCE)].strip()
        text = text[4:] if text[:4].lower() == "json" else text
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    """JSON has no NaN and no infinity."""
    raise json.JSONDecodeError(f"{constant} is no JSON", constant, 0)
