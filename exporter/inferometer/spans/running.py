"""Usage that goes on growing: each call of a loop repeats what those before it have used.

Spring AI 1 adds up tokens while a model calls tools, and writes the sum so far onto the span of
each call. Version 2 does not, and says of each call whether it streamed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from inferometer.facts import Fact, ModelCall, Usage

SCOPE = "org.springframework.boot"  # of the senders that do so
_COUNTS = ("input", "cached", "cache_write", "output", "reasoning")


def own_usage(facts: Iterable[Fact]) -> list[Fact]:
    """The same facts, each call with its own tokens."""
    facts = list(facts)
    loops: dict[tuple[str, bytes, str], list[ModelCall]] = defaultdict(list)
    for fact in facts:
        if fact.scope == SCOPE and isinstance(fact, ModelCall) and fact.streamed is None:
            loops[fact.service_name, fact.parent_id, fact.request_model].append(fact)
    own: dict[bytes, ModelCall] = {}
    for calls in loops.values():
        calls.sort(key=lambda call: (call.start, call.span_id))
        for earlier, later in pairwise(calls):
            before = own.get(earlier.span_id, earlier).usage
            rest = _less(later.usage, earlier.usage)
            if later.start >= earlier.end and _goes_on(earlier, later.usage, before, rest):
                own[later.span_id] = replace(later, usage=rest)
    return [own.get(fact.span_id, fact) for fact in facts] if own else facts


def _goes_on(earlier: ModelCall, sums: Usage, before: Usage, rest: Usage) -> bool:
    """Whether a tool was asked for, and what the sums grew by has all that was said before."""
    return ("tool" in earlier.finish_reason.lower()
            and (sums.output or 0) >= (earlier.usage.output or 0)
            and (rest.input or 0) >= (before.input or 0) + (before.output or 0))


def _less(usage: Usage, before: Usage) -> Usage:
    return replace(usage, **{
        name: max(0, now - then) for name in _COUNTS
        if (now := getattr(usage, name)) is not None
        and (then := getattr(before, name)) is not None})
