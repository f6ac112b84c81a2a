"""Counters we derive: only ever up, whatever their sources do.

Positive growth is added per source and totals are never subtracted; a source that went down was
reset and counts from nothing again; a reading older than the last one is ignored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from inferometer.samples import Value, growth, sum_of

K = TypeVar("K", bound=Hashable)


class Growth(Generic[K]):
    """The growth of foreign counters, each known by a key.

    Above `most` of them those longest unseen are forgotten, but never one of the present reading.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._last: OrderedDict[K, tuple[float, Value]] = OrderedDict()

    def of(self, source: K, value: Value, at: float) -> Value | None:
        """How much the source grew up to time `at`; None for a reading that came too late."""
        earlier = self._last.get(source)
        if earlier is not None and at < earlier[0]:
            return None
        self._last[source] = (at, value)
        self._last.move_to_end(source)
        while len(self._last) > self._most and next(iter(self._last.values()))[0] < at:
            self._last.popitem(last=False)
        return growth(earlier[1] if earlier else None, value)


class Sums(Generic[K]):
    """Our own counters, each the sum of what any number of sources grew."""

    def __init__(self, most: int = 10_000) -> None:
        self._growth: Growth[tuple[K, Hashable]] = Growth(most)
        self._totals: OrderedDict[K, tuple[float, Value]] = OrderedDict()
        self._most = most

    def add(self, key: K, source: Hashable, value: Value, at: float) -> Value:
        """Add what `source` grew to the counter `key`, and say its total."""
        grown = self._growth.of((key, source), value, at)
        total = self._totals.get(key)
        if total is None:
            self._totals[key] = (at, value if grown is None else grown)
        elif grown is not None:
            self._totals[key] = (at, sum_of(total[1], grown))
            self._totals.move_to_end(key)
        while len(self._totals) > self._most and next(iter(self._totals.values()))[0] < at:
            self._totals.popitem(last=False)
        return self._totals[key][1]


class Remainder:
    """What of one counter others do not explain: HTTP errors beyond those the engine counted.

    An event may show in its part one reading before it shows in the whole, so a part not yet
    found there is owed for one reading more, and then forgotten: a debt kept for ever would
    swallow a later, unrelated event.
    """

    def __init__(self) -> None:
        self._growth: Growth[Hashable] = Growth()
        self._owed = 0.0
        self._at = float("-inf")
        self.total = 0.0

    def add(self, whole: float, parts: Sequence[float], at: float) -> float:
        """Take in a reading of the whole and of its parts, and say the total so far."""
        if at < self._at:
            return self.total
        self._at = at
        grown = self._number("whole", whole, at)
        explained = sum(self._number(index, part, at) for index, part in enumerate(parts))
        paid = min(self._owed + explained, grown)
        self.total += grown - paid
        self._owed = min(explained, self._owed + explained - paid)
        return self.total

    def _number(self, source: Hashable, value: float, at: float) -> float:
        grown = self._growth.of(source, value, at)
        return grown if isinstance(grown, (int, float)) else 0.0
