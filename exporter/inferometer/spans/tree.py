"""Which step of a trace stands below which, through all spans that are no step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from inferometer.facts import Fact

_DEEPEST = 128  # steps above a step that are looked at: what a hostile trace may cost


class Tree:
    """The facts of one trace by their spans' ancestry; a circle of parents ends where it closes."""

    def __init__(self, facts: Iterable[Fact], parents: Mapping[bytes, bytes]) -> None:
        unique: dict[bytes, Fact] = {}
        for fact in facts:
            twice = unique.get(fact.span_id)
            if twice is None or (twice != fact and (fact.end, repr(fact)) > (twice.end,
                                                                             repr(twice))):
                unique[fact.span_id] = fact
        self.facts = {fact.span_id: fact for fact in sorted(unique.values(), key=order)}
        self._parents = {**{fact.span_id: fact.parent_id for fact in self.facts.values()},
                         **parents}
        self._above: dict[bytes, Fact | None] = {}

    def above(self, fact: Fact) -> Fact | None:
        """The nearest step above this one."""
        span_id = fact.span_id
        if span_id not in self._above:
            self._climb(span_id)
        return self._above[span_id]

    def _climb(self, span_id: bytes) -> None:
        """Find it for this span and for those passed on the way: each edge is walked once."""
        passed = []
        seen = set()
        above: Fact | None = None
        while True:
            passed.append(span_id)
            seen.add(span_id)
            parent_id = self._parents.get(span_id, b"")
            if not parent_id or parent_id in seen:
                break
            if parent_id in self.facts:
                above = self.facts[parent_id]
                break
            if parent_id in self._above:
                above = self._above[parent_id]
                break
            span_id = parent_id
        for span_id in passed:
            self._above[span_id] = above

    def ancestors(self, fact: Fact) -> Iterator[Fact]:
        """The steps above, the nearest first."""
        above = self.above(fact)
        for _ in range(_DEEPEST):
            if above is None or above is fact:
                return
            yield above
            above = self.above(above)


def order(fact: Fact) -> tuple[int, int, bytes]:
    """The order in which steps of a trace are looked at, whatever order they came in."""
    return fact.start, -fact.end, fact.span_id
