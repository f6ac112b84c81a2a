"""Reads one child of an engine's histogram from the values of a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter, le

from inferometer.catalogue import LARGEST_COUNT
from inferometer.values import Histogram

BucketLine = tuple[str, float | None, int]  # suffix, bound, index of one line of a histogram


class PageValues(list[float]):
    """The values of one page, in the order of its shape.

    `dropped` is how many of them were found to be no count and no measure, since it was last 0.
    """

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__(values)
        self.dropped = 0


class Buckets:
    """The lines that one histogram child is made of, and how to read them at once.

    Lines and values that are as they should be are picked at once, all others line by line.
    `scale` brings the sum to our unit; the bounds are in our unit already.
    """

    def __init__(self, lines: list[BucketLine], scale: float) -> None:
        self._lines = lines
        self._scale = scale
        buckets = sorted((bound, index) for suffix, bound, index in lines
                         if suffix == "_bucket" and bound is not None and bound > -math.inf)
        sums = [index for suffix, _, index in lines if suffix == "_sum"]
        bounds = [bound for bound, _ in buckets]
        self._bounds = tuple(bounds[:-1])
        self._counts: Callable[[PageValues], tuple[float, ...]] | None = None
        if (len(bounds) > 1 and bounds[-1] == math.inf and len(set(bounds)) == len(bounds)
                and len(sums) == 1):
            self._counts, self._sum = itemgetter(*(index for _, index in buckets)), sums[0]

    def read(self, values: PageValues) -> Histogram | None:
        """The child in our unit, None if it has neither a count nor an infinite bucket."""
        if self._counts is not None:
            counts, total = self._counts(values), values[self._sum]
            rising = (all(map(le, counts, counts[1:])) and counts[0] >= 0
                      and counts[-1] <= LARGEST_COUNT)
            if rising and 0 <= total <= LARGEST_COUNT:
                return Histogram(self._bounds, counts, total * self._scale)
        return self._read_lines(values)

    def _read_lines(self, values: PageValues) -> Histogram | None:
        buckets: dict[float, float] = {}
        count: float | None = None
        total: float | None = None
        for suffix, bound, index in self._lines:  # of copies of one line the greatest counts
            value = values[index]
            if not 0 <= value <= LARGEST_COUNT:
                values.dropped += 1
                continue
            if suffix == "_bucket" and bound is not None and not math.isnan(bound):
                buckets[bound] = max(value, buckets.get(bound, 0.0))
            elif suffix == "_count":
                count = max(value, count or 0.0)
            elif suffix == "_sum":
                total = max(value, total if total is not None else -math.inf)
        last = buckets.pop(math.inf, count)
        if last is None:
            return None
        bounds = sorted(bound for bound in buckets if math.isfinite(bound))
        counts: list[float] = []
        for bound in bounds:  # a page written while it is read may dip by one
            counts.append(min(last, max(buckets[bound], counts[-1] if counts else 0.0)))
        return Histogram(tuple(bounds), (*counts, last),
                         None if total is None else total * self._scale)
