"""By how much calls of a service grew by its metrics, and the counters that this is added to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from inferometer.catalogue import CLIENT_DURATION, CLIENT_ERRORS, CLIENT_TPOT, CLIENT_TTFT
from inferometer.ledger.counting import BOUNDS, SUM, TOKENS
from inferometer.ledger.streams import Increase
from inferometer.points import CallLabels, MetricPoint
from inferometer.values import Histogram

AT_ONCE = 1000  # in a row of the table
INFINITE = "inf"
_MOST_BOUNDS = {"duration": CLIENT_DURATION.bounds, "first_token": CLIENT_TTFT.bounds,
                "per_token": CLIENT_TPOT.bounds}


class CallGrowth(NamedTuple):
    """What points of one kind add up to, with the labels of their calls."""

    labels: CallLabels
    quantity: str
    outcome: str
    error_type: str
    points: int
    values: int
    total: int
    bounds: tuple[float, ...]
    counts: tuple[int, ...]


class CallGrowths:
    """Those of one body, added up by service and kind."""

    def __init__(self) -> None:
        self._sums: dict[tuple[object, ...], CallGrowth] = {}

    def add(self, point: MetricPoint, increase: Increase) -> None:
        """Add what a point adds."""
        counts = increase.counts
        bounds = point.bounds if counts else ()
        key = (point.labels, point.quantity, point.outcome, point.error_type, bounds, len(counts))
        before = self._sums.get(key)
        if before is None:
            self._sums[key] = CallGrowth(point.labels, point.quantity, str(point.outcome),
                                     str(point.error_type), 1, increase.values, increase.total,
                                     bounds, counts)
            return
        self._sums[key] = before._replace(
            points=before.points + 1, values=before.values + increase.values,
            total=before.total + increase.total,
            counts=tuple(a + b for a, b in zip(before.counts, counts, strict=True)))

    def rows(self) -> Iterator[tuple[str, str]]:
        """Services, each with some of its growths as they are written down."""
        by_service: dict[str, list[CallGrowth]] = {}
        for growth in self._sums.values():
            by_service.setdefault(growth.labels.service_name, []).append(growth)
        for service, growths in by_service.items():
            for begin in range(0, len(growths), AT_ONCE):
                yield service, json.dumps(growths[begin:begin + AT_ONCE])


def growths_of(row: str) -> Iterator[CallGrowth]:
    """What was written down."""
    for one in json.loads(row):
        growth = CallGrowth._make(one)
        yield growth._replace(labels=CallLabels._make(growth.labels),
                              bounds=tuple(growth.bounds), counts=tuple(growth.counts))


def ending(growth: CallGrowth) -> str:
    """The part of the counter of calls that have ended so; one of CLIENT_ENDINGS."""
    possible = CLIENT_ERRORS[growth.outcome]
    error_type = growth.error_type if growth.error_type in possible else possible[-1]
    return f"{growth.outcome}/{error_type}"


def bounds_for(growth: CallGrowth) -> tuple[float, ...]:
    """The bounds for a service whose first histogram of a kind this is.

    The catalogue's where the sender has all of these, so that its figures are as those of spans;
    else its own, of which so many as the family may have, and none is moved.
    """
    ours = BOUNDS[growth.quantity]
    if set(ours) <= set(growth.bounds):
        return ours
    empty = Histogram(growth.bounds, (0.0,) * (len(growth.bounds) + 1), None)
    return empty.coarsened(_MOST_BOUNDS[growth.quantity]).bounds


def parts_of(growth: CallGrowth, bounds: Sequence[float]) -> Mapping[str, int] | None:
    """What is added to the parts of a histogram; None where the growth has not all its bounds."""
    places = {bound: place for place, bound in enumerate(growth.bounds)}
    if not places.keys() >= set(bounds):
        return None
    upto = list(accumulate(growth.counts))
    below = [upto[places[bound]] for bound in bounds]
    parts = {str(bound): number - before for bound, number, before in zip(
        bounds, below, [0, *below], strict=False)}
    return {**parts, INFINITE: growth.values - (below[-1] if below else 0), SUM: growth.total}


def counters_of(growths: Iterable[CallGrowth], bounds: Callable[[CallGrowth], Sequence[float]],
                miss: Callable[[CallGrowth], None]) -> Iterator[tuple[CallLabels, str, str, int]]:
    """Labels, a counter's name and part, and by how much it grows.

    `bounds`: those that the histogram has. `miss`: called with what it does not take in.
    """
    for growth in growths:
        if growth.quantity in TOKENS:
            yield growth.labels, growth.quantity, "", growth.total
            continue
        if growth.quantity == "duration":
            yield growth.labels, "ended", ending(growth), growth.values
            if growth.outcome != "success":
                continue
        parts = parts_of(growth, bounds(growth))
        if parts is None:
            miss(growth)
            continue
        for part, number in parts.items():
            yield growth.labels, growth.quantity, part, number
