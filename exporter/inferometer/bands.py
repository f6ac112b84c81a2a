"""What a figure of an hour is expected to be, by the same hour of the weeks before: pure functions.

The band is the median of these hours, plus and minus the largest of three: 4 times their median
absolute deviation (MAD), 20 % of the median, and what chance does to a mean of so few requests. Two
to four hours say little of how far such a mean strays, and half of all such deviations are smaller
than usual; so the last one is taken from all hours of the four weeks together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import NamedTuple

WEEK, WEEKS = 168, 4  # hours; how many of the last ones are looked at
LEAST_REQUESTS = 30  # of an hour: the mean of fewer is accident
LEAST_HOURS = 2  # that there is something to compare with
DEVIATIONS = 4  # median absolute ones of the same hours
LEAST_SHARE = 0.2  # of the median, to each side
CHANCE = 6  # median absolute ones of all hours: four standard deviations of what is normal
LEAST_CHANCES = 24  # hours of which the chance is known: below that there is no telling


class HourMean(NamedTuple):
    """What requests of an hour came to on average, and of how many."""

    mean: float
    requests: int


class ExpectedBand(NamedTuple):
    """Where a figure is expected."""

    lower: float
    median: float
    upper: float

    def side(self, value: float) -> int:
        """1 above it, -1 below it, 0 within."""
        return (value > self.upper) - (value < self.lower)


def comparable(means: Mapping[int, HourMean], hour: int) -> Sequence[HourMean]:
    """The same hour of the weeks before, as far as it had enough requests; by hours of Unix time.

    The mean of nothing is 0, which nothing can be compared with.
    """
    past = (means.get(hour - week * WEEK) for week in range(1, WEEKS + 1))
    return [one for one in past if one is not None and is_enough(one)]


def is_enough(one: HourMean) -> bool:
    """Whether it can be judged, and judged by."""
    return one.requests >= LEAST_REQUESTS and one.mean > 0


def band(past: Sequence[HourMean], requests: int, chance: float) -> ExpectedBand | None:
    """Where the mean of so many requests is expected; None where too few hours are comparable.

    `chance`: see `chance_of`.
    """
    if len(past) < LEAST_HOURS:
        return None
    middle = median(one.mean for one in past)
    deviation = median(abs(one.mean - middle) for one in past)
    room = max(DEVIATIONS * deviation, LEAST_SHARE * middle,
               CHANCE * chance * middle * _width(requests, past))
    return ExpectedBand(max(0.0, middle - room), middle, middle + room)


def chance_of(means: Mapping[int, HourMean], until: int) -> float:
    """How far a request strays: the median deviation of hours of four weeks from their likes.

    Those are the others of the same hour, and the deviation is a share of their median; that of a
    mean of n requests is divided by the root of n. 0 where too few hours tell. `until`: the hour
    before which the four weeks end.
    """
    deviations = sorted(_deviations(means, until))
    return median(deviations) if len(deviations) >= LEAST_CHANCES else 0.0


def _deviations(means: Mapping[int, HourMean], until: int) -> Iterator[float]:
    for first in range(until - WEEK, until):
        same = [one for week in range(WEEKS)
                if (one := means.get(first - week * WEEK)) is not None and is_enough(one)]
        if len(same) < LEAST_HOURS:
            continue
        for place, one in enumerate(same):
            others = same[:place] + same[place + 1:]
            middle = median(other.mean for other in others)
            yield abs(one.mean / middle - 1) / _width(one.requests, others)


def _width(requests: int, past: Iterable[HourMean]) -> float:
    """By how much a mean strays from that of others, in deviations of one request."""
    return sqrt(1 / requests + 1 / sum(one.requests for one in past))
