"""Counters that we derive: they only go up, whatever their sources do.

Positive growth is added per source and totals are never subtracted; a source that went down was
reset and counts from nothing again; a reading older than the last one is ignored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from functools import reduce
from typing import Any, Generic, TypeVar

from inferometer.values import Histogram, Value, fell, growth, sum_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST_REMEMBERED = 10_000  # keys; more only if the last two readings have more
SLACK_SECONDS = 2.0  # that a source's own clockwork may be late or early


class Memory(Generic[K, V]):
    """What was read last, by key and with its time.

    Beyond `most` keys, or values of that weight in all, those not read for longest are forgotten;
    but none of the present reading, which may not be complete yet, and none of the one before.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._kept: OrderedDict[K, tuple[float, V, int]] = OrderedDict()
        self._weight = 0
        self._now = self._before = float("-inf")

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> tuple[float, V, int] | None:
        """Time, value and weight as they were put last."""
        return self._kept.get(key)

    def put(self, key: K, value: V, read_at: float, weight: int = 1) -> None:
        """Remember a value read at this time."""
        earlier = self._kept.get(key)
        self._weight += weight - (earlier[2] if earlier else 0)
        self._kept[key] = (read_at, value, weight)
        self._kept.move_to_end(key)
        self.forget(read_at)

    def forget(self, read_at: float) -> None:
        """Forget what need not be remembered any more at a reading of this time."""
        if read_at > self._now:
            self._before, self._now = self._now, read_at
        while self._weight > self._most and next(iter(self._kept.values()))[0] < self._before:
            self._weight -= self._kept.popitem(last=False)[1][2]


class Growth(Generic[K]):
    """The growth of foreign counters, each known by a key."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._last: Memory[K, Value] = Memory(most)

    def of(self, source: K, value: Value, read_at: float) -> Value | None:
        """How much the source grew up to `read_at`; None for a reading that came too late."""
        earlier = self._last.get(source)
        if earlier is not None and read_at < earlier[0]:
            return None
        self._last.put(source, value, read_at)
        return growth(earlier[1] if earlier else None, value)


class Sums(Generic[K]):
    """Our own counters, each the sum of the growth of its sources."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._growth: Growth[tuple[K, Hashable]] = Growth(most)
        self._totals: Memory[K, Value] = Memory(most)

    def add(self, key: K, source: Hashable, value: Value, read_at: float) -> Value:
        """Add the growth of `source` to the counter `key`. Returns its total."""
        grown = self._growth.of((key, source), value, read_at)
        kept = self._totals.get(key)
        if kept is not None and grown is None:
            return kept[1]
        grown = value if grown is None else grown
        total = grown if kept is None else sum_of(kept[1], grown)
        self._totals.put(key, total, read_at)
        return total


class SummedCounters(Generic[K]):
    """Foreign counters that are each a sum of children, which may come and go.

    The sum is passed on as it is, and so is its reset when the engine restarts. But if some
    children are lost while others stay, the counts of the lost ones stay in the sum: else it
    would fall, and be taken for a reset.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._last: Memory[K, tuple[Mapping[Any, Value], list[Value]]] = Memory(most)

    def forget(self, read_at: float) -> None:
        """Forget what need not be remembered any more at a reading of this time."""
        self._last.forget(read_at)

    def total_of(self, key: K, children: Mapping[Any, Value], read_at: float) -> Value:
        """The counter `key`, given all its children as they are now: at least one."""
        earlier = self._last.get(key)
        if earlier is None and len(children) == 1:  # as most have: nothing to remember
            return next(iter(children.values()))
        before, kept = earlier[1] if earlier else ({}, [])
        if len(before) > 1 or kept:  # a single child is passed on, its resets too
            lost = [value for child, value in before.items()
                    if child not in children or fell(value, children[child])]
            if lost:
                kept = [reduce(sum_of, [*kept, *lost])] if len(lost) < len(before) else []
        self._last.put(key, (children, kept), read_at, len(children))
        return reduce(sum_of, [*children.values(), *kept])


class Remainder:
    """The part of a counter that others do not explain: HTTP errors that the engine did not count.

    `unexplained` is the result so far. An event may show in the parts one reading before it shows
    in the overall count. So growth of the parts beyond the overall growth is owed for one reading
    more and then forgotten: else it would explain away a later, unrelated event.
    """

    def __init__(self) -> None:
        self._growth: Growth[Hashable] = Growth(1000)
        self._owed = 0.0
        self._read_at = float("-inf")
        self.unexplained = 0.0

    def add(self, overall: Mapping[Any, float], parts: Mapping[Any, float],
            read_at: float) -> float:
        """Add a reading of the overall count and its parts, child by child. Returns the result."""
        if read_at < self._read_at:
            return self.unexplained
        self._read_at = read_at
        grown = self._grown("overall", overall.items(), read_at)
        explained = self._grown("part", parts.items(), read_at)
        paid = min(self._owed + explained, grown)
        self.unexplained += grown - paid
        self._owed = min(explained, self._owed + explained - paid)
        return self.unexplained

    def _grown(self, role: str, children: Iterable[tuple[Hashable, float]],
               read_at: float) -> float:
        grown = [self._growth.of((role, child), value, read_at) for child, value in children]
        return sum(number for number in grown if isinstance(number, int | float))


class Pace(Generic[K]):
    """Foreign counters, none of which grows by more than time allows.

    A reading that does is refused, and so is one that fell to what no counter reaches that began
    anew since: it would be taken for a reset, and all of it for growth. If the next reading goes on
    from there, the source has jumped, for whatever reason: it is a new source, whose growth is
    added from then on, and the jump is not.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._paced: dict[K, _Paced] = {}
        self._now = self._before = float("-inf")

    def of(self, key: K, value: Value, pace: float, read_at: float, took: float = 0.0
           ) -> Value | None:
        """The counter, None for a reading that cannot be.

        `pace` is its largest growth in a second; it was read within `took` seconds from `read_at`.
        """
        if read_at != self._now:
            self._forget()
            self._before, self._now = self._now, read_at
        paced = self._paced.get(key)
        if paced is None:
            self._paced[key] = _Paced(value, read_at)
            return value
        elapsed = read_at - paced.read_at
        shown = paced.take(value, pace * ((elapsed if elapsed > 0 else 0.0) + took + SLACK_SECONDS))
        if shown is not None:
            paced.read_at = read_at
        paced.seen_at = read_at
        return shown

    def _forget(self) -> None:
        """Forget, beyond `most` counters, those that the last two readings did not have."""
        if len(self._paced) > self._most:
            self._paced = {key: paced for key, paced in self._paced.items()
                           if paced.seen_at in (self._now, self._before)}


class _Paced:
    """The last reading that can be, what was shown for it, and a later one that cannot, if any.

    `read_at` is when it was read, `seen_at` when any was.
    """

    __slots__ = ("jumped_to", "read", "read_at", "seen_at", "shown", "size")

    def __init__(self, value: Value, read_at: float) -> None:
        self.read = self.shown = value
        self.size = _size(value)
        self.read_at = self.seen_at = read_at
        self.jumped_to: Value | None = None

    def take(self, value: Value, allowed: float) -> Value | None:
        """What is shown for the next reading, if the counter may have grown by so much at most."""
        size = _size(value)
        if 0 <= size - self.size <= allowed:
            shown = value if self.shown is self.read else sum_of(
                self.shown, growth(self.read, value))
        elif size < self.size and size <= allowed:
            shown = value  # it counts from nothing again
        elif self.jumped_to is not None and 0 <= size - _size(self.jumped_to) <= allowed:
            shown = self.shown
        else:
            self.jumped_to = value
            return None
        self.read, self.size, self.shown, self.jumped_to = value, size, shown, None
        return shown


def _size(value: Value) -> float:
    return value.counts[-1] if isinstance(value, Histogram) else value
