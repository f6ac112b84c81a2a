"""Which step of a trace stands below which, through all spans that are no step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar, cast

from inferometer.facts import Fact

F = TypeVar("F", bound=Fact)
_DEEPEST = 128  # steps above a step that are looked at: what a hostile trace may cost
_MOST_PATHS = 1000  # steps whose ancestors are kept, for the same reason


class Tree:
    """The facts of one trace by their spans' ancestry; a circle of parents ends where it closes.

    `parents` need not have those of facts, which have their own.
    """

    def __init__(self, facts: Iterable[Fact], parents: Mapping[bytes, bytes]) -> None:
        unique: dict[bytes, Fact] = {}
        for fact in facts:
            twice = unique.setdefault(fact.span_id, fact)
            if twice is not fact and twice != fact and (
                    fact.end, repr(fact)) > (twice.end, repr(twice)):
                unique[fact.span_id] = fact
        ordered = sorted(unique.values(), key=order) if len(unique) > 1 else [*unique.values()]
        self.facts = {fact.span_id: fact for fact in ordered}
        self._parents = parents
        self._above: dict[bytes, Fact | None] = {}
        self._paths: dict[bytes, Sequence[Fact]] = {}
        self._kinds: dict[type[Fact], list[Fact]] = {}
        for fact in ordered:
            self._kinds.setdefault(type(fact), []).append(fact)

    def mapped(self, change: Callable[[Fact], Fact]) -> Tree:
        """The same tree of what each fact is changed into."""
        return Tree(map(change, self.facts.values()), self._parents)

    def of(self, kind: type[F]) -> Sequence[F]:
        """All facts of a kind, in order."""
        return cast("Sequence[F]", self._kinds.get(kind, ()))

    def above(self, fact: Fact) -> Fact | None:
        """The nearest step above this one."""
        span_id = fact.span_id
        if span_id not in self._above:
            parent_id = self._parents.get(span_id, fact.parent_id)
            if not parent_id or parent_id == span_id:
                self._above[span_id] = None
            elif (above := self.facts.get(parent_id)) is not None:
                self._above[span_id] = above
            else:
                self._climb(span_id, parent_id)
        return self._above[span_id]

    def _climb(self, span_id: bytes, parent_id: bytes) -> None:
        """Find it for this span and for those passed on the way: each edge is walked once."""
        passed = {span_id: True}
        above: Fact | None = None
        while parent_id and parent_id not in passed:
            if parent_id in self.facts:
                above = self.facts[parent_id]
                break
            if parent_id in self._above:
                above = self._above[parent_id]
                break
            passed[parent_id] = True
            parent_id = self._parents.get(parent_id, b"")
        self._above.update(dict.fromkeys(passed, above))

    def ancestors(self, fact: Fact) -> Sequence[Fact]:
        """The steps above, the nearest first."""
        path = self._paths.get(fact.span_id)
        if path is None:
            path = self._path(fact)
            if len(self._paths) < _MOST_PATHS:
                self._paths[fact.span_id] = path
        return path

    def _path(self, fact: Fact) -> Sequence[Fact]:
        above = self.above(fact)
        if above is None:
            return ()
        if self._paths.get(above.span_id) == ():
            return (above,)  # which is a root, as most are
        path: list[Fact] = []
        while above is not None and above is not fact and len(path) < _DEEPEST:
            path.append(above)
            above = self.above(above)
        return path

    def is_nested(self, facts: Iterable[Fact], kind: type[Fact]) -> bool:
        """Whether any of them stands below one of a kind."""
        return any(type(above) is kind for fact in facts for above in self.ancestors(fact))


def order(fact: Fact) -> tuple[int, int, bytes]:
    """The order in which steps of a trace are looked at, whatever order they came in."""
    return fact.start, -fact.end, fact.span_id
