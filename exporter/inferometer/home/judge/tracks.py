"""Numbers by the step in which they were read: the newest so many, in little memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import reduce

from inferometer.home.history import quantile
from inferometer.values import Histogram

WINDOW = 10  # steps: the rules' five minutes
HOUR = 120


class Track:
    """One number a step; a step may have none."""

    __slots__ = ("_newest", "_values")

    def __init__(self, steps: int = HOUR) -> None:
        self._values = array("f", [math.nan]) * steps
        self._newest = -1

    def put(self, step: int, value: float) -> None:
        """Set the number of a step."""
        size = len(self._values)
        for passed in range(max(self._newest + 1, step - size + 1), step + 1):
            self._values[passed % size] = math.nan
        self._newest = max(step, self._newest)
        self._values[step % size] = value

    def add(self, step: int, value: float) -> None:
        """Add to the number of a step."""
        before = self.last(step, 1)
        self.put(step, value + (before[0] if before else 0.0))

    def last(self, step: int, many: int, ago: int = 0) -> list[float]:
        """Those of the `many` steps that end so many before `step`, oldest first."""
        size, end = len(self._values), step - ago
        places = range(max(end - many + 1, self._newest - size + 1, 0),
                       min(end, self._newest) + 1)
        return [value for value in (self._values[place % size] for place in places)
                if value == value]

    def total(self, step: int, many: int, ago: int = 0) -> float | None:
        """Their sum; None without any."""
        values = self.last(step, many, ago)
        return sum(values) if values else None

    def mean(self, step: int, many: int) -> float | None:
        """Their mean; None without any."""
        values = self.last(step, many)
        return sum(values) / len(values) if values else None


class GrowthTrack:
    """What a histogram grew by: in every step of the window, and in every window of the hour."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._steps: dict[int, array[float]] = {}
        self._windows: dict[int, array[float]] = {}

    def add(self, step: int, grown: Histogram) -> None:
        """Add to a step."""
        for of, place, most in ((self._steps, step, WINDOW),
                                (self._windows, step // WINDOW, HOUR // WINDOW)):
            for old in [old for old in of if old <= place - most]:
                del of[old]
            numbers = of.get(place)
            if numbers is None:
                numbers = of[place] = array("f", [0.0]) * (len(self.bounds) + 2)
            for index, count in enumerate((*grown.counts, grown.total or 0.0)):
                numbers[index] += count

    def window(self, step: int) -> Histogram:
        """The growth of the window up to `step`."""
        return self._sum([numbers for place, numbers in self._steps.items()
                          if step - WINDOW < place <= step])

    def hour(self, step: int) -> Histogram:
        """The growth of the hour up to `step`, whose first minutes may lack."""
        return self._sum([numbers for place, numbers in self._windows.items()
                          if place > step // WINDOW - HOUR // WINDOW])

    def _sum(self, rows: Sequence[Sequence[float]]) -> Histogram:
        sums = [sum(column) for column in zip(*rows, strict=True)] if rows else (
            [0.0] * (len(self.bounds) + 2))
        return Histogram(self.bounds, tuple(sums[:-1]), sums[-1])


def count_of(histograms: Sequence[Histogram]) -> float:
    """How many values they have together."""
    return sum(histogram.counts[-1] for histogram in histograms)


def mean_of(histograms: Sequence[Histogram], _: float = 0.0) -> float | None:
    """The mean of all values; None without any."""
    count = count_of(histograms)
    return sum(histogram.total or 0.0 for histogram in histograms) / count if count else None


def p95_of(histograms: Sequence[Histogram], enough: float) -> float | None:
    """That of the worst of several sets of bounds, as the rules have it; None without any value.

    One with less than a quarter of all values needs `enough` of its own.
    """
    least = min(count_of(histograms) / 4, enough)
    values = [point.value for histogram in histograms if histogram.counts[-1] >= least
              for point in [quantile(0.95, histogram)] if point]
    return max(values, default=None)


def merged(histograms: Sequence[Histogram]) -> Histogram | None:
    """All together with the bounds that they share; None if there is none."""
    return reduce(Histogram.plus, histograms) if histograms else None
