"""Which spans of a trace are one call or step, and why: by the rules that `once` counts by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer.facts import AgentRun, EngineCall, Fact, McpOperation, ModelCall, ToolCall
from inferometer.spans.calls import calls_of
from inferometer.spans.once import settle
from inferometer.spans.running import own_usage
from inferometer.spans.settlement import CallRow, Settlement
from inferometer.spans.steps import CALL_OF_TOOL
from inferometer.spans.tree import Tree, order
from inferometer.spans.twins import within

OUTERMOST = "the outermost: it saw the most, so time and outcome are its own"


@dataclass(frozen=True, slots=True)
class Join:
    """A span that is one with others, or that is not counted though it looks like a call."""

    fact: Fact  # of the span
    kind: str
    outer: bytes  # the span that all of them are counted as; empty: it is no part of any
    why: str


@dataclass(frozen=True, slots=True)
class SettledTrace:
    """A trace, and what it comes to."""

    trace_id: bytes
    facts: Mapping[bytes, Fact]  # by span
    settlement: Settlement
    joins: Sequence[Join]


def settle_trace(trace_id: bytes, facts: Sequence[Fact], parents: Mapping[bytes, bytes],
                 ) -> SettledTrace:
    """Settle a trace as a gateway does once it is quiet, and say which spans are one."""
    tree = Tree(own_usage(facts), parents)
    settlement = settle(facts, parents)
    return SettledTrace(trace_id, tree.facts, settlement, [*_joins(tree, settlement)])


def _joins(tree: Tree, settlement: Settlement) -> Iterator[Join]:
    done: set[frozenset[bytes]] = set()
    for row in settlement.rows:
        if row.calls is None:
            yield Join(row.call, "call", row.call.span_id,
                       "a run that has the tokens of calls nobody sent: it stands for them")
        elif row.spans not in done:
            done.add(row.spans)
            yield from _of_call(tree, row)
    for run in settlement.runs:
        yield from _members(tree, run.fact, run.spans, "run")
    operations = [step for step in settlement.operations if step.fact.method != CALL_OF_TOOL]
    for steps, kind in ((settlement.tools, "tool"), (operations, "MCP operation"),
                        (settlement.retrievals, "retrieval"), (settlement.reranks, "rerank")):
        for step in steps:
            yield from _members(tree, step.fact, step.spans, kind)
    yield from _wrappers(tree)
    yield from _engines(tree, settlement)


def _of_call(tree: Tree, row: CallRow) -> Iterator[Join]:
    yield from _members(tree, row.call, row.spans, "call", row.call.tries)
    if row.engine is not None:
        yield Join(row.engine, "engine", row.call.span_id,
                   "the engine's own span of this call: its queue, prefill and decode, no call")


def _members(tree: Tree, outer: Fact, spans: Collection[bytes], kind: str,
             tries: int | None = None) -> Iterator[Join]:
    """All spans that are one step, the outermost first; nothing of a step that one span saw."""
    if len(spans) < 2:
        return
    members = sorted((tree.facts[span] for span in spans if span in tree.facts), key=order)
    yield Join(tree.facts[outer.span_id], kind, outer.span_id, OUTERMOST)
    for fact in members:
        if fact.span_id != outer.span_id:
            yield Join(fact, kind, outer.span_id, _why(tree, fact, members, tries))


def _why(tree: Tree, fact: Fact, members: Sequence[Fact], tries: int | None) -> str:
    """Why a span is one with the others; it is not the outermost."""
    by_span = {member.span_id: member for member in members}
    above = next((by_span[one.span_id] for one in tree.ancestors(fact)
                  if one.span_id in by_span and type(one) is type(fact)), None)
    if above is None:
        return _beside(tree, fact, members)
    place = _short(above)
    if tries is not None and tries > 1 and _is_try(tree, fact, above, members):
        return f"one of {tries} tries within {place}: all but the last failed, one after another"
    if fact.service_name != above.service_name and isinstance(fact, ToolCall | McpOperation):
        return f"the {_noun(fact)} within {place}, as the service that was asked saw it"
    if fact.service_name != above.service_name:
        return f"within {place}, as the service that it was passed on to saw it: a proxy's call"
    if isinstance(fact, AgentRun):
        return f"within {place}, by the same agent"
    if isinstance(fact, ModelCall):
        return f"the call within {place}: a call contains no call"
    return f"the {_noun(fact)} within {place}, and no call between"


def _is_try(tree: Tree, fact: Fact, above: Fact, members: Iterable[Fact]) -> bool:
    return any(other.span_id != fact.span_id and other is not above
               and _nearest(tree, other) == above.span_id for other in members)


def _nearest(tree: Tree, fact: Fact) -> bytes:
    return next((one.span_id for one in tree.ancestors(fact) if type(one) is type(fact)), b"")


def _beside(tree: Tree, fact: Fact, members: Sequence[Fact]) -> str:
    """Why a span that stands below none of the others is one with them."""
    mine = [member for member in members if member is fact or _below(tree, member, fact)]
    others = [member for member in members if member not in mine]
    ids = _ids(mine)
    for other in others:
        if ids & _ids([other]):
            return f"beside {_short(other)}, by another scope, with the same response's id"
    near = _short(next((other for other in others if within(other, fact)), others[0]))
    if isinstance(fact, ModelCall):
        return f"beside {near}, by another scope: within its time, one model, equal tokens"
    same = " and the same tool" if isinstance(fact, ToolCall) else \
        " and the same method" if isinstance(fact, McpOperation) else ""
    return f"beside {near}, by another scope: within its time{same}"


def _ids(members: Iterable[Fact]) -> set[str]:
    return {member.response_id for member in members
            if isinstance(member, ModelCall) and member.response_id}


def _below(tree: Tree, fact: Fact, other: Fact) -> bool:
    return any(above.span_id == other.span_id for above in tree.ancestors(fact))


def _wrappers(tree: Tree) -> Iterator[Join]:
    """Spans that pass for calls and hold several."""
    for wrapper in calls_of(tree)[1]:
        below = sum(any(above.span_id == wrapper.span_id for above in tree.ancestors(call))
                    for call in tree.of(ModelCall))
        yield Join(wrapper, "wrapper", b"",
                   f"no call: it has {below} spans of calls below it, whose tokens it restates")


def _engines(tree: Tree, settlement: Settlement) -> Iterator[Join]:
    loose = {engine.span_id for engine in settlement.engines}
    for engine in tree.of(EngineCall):
        if engine.span_id in loose:
            yield Join(engine, "engine", b"",
                       "no call: the engine's own span of a call that is in no body; a gateway "
                       "joins it by its response's id")


def _noun(fact: Fact) -> str:
    return {"ToolCall": "tool", "McpOperation": "operation", "Retrieval": "search",
            "Rerank": "reranking"}.get(type(fact).__name__, "step")


def _short(fact: Fact) -> str:
    return fact.span_id.hex()[:8]
