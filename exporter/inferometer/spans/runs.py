"""Runs of agents, chains and workflows, and what their sums tell that no call of theirs does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.facts import AgentRun, ModelCall, ToolCall, Usage
from inferometer.spans.calls import OneCall
from inferometer.spans.settlement import CallRow, RunRow, Step, state_of
from inferometer.spans.tree import Tree, order
from inferometer.spans.twins import match


@dataclass(slots=True)
class Wrapper:
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


def runs_of(tree: Tree, wrappers: list[ModelCall], calls: list[OneCall],
            tools: list[Step[ToolCall]]) -> list[Wrapper]:
    """Runs of a trace. `wrappers`: what passed for calls."""
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
                  tools: list[Step[ToolCall]]) -> list[Wrapper]:
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
            usage = next((facts[member].usage for member in sorted(spans) if facts[member].usage),
                         usage)
        run = RunRow(fact, frozenset(spans), len(below[span_id]) or None, tool_calls[span_id],
                     bool(aboves[span_id]))
        runs.append(Wrapper(run, fact, usage, below[span_id],
                             [top(above) for above in aboves[span_id]]))
    return sorted(runs, key=lambda run: order(run.fact)) if len(runs) > 1 else runs


def usage_of_wrappers(tree: Tree, runs: list[Wrapper], calls: list[OneCall],
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


def _last_sums(runs: list[Wrapper]) -> list[Wrapper]:
    """Without the sums that a later one of the same agent goes on from: some never begin anew."""
    by_agent: dict[tuple[str, str, str], list[Wrapper]] = defaultdict(list)
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


def _sum_row(run: Wrapper) -> CallRow:
    return CallRow(call=as_call(run.fact, run.usage), spans=run.settled.spans,
                   usage=state_of(run.usage), calls=None)
