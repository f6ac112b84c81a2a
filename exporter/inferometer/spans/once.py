"""What a quiet trace comes to: each call, run, tool and search once, and no figure too high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, TypeVar

from inferometer.evaluations import NO_MARK, UNKNOWN
from inferometer.facts import (
    EngineCall,
    Evaluation,
    Fact,
    Feedback,
    ModelCall,
    Usage,
)
from inferometer.spans import steps
from inferometer.spans.calls import OneCall, calls_of
from inferometer.spans.running import own_usage
from inferometer.spans.runs import runs_of, usage_of_wrappers
from inferometer.spans.settlement import CallRow, Settlement, state_of
from inferometer.spans.tree import Tree, order

T = TypeVar("T")


def settle(facts: Sequence[Fact], parents: Mapping[bytes, bytes]) -> Settlement:
    """Count a quiet trace: pure, and the order of facts is nothing.

    `parents` has the parent of every span of the trace, also of those that are no fact.
    """
    if len(facts) == 1 and isinstance(facts[0], ModelCall):
        return Settlement([_alone(facts[0], None)])
    tree = Tree(own_usage(facts), parents)
    if (plain := _plain_calls(tree)) is not None:
        return Settlement([_alone(call, None) for call in plain])
    calls, wrappers = calls_of(tree)
    tools = steps.tools(tree)
    runs = runs_of(tree, wrappers, calls, tools)
    engines, loose = _engines(tree, calls)
    taken, rows = usage_of_wrappers(tree, runs, calls)
    in_order = not rows
    for call in calls:
        rows += _rows(call, engines.get(call.key), taken.get(call.key))
    if not in_order or len(rows) > len(calls):
        rows.sort(key=lambda row: order(row.call))
    return Settlement(
        rows, [run.settled for run in runs], tools, steps.operations(tree),
        steps.retrievals(tree), steps.reranks(tree), steps.plain(tree, Evaluation),
        steps.plain(tree, Feedback), loose)


def _plain_calls(tree: Tree) -> Sequence[ModelCall] | None:
    """The calls of a trace that has nothing else, which one instrumentation saw: as most are."""
    calls = tree.of(ModelCall)
    if len(calls) < len(tree.facts) or len({call.scope for call in calls}) > 1 \
            or tree.is_nested(calls, ModelCall):
        return None
    return calls


def _alone(call: ModelCall, engine: EngineCall | None) -> CallRow:
    """A call that one span saw."""
    return CallRow(call, frozenset((call.span_id,)), True, state_of(call.usage), 1, engine)


def _rows(call: OneCall, engine: EngineCall | None, wrapper: Usage | None) -> list[CallRow]:
    """One a service; the first, which asked, is billed."""
    usage = call.usage()
    if not usage and wrapper is not None:
        usage = wrapper
    if len(call.spans) == 1 and call.outer.usage is usage:
        return [_alone(call.outer, engine)]
    by_service: dict[str, list[ModelCall]] = {}
    for span in call.spans:
        by_service.setdefault(span.service_name, []).append(span)
    spans = frozenset(span.span_id for span in call.spans)
    rows = []
    for place, own in enumerate(by_service.values()):
        outcome, by = call.outcome() if place == 0 else (own[0].outcome, own[0])
        near = own if len(by_service) == 1 else (*own, *call.spans)
        merged = replace(
            own[0], usage=usage, outcome=outcome, error_type=by.error_type, tries=call.tries,
            refused=any(span.refused for span in call.spans), **_judged(near),
            streamed=_first(span.streamed for span in near),
            time_to_first_token=_first(span.time_to_first_token for span in own),
            **texts_of(near))
        rows.append(CallRow(merged, spans, place == 0, state_of(usage), 1, engine,
                            _passed_on(by_service) if place == 0 else None))
    return rows


def _passed_on(by_service: Mapping[str, Sequence[ModelCall]]) -> int | None:
    """How long the second service took, in nanoseconds; None where there is none."""
    for own in [*by_service.values()][1:2]:
        if own[0].start:
            return own[0].end - own[0].start
    return None


def _judged(spans: Sequence[ModelCall]) -> dict[str, Any]:
    """What spans of one call say of its answer: of each the first that says anything."""
    tools = next((span for span in spans if span.bad_tools or span.good_tools), spans[0])
    return {
        "is_read": any(span.is_read for span in spans),
        "refusal": next((source for source in ("provider", "field", "phrase") for span in spans
                         if span.refusal == source), ""),
        "json_valid": _first(span.json_valid for span in spans),
        "schema_valid": _first(span.schema_valid for span in spans),
        "good_tools": tools.good_tools, "bad_tools": tools.bad_tools, **_checked(spans)}


def _checked(spans: Sequence[ModelCall]) -> dict[str, Any]:
    """Of each check what the first span says that could decide it, else the first at all.

    What an answer states goes with the mark of it, so both are of one span.
    """
    having = [span for span in spans if span.checks]
    if not having:
        return {}
    stating = next((span for span in having if span.given or not span.mentions), having[0])
    return {"checks": "".join(_mark(column) for column in zip(
        *(span.checks for span in having), strict=False)),
            "given": stating.given, "mentions": stating.mentions,
            "cited": max(span.cited for span in having)}


def _mark(marks: Sequence[str]) -> str:
    decided = (mark for mark in marks if mark not in (NO_MARK, UNKNOWN[0]))
    return next(decided, UNKNOWN[0] if UNKNOWN[0] in marks else NO_MARK)


_TEXTS = ("operation", "provider", "request_model", "response_model", "finish_reason",
          "response_id", "request_id", "conversation", "user", "prompt_name", "prompt_version",
          "server_address", "service_tier")
_texts = attrgetter(*_TEXTS)


def texts_of(spans: Sequence[ModelCall]) -> dict[str, Any]:
    """What spans of one call say in words: of each the first one that is not empty."""
    return {name: next(filter(None, column), "") for name, column in zip(
        _TEXTS, zip(*map(_texts, spans), strict=True), strict=True)}


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _engines(tree: Tree, calls: list[OneCall]) -> tuple[dict[bytes, EngineCall], list[EngineCall]]:
    """Engine spans by the call that they served, and those whose call is not in this trace."""
    if not tree.of(EngineCall):
        return {}, []
    by_span = {span.span_id: call.key for call in calls for span in call.spans}
    by_response = {span.response_id: call.key for call in calls for span in call.spans
                   if span.response_id}
    served: dict[bytes, EngineCall] = {}
    loose = []
    for engine in tree.of(EngineCall):
        above = next((fact for fact in tree.ancestors(engine) if fact.span_id in by_span), None)
        key = by_response.get(engine.response_id) or (by_span[above.span_id] if above else None)
        if key is None:
            loose.append(engine)
        else:
            served.setdefault(key, engine)
    return served, loose
