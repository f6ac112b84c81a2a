"""Tools, searches and rerankings once each, whoever saw them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Generic, TypeVar

from inferometer.catalogue import OTHER_SYSTEM
from inferometer.facts import (
    MCP,
    AgentRun,
    Evaluation,
    Fact,
    Feedback,
    McpOperation,
    ModelCall,
    Outcome,
    Rerank,
    Retrieval,
    ToolCall,
)
from inferometer.spans.settlement import Step
from inferometer.spans.tree import Tree, order
from inferometer.spans.twins import match

F = TypeVar("F", bound=Fact)
Unmatched = TypeVar("Unmatched", Evaluation, Feedback)
CALL_OF_TOOL = "tools/call"  # as MCP names it


@dataclass(slots=True, eq=False)
class _SameStep(Generic[F]):
    """Spans that are one step, the outermost first."""

    facts: list[F]

    @property
    def start(self) -> int:
        """Of the outermost."""
        return self.facts[0].start

    @property
    def end(self) -> int:
        """Of the outermost."""
        return self.facts[0].end

    @property
    def key(self) -> bytes:
        """Of the outermost."""
        return self.facts[0].span_id

    @property
    def scopes(self) -> frozenset[str]:
        """Of all of them."""
        return frozenset(fact.scope for fact in self.facts)


def tools(tree: Tree) -> list[Step[ToolCall]]:
    """Tools that ran: a client's and a server's span of one call are one."""
    return _once(tree, ToolCall, _one_tool, _tool)


def operations(tree: Tree) -> list[Step[McpOperation]]:
    """What was asked over MCP, calls of tools included: what the other side saw of it is the same.

    A tool that was called over MCP is a tool and an operation, whatever other spans it has.
    """
    if not tree.of(McpOperation) and not any(
            tool.protocol == MCP for tool in tree.of(ToolCall)):
        return []
    return _once(tree.mapped(_as_operation), McpOperation, _one_operation, _operation)


def retrievals(tree: Tree) -> list[Step[Retrieval]]:
    """Searches: what searches several places is one search."""
    return _once(tree, Retrieval, lambda one, other: True, partial(_retrieval, tree))


def reranks(tree: Tree) -> list[Step[Rerank]]:
    """Rerankings."""
    return _once(tree, Rerank, lambda one, other: True, _rerank)


def plain(tree: Tree, kind: type[Unmatched]) -> list[Step[Unmatched]]:
    """What has an identity of its own and no twins."""
    return _alone(tree.of(kind))


def _once(tree: Tree, kind: type[F], same: Callable[[F, F], bool],
          fold: Callable[[list[F]], F]) -> list[Step[F]]:
    facts = tree.of(kind)
    if not facts:
        return []
    if not tree.is_nested(facts, kind):
        if len({fact.scope for fact in facts}) < 2:
            return _alone(facts)
        alone = [_SameStep([fact]) for fact in facts]
    else:
        alone = _nested(tree, kind, same)
    steps = []
    for twins in match(alone, lambda one, other: same(one.facts[0], other.facts[0])):
        longest = sorted(twins, key=lambda seen: (seen.start - seen.end, seen.key))
        spans = [fact for seen in longest for fact in seen.facts]
        steps.append(Step(fact=spans[0] if len(spans) == 1 else fold(spans),
                          spans=frozenset(fact.span_id for fact in spans)))
    return sorted(steps, key=lambda step: order(step.fact))


def _alone(facts: Iterable[F]) -> list[Step[F]]:
    """Each a step that one span saw."""
    return [Step(fact, frozenset((fact.span_id,))) for fact in facts]


def _nested(tree: Tree, kind: type[F], same: Callable[[F, F], bool]) -> list[_SameStep[F]]:
    """Steps of which each has those below it that are the same."""
    groups: dict[bytes, _SameStep[F]] = {}
    for fact in _outermost_first(tree, kind):
        above = _above(tree, fact, kind)
        if above is not None and above.span_id in groups and same(above, fact):
            groups[above.span_id].facts.append(fact)
            groups[fact.span_id] = groups[above.span_id]
        else:
            groups[fact.span_id] = _SameStep([fact])
    return [*{id(group): group for group in groups.values()}.values()]


def _outermost_first(tree: Tree, kind: type[F]) -> list[F]:
    """So that a step is looked at after those above it, whatever its clock says."""
    facts = tree.of(kind)
    depths: Mapping[bytes, int] = {
        fact.span_id: sum(isinstance(above, kind) for above in tree.ancestors(fact))
        for fact in facts}
    return sorted(facts, key=lambda fact: (depths[fact.span_id], order(fact)))


def _above(tree: Tree, fact: F, kind: type[F]) -> F | None:
    """The one of the same kind above it, with no call and no agent between."""
    for above in tree.ancestors(fact):
        if isinstance(above, kind):
            return above
        if isinstance(above, ModelCall) or (isinstance(above, AgentRun) and above.kind != "chain"):
            return None
    return None


def _one_tool(one: ToolCall, other: ToolCall) -> bool:
    if one.call_id and other.call_id:
        return one.call_id == other.call_id
    return one.tool == other.tool


def _tool(facts: list[ToolCall]) -> ToolCall:
    """The outermost; it failed if any of its spans says so: a client may not have heard."""
    failed = next((fact for fact in facts if fact.outcome is not Outcome.SUCCESS), facts[0])
    return replace(facts[0], outcome=failed.outcome, error_type=failed.error_type,
                   protocol=next((fact.protocol for fact in facts if fact.protocol), ""),
                   call_id=next((fact.call_id for fact in facts if fact.call_id), ""))


def _as_operation(fact: Fact) -> Fact:
    """A call of a tool over MCP as what it is there."""
    if not isinstance(fact, ToolCall) or fact.protocol != MCP:
        return fact
    return McpOperation(**{field.name: getattr(fact, field.name) for field in fields(Fact)},
                        method=CALL_OF_TOOL, target=fact.tool)


def _one_operation(one: McpOperation, other: McpOperation) -> bool:
    return one.method == other.method and (
        one.target == other.target or not one.target or not other.target)


def _operation(facts: list[McpOperation]) -> McpOperation:
    """The outermost; it failed if any of its spans says so: the server's says why."""
    failed = next((fact for fact in reversed(facts) if fact.outcome is not Outcome.SUCCESS),
                  facts[0])
    return replace(facts[0], outcome=failed.outcome, error_type=failed.error_type,
                   target=next((fact.target for fact in facts if fact.target), ""))


def _retrieval(tree: Tree, facts: list[Retrieval]) -> Retrieval:
    """The outermost, with what it or those within it know."""
    systems = {fact.system for fact in facts if fact.system}
    named = systems - {OTHER_SYSTEM} or systems
    return replace(facts[0], documents=_documents(tree, facts),
                   system=named.pop() if len(named) == 1 else OTHER_SYSTEM if named else "")


def _documents(tree: Tree, facts: list[Retrieval]) -> int | None:
    """How many came back. Of several searches within one, none speaks for all, unless all were in
    vain.
    """
    counts = {fact.span_id: fact for fact in facts if fact.documents is not None}
    if facts[0].span_id in counts:
        return facts[0].documents
    topmost: dict[str, list[int | None]] = defaultdict(list)  # by who saw them
    for fact in counts.values():
        if not any(above.span_id in counts for above in tree.ancestors(fact)):
            topmost[fact.scope].append(fact.documents)
    for documents in topmost.values():
        if len(documents) == 1 or not any(documents):
            return documents[0]
    return None


def _rerank(facts: list[Rerank]) -> Rerank:
    """The outermost, with what the first says that knows both orders, or how many were given."""
    best = max(facts, key=lambda fact: (
        fact.disagreement is not None, fact.top_changed is not None, fact.documents is not None))
    return replace(facts[0], documents=best.documents, disagreement=best.disagreement,
                   top_changed=best.top_changed,
                   model=next((fact.model for fact in facts if fact.model), ""))
