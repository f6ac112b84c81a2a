"""Which spans of a trace are one call to a model.

A call never contains a call: what has one below it is that call seen from outside, and what has
several is a wrapper, unless they are tries of which the last one may have succeeded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from inferometer.facts import AgentRun, ModelCall, Outcome, Retrieval, ToolCall, Usage
from inferometer.spans.tree import Tree, order
from inferometer.spans.twins import TOLERANCE, match

_DATED = re.compile(r"[-@:._](\d{4,8}|\d{4}-\d\d-\d\d|latest|\d{3})")
_EMBEDDINGS = "embeddings"


@dataclass(slots=True, eq=False)
class OneCall:
    """Spans that are one call, the outermost first."""

    spans: list[ModelCall]
    tries: int | None = None
    answers: list[ModelCall] = field(default_factory=list)  # those with the answer, inner last

    @property
    def outer(self) -> ModelCall:
        """The span that saw the most of it."""
        return self.spans[0]

    @property
    def start(self) -> int:
        """Of the outermost."""
        return self.spans[0].start

    @property
    def end(self) -> int:
        """Of the outermost."""
        return self.spans[0].end

    @property
    def key(self) -> bytes:
        """Of the outermost."""
        return self.spans[0].span_id

    @property
    def scopes(self) -> frozenset[str]:
        """Of all its spans."""
        return frozenset(span.scope for span in self.spans)

    @property
    def succeeded(self) -> bool:
        """Whether whoever made it got an answer."""
        return self.outcome()[0] is Outcome.SUCCESS

    def outcome(self) -> tuple[Outcome, ModelCall]:
        """The outermost span's, unless that one only has not heard of an error within."""
        outer = self.spans[0]
        if outer.outcome is Outcome.SUCCESS and not _has_answer(outer):
            for span in self.spans[1:]:
                if span.outcome is not Outcome.SUCCESS and self.tries in (None, 1):
                    return span.outcome, span
                if _has_answer(span):
                    break
        return outer.outcome, outer

    def usage(self) -> Usage:
        """The innermost span's that has any; what it leaves out, from spans that agree with it."""
        if len(self.spans) == 1:
            return self.spans[0].usage
        having = [span.usage for span in reversed(self.answers) if span.usage]
        if len(having) < 2:
            return having[0] if having else self.spans[0].usage
        base = next((usage for usage in having if not usage.estimated), having[0])
        for other in having:
            if other is not base and _agree(base, other) and base.estimated == other.estimated:
                base = _completed(base, other)
        return base

    def merge(self, inner: OneCall) -> OneCall:
        """This call and one that is the same, seen from within."""
        return OneCall([*self.spans, *inner.spans], _most(self.tries, inner.tries),
                    [*self.answers, *inner.answers])


def calls_of(tree: Tree) -> tuple[list[OneCall], list[ModelCall]]:
    """The calls of a trace, and the spans that pass for calls and are wrappers of several."""
    calls = tree.of(ModelCall)
    if not tree.is_nested(calls, ModelCall):
        return _without_twins([OneCall([call], None, [call]) for call in calls]), []
    below: dict[bytes | None, list[tuple[OneCall, bool]]] = defaultdict(list)
    wrappers: list[ModelCall] = []
    for fact, above, stepped in _innermost_first(tree, calls):
        call, released = _joined(fact, below.pop(fact.span_id, []))
        above_id = None if above is None else above.span_id
        if call is None:
            wrappers.append(fact)
        else:
            below[above_id].append((call, stepped))
        # What is not this call stands beside it, or in its place.
        below[above_id] += [(inner, stepped or inner_stepped) for inner, inner_stepped in released]
    roots = [call for call, _stepped in below[None]]
    return _without_twins(roots), wrappers


def _innermost_first(tree: Tree, calls: Iterable[ModelCall],
                     ) -> list[tuple[ModelCall, ModelCall | None, bool]]:
    """Each with the call above it, and whether a tool, agent or search stands between."""
    placed = []
    for call in calls:
        stepped = False
        above: ModelCall | None = None
        for ancestor in tree.ancestors(call):
            if isinstance(ancestor, ModelCall):
                above = ancestor
                break
            stepped = stepped or isinstance(ancestor, ToolCall | Retrieval) \
                or (isinstance(ancestor, AgentRun) and ancestor.kind != "chain")
        placed.append((call, above, stepped))
    depths: dict[bytes, int] = {}
    aboves = {call.span_id: above for call, above, _ in placed}
    for call_id in aboves:
        path: list[bytes] = []
        span_id: bytes | None = call_id
        while span_id is not None and span_id not in depths and span_id not in path:
            path.append(span_id)
            outer = aboves[span_id]
            span_id = None if outer is None else outer.span_id
        depth = depths.get(span_id, 0) if span_id is not None else 0
        for passed in reversed(path):
            depth += 1
            depths[passed] = depth
    return sorted(placed, key=lambda item: (-depths[item[0].span_id], order(item[0])))


def _joined(fact: ModelCall, below: list[tuple[OneCall, bool]],
            ) -> tuple[OneCall | None, list[tuple[OneCall, bool]]]:
    """The call that this span is, if it is one, and those below it that are not."""
    alone = OneCall([fact], answers=[fact])
    if not below:
        return alone, []
    if any(stepped for _call, stepped in below):
        return None, below
    groups = _without_twins([call for call, _stepped in below])
    same = [call for call in groups if _one_class(fact, call.outer)]
    others = [(call, False) for call in groups if not _one_class(fact, call.outer)]
    if not same:
        return (alone, others) if _has_answer(fact) else (None, others)
    if len(same) == 1:
        return alone.merge(same[0]), others
    if _are_tries(same):
        last = same[-1]
        spans = [span for call in reversed(same) for span in call.spans]
        tries = sum(call.tries or 1 for call in same)
        return OneCall([fact, *spans], tries, [fact, *last.answers]), others
    return None, [*((call, False) for call in same), *others]


def _are_tries(calls: list[OneCall]) -> bool:
    """Whether all but the last failed, and none began before the one before it had ended."""
    calls.sort(key=lambda call: order(call.outer))
    return not any(call.succeeded for call in calls[:-1]) and all(
        later.start >= earlier.end - TOLERANCE for earlier, later in pairwise(calls))


def _without_twins(calls: list[OneCall]) -> list[OneCall]:
    if len({span.scope for call in calls for span in call.spans}) > 1:
        calls = [_folded(group) for group in match(calls, _same, _ids)]
    return sorted(calls, key=lambda call: order(call.spans[0])) if len(calls) > 1 else calls


def _folded(group: list[OneCall]) -> OneCall:
    """The longest is outermost: it saw the most."""
    ordered = sorted(group, key=lambda call: (call.start - call.end, call.key))
    folded = ordered[0]
    for call in ordered[1:]:
        folded = folded.merge(call)
    return folded


def _same(one: OneCall, other: OneCall) -> bool:
    """Whether two spans of one time may be one call: one service, model and number of tokens."""
    services = {span.service_name for span in one.spans}
    return (_one_class(one.outer, other.outer) and _one_model(one, other)
            and any(span.service_name in services for span in other.spans)
            and _agree(one.usage(), other.usage()))


def _ids(call: OneCall) -> set[str]:
    return {span.response_id for span in call.spans if span.response_id}


def _one_class(one: ModelCall, other: ModelCall) -> bool:
    return not one.operation or not other.operation \
        or (one.operation == _EMBEDDINGS) == (other.operation == _EMBEDDINGS)


def _models(call: OneCall) -> set[str]:
    return {model.rpartition("/")[2].lower() for span in call.spans
            for model in (span.request_model, span.response_model) if model}


def _one_model(one: OneCall, other: OneCall) -> bool:
    """Whether they name one model, or one names it with its date."""
    models, others = _models(one), _models(other)
    return bool(models & others) or any(
        _dated(mine, theirs) or _dated(theirs, mine) for mine in models for theirs in others)


def _dated(name: str, longer: str) -> bool:
    return longer.startswith(name) and bool(_DATED.match(longer[len(name):]))


def _agree(one: Usage, other: Usage) -> bool:
    """Whether what both know is equal; one may have left its cached tokens out."""
    if one.estimated or other.estimated:
        return True
    if None not in (one.output, other.output) and one.output != other.output:
        return False
    if one.input is None or other.input is None or one.input == other.input:
        return True
    cached = {usage.cached or 0 for usage in (one, other)}
    written = {usage.cache_write or 0 for usage in (one, other)}
    return abs(one.input - other.input) in {*cached, *written, max(cached) + max(written)}


def _completed(usage: Usage, other: Usage) -> Usage:
    """A usage with what it leaves out, from one that agrees with it."""
    return replace(usage, **{
        name: getattr(other, name) for name in ("input", "cached", "cache_write", "output",
                                                "reasoning") if getattr(usage, name) is None})


def _has_answer(span: ModelCall) -> bool:
    return bool(span.usage or span.response_id or span.finish_reason)


def _most(one: int | None, other: int | None) -> int | None:
    return max((tries for tries in (one, other) if tries is not None), default=None)
