"""The value of a point, a number or a histogram, and its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Key = tuple[str, ...]  # label values in the order of the metric's labels


class Exemplar(NamedTuple):
    """One of the values that a bucket counts, and the trace that it comes from."""

    trace_id: str  # in hex, as the application's own tracing has it
    value: float
    timestamp: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative histogram: `counts[i]` is the number of values at or below `bounds[i]`.

    `bounds` are finite and ascend; `counts` has one more, the number of all values. `total` is
    their sum, None where it is unknown. `exemplars` are empty, or one for each count, of values
    that the count before it has not. What is reckoned from histograms has none.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float | None
    exemplars: tuple[Exemplar | None, ...] = ()

    def with_bounds(self, bounds: tuple[float, ...]) -> Histogram:
        """The same histogram with a subset of its bounds: coarser, never re-bucketed."""
        if bounds == self.bounds:
            return self
        place = {bound: index for index, bound in enumerate(self.bounds)}
        counts = tuple(self.counts[place[bound]] for bound in bounds)
        return Histogram(bounds, (*counts, self.counts[-1]), self.total)

    def plus(self, other: Histogram) -> Histogram:
        """The sum of both, with the bounds they share."""
        bounds = self.bounds
        if bounds != other.bounds:
            shared = set(other.bounds)
            bounds = tuple(bound for bound in bounds if bound in shared)
        ours, theirs = self.with_bounds(bounds), other.with_bounds(bounds)
        total = None if ours.total is None or theirs.total is None else ours.total + theirs.total
        counts = tuple(a + b for a, b in zip(ours.counts, theirs.counts, strict=True))
        return Histogram(bounds, counts, total)

    def since(self, earlier: Histogram) -> Histogram:
        """What came since an earlier reading of the same source; all of it after a reset."""
        if self.bounds != earlier.bounds:
            return self
        counts = tuple(a - b for a, b in zip(self.counts, earlier.counts, strict=True))
        if any(count < 0 for count in counts):
            return self
        total = None
        if self.total is not None and earlier.total is not None:
            total = max(0.0, self.total - earlier.total)
        return Histogram(self.bounds, counts, total)

    def coarsened(self, most: int) -> Histogram:
        """At most `most` bounds, spread evenly over the present ones, the last one kept."""
        size = len(self.bounds)
        if size <= most:
            return self
        return self.with_bounds(tuple(self.bounds[(i + 1) * size // most - 1] for i in range(most)))


Value = float | Histogram


def sum_of(first: Value, second: Value) -> Value:
    """Two values of one kind added."""
    if isinstance(first, Histogram) and isinstance(second, Histogram):
        return first.plus(second)
    assert not isinstance(first, Histogram)
    assert not isinstance(second, Histogram)
    return first + second


def growth(earlier: Value | None, now: Value) -> Value:
    """How much a counter grew since it was last read; a foreign reset is a new source."""
    if earlier is None:
        return now
    if isinstance(now, Histogram) and isinstance(earlier, Histogram):
        return now.since(earlier)
    assert not isinstance(now, Histogram)
    assert not isinstance(earlier, Histogram)
    return now - earlier if now >= earlier else now


def fell(earlier: Value, now: Value) -> bool:
    """Whether a counter went down, as only a reset makes it do."""
    if isinstance(now, Histogram) and isinstance(earlier, Histogram):
        return now.counts[-1] < earlier.counts[-1]
    assert not isinstance(now, Histogram)
    assert not isinstance(earlier, Histogram)
    return now < earlier
