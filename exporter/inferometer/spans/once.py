"""What a quiet trace comes to: each call, run, tool and search once, and no figure too high."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, TypeVar

from inferometer.facts import (
    AgentRun,
    EngineCall,
    Evaluation,
    Fact,
    Feedback,
    ModelCall,
    ToolCall,
    Usage,
)
from inferometer.spans import steps
from inferometer.spans.calls import OneCall, calls_of
from inferometer.spans.running import own_usage
from inferometer.spans.settlement import CallRow, RunRow, Settlement, Step, UsageState
from inferometer.spans.tree import Tree, order
from inferometer.spans.twins import match

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
    runs = _runs(tree, wrappers, calls, tools)
    engines, loose = _engines(tree, calls)
    taken, rows = _wrapper_usage(tree, runs, calls)
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
    return CallRow(call, frozenset((call.span_id,)), True, _state(call.usage), 1, engine)


def _state(usage: Usage) -> UsageState:
    if not usage:
        return UsageState.MISSING
    return UsageState.ESTIMATED if usage.estimated else UsageState.KNOWN


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
        rows.append(CallRow(merged, spans, place == 0, _state(usage), 1, engine,
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
        "good_tools": tools.good_tools, "bad_tools": tools.bad_tools}


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


@dataclass(slots=True)
class _Wrapper:
    """A run with the calls below it."""

    settled: RunRow
    fact: AgentRun
    usage: Usage  # its own, or that of a span that is the same run
    calls: list[OneCall]
    above: list[bytes]  # span ids of the runs above it

    @property
    def start(self) -> int:
        """Of its outermost span."""
        return self.fact.start

    @property
    def end(self) -> int:
        """Of its outermost span."""
        return self.fact.end

    @property
    def key(self) -> bytes:
        """Of its outermost span."""
        return self.fact.span_id

    @property
    def scopes(self) -> frozenset[str]:
        """Of its outermost span."""
        return frozenset((self.fact.scope,))


def _as_run(call: ModelCall) -> AgentRun:
    """What passed for a call, and has several below it."""
    return AgentRun(
        trace_id=call.trace_id, span_id=call.span_id, parent_id=call.parent_id,
        service_name=call.service_name, scope=call.scope, name=call.name, start=call.start,
        end=call.end, outcome=call.outcome, error_type=call.error_type,
        conversation=call.conversation, user=call.user, content=call.content, kind="chain",
        usage=call.usage, provider=call.provider, model=call.model)


def _runs(tree: Tree, wrappers: list[ModelCall], calls: list[OneCall],
          tools: list[Step[ToolCall]]) -> list[_Wrapper]:
    facts = {fact.span_id: fact for fact in tree.of(AgentRun)}
    if wrappers:
        facts |= {call.span_id: _as_run(call) for call in wrappers}
        facts = {fact.span_id: fact for fact in sorted(facts.values(), key=order)}
    if not facts:
        return []
    same: dict[bytes, bytes] = {}  # the spans of a run by its outermost one
    aboves: dict[bytes, list[bytes]] = {}
    for fact in facts.values():
        aboves[fact.span_id] = [above.span_id for above in tree.ancestors(fact)
                                if above.span_id in facts]
        same[fact.span_id] = fact.span_id
        for span_id in aboves[fact.span_id]:
            if fact.agent and facts[span_id].agent == fact.agent:
                same[fact.span_id] = span_id
            break
    return _counted_runs(tree, facts, same, aboves, calls, tools)


def _counted_runs(tree: Tree, facts: Mapping[bytes, AgentRun], same: dict[bytes, bytes],
                  aboves: Mapping[bytes, list[bytes]], calls: list[OneCall],
                  tools: list[Step[ToolCall]]) -> list[_Wrapper]:
    def top(span_id: bytes) -> bytes:
        if same[span_id] == span_id:
            return span_id
        passed = set()
        while same[span_id] != span_id and span_id not in passed:
            passed.add(span_id)
            span_id = same[span_id]
        same.update(dict.fromkeys(passed, span_id))
        return span_id

    below: dict[bytes, list[OneCall]] = {span_id: [] for span_id in facts}
    for call in calls:
        for span_id in {top(above.span_id) for span in call.spans
                        for above in tree.ancestors(span) if above.span_id in facts}:
            below[span_id].append(call)
    tool_calls = dict.fromkeys(facts, 0)
    for tool in tools:
        for span_id in {top(above.span_id) for above in tree.ancestors(tool.fact)
                        if above.span_id in facts}:
            tool_calls[span_id] += 1
    members: dict[bytes, list[bytes]] = {}
    for span_id in facts:
        members.setdefault(top(span_id), []).append(span_id)
    runs = []
    for span_id, spans in members.items():
        fact = facts[span_id]
        usage = fact.usage
        if not usage and len(spans) > 1:
            usage = _first(facts[member].usage or None for member in sorted(spans)) or usage
        run = RunRow(fact, frozenset(spans), len(below[span_id]) or None, tool_calls[span_id],
                     bool(aboves[span_id]))
        runs.append(_Wrapper(run, fact, usage, below[span_id],
                             [top(above) for above in aboves[span_id]]))
    return sorted(runs, key=lambda run: order(run.fact)) if len(runs) > 1 else runs


def _wrapper_usage(tree: Tree, runs: list[_Wrapper], calls: list[OneCall],
                   ) -> tuple[dict[bytes, Usage], list[CallRow]]:
    """Sums that only a wrapper has: to its one call, or a row of its own, once."""
    if not any(run.usage for run in runs):
        return {}, []
    billed = {span.span_id for call in calls if call.usage() for span in call.spans}
    bare = {run.key: run for run in runs if run.usage
            and not any(call.usage() for call in run.calls)
            and not any(above.span_id in billed for above in tree.ancestors(run.fact))}
    outermost = [run for run in bare.values() if not any(above in bare for above in run.above)]
    taken: dict[bytes, Usage] = {}
    rows: list[CallRow] = []
    for group in match(_last_sums(outermost), lambda one, other: True):
        run = max(group, key=lambda run: (run.end - run.start, run.key))
        if len(run.calls) == 1:
            taken[run.calls[0].key] = run.usage
        else:
            rows.append(_sum_row(run))
    return taken, rows


def _last_sums(runs: list[_Wrapper]) -> list[_Wrapper]:
    """Without the sums that a later one of the same agent goes on from: some never begin anew."""
    by_agent: dict[tuple[str, str, str], list[_Wrapper]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: order(run.fact)):
        by_agent[run.fact.service_name, run.fact.scope, run.fact.agent].append(run)
    last = []
    for same in by_agent.values():
        for run, later in zip(same, [*same[1:], None], strict=True):
            if later is None or not _more(later.usage, run.usage):
                last.append(run)
    return last


def _more(usage: Usage, other: Usage) -> bool:
    """Whether it is more of both."""
    return ((usage.input or 0) > (other.input or 0) and (usage.output or 0) > (other.output or 0))


def as_call(fact: AgentRun, usage: Usage) -> ModelCall:
    """A run whose usage counts, as the calls that nobody sent."""
    return ModelCall(
        trace_id=fact.trace_id, span_id=fact.span_id, parent_id=fact.parent_id,
        service_name=fact.service_name, scope=fact.scope, name=fact.name, start=fact.start,
        end=fact.end, outcome=fact.outcome, error_type=fact.error_type,
        conversation=fact.conversation, user=fact.user, usage=usage,
        provider=fact.provider, request_model=fact.model)


def _sum_row(run: _Wrapper) -> CallRow:
    return CallRow(call=as_call(run.fact, run.usage), spans=run.settled.spans,
                   usage=_state(run.usage), calls=None)
