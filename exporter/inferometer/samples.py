"""What is said in one scrape: families of points, a point being a number or a histogram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inferometer.catalogue import Metric

Key = tuple[str, ...]  # label values in the order of the metric's labels


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative histogram: `counts[i]` is the number of values at or below `bounds[i]`.

    `bounds` are finite and ascend; `counts` has one more, the number of all values. `total` is
    their sum, None where it is unknown.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float | None

    def at(self, bounds: tuple[float, ...]) -> Histogram:
        """The same values over a subset of the bounds: coarser, never re-bucketed."""
        if bounds == self.bounds:
            return self
        place = {bound: index for index, bound in enumerate(self.bounds)}
        counts = tuple(self.counts[place[bound]] for bound in bounds)
        return Histogram(bounds, (*counts, self.counts[-1]), self.total)

    def plus(self, other: Histogram) -> Histogram:
        """Both together, over the bounds they share."""
        bounds = self.bounds
        if bounds != other.bounds:
            shared = set(other.bounds)
            bounds = tuple(bound for bound in bounds if bound in shared)
        ours, theirs = self.at(bounds), other.at(bounds)
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
        return self.at(tuple(self.bounds[(i + 1) * size // most - 1] for i in range(most)))


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


class Ticket:
    """A set of keys that may have been seated by the guard, and when it was last shown there."""

    __slots__ = ("seats", "shown_at")

    def __init__(self) -> None:
        self.seats: object = None
        self.shown_at = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Numbers of one source, never changed once made, with their lines as the page has them.

    While a source's keys stay the same, so does the ticket: the guard looks at them once.
    """

    points: Mapping[Key, float]
    text: str
    ticket: Ticket


@dataclass(slots=True)
class Family:
    """One metric with its points, those made for this page and those kept in blocks."""

    metric: Metric
    points: dict[Key, Value] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def add(self, value: Value | None, /, **labels: str) -> None:
        """Set the point with these labels; those not named are empty, None is left out."""
        if value is None:
            return
        unknown = labels.keys() - set(self.metric.label_names)
        if unknown:
            raise KeyError(f"{self.metric.name} has no label {', '.join(sorted(unknown))}")
        self.points[tuple(labels.get(name, "") for name in self.metric.label_names)] = value

    def items(self) -> Iterator[tuple[Key, Value]]:
        """Every point with its key."""
        yield from self.points.items()
        for block in self.blocks:
            yield from block.points.items()
