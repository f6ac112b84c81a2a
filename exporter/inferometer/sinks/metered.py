"""Calls that metrics tell of, as points of the families of calls: no more than these tell."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import accumulate

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.values import Histogram, Key

METRICS = "metrics"  # the name of a seat of calls that metrics tell of
SUM, INFINITE = "sum", "inf"
# Counters of calls that have no parts, and histograms with the bounds that spans' have.
PLAIN = {"input": c.CLIENT_INPUT, "cached": c.CLIENT_INPUT_CACHED,
         "cache_write": c.CLIENT_INPUT_WRITTEN, "output": c.CLIENT_OUTPUT,
         "reasoning": c.CLIENT_OUTPUT_REASONING, "usage_missing": c.CLIENT_USAGE_MISSING,
         "price_unknown": c.CLIENT_PRICE_UNKNOWN, "over_cost": c.CLIENT_OVER_COST,
         "within_limits": c.CLIENT_WITHIN_LIMITS}
TIMES = {"duration": (c.CLIENT_DURATION, c.DURATION_BOUNDS),
         "first_token": (c.CLIENT_TTFT, c.FIRST_TOKEN_BOUNDS),
         "per_token": (c.CLIENT_TPOT, c.PER_TOKEN_BOUNDS)}
Parts = Mapping[tuple[str, str], int]  # a seat's counters, by name and part


def by_seat(counters: Mapping[tuple[int, str, str], int], seats: Container[int]
            ) -> dict[int, Parts]:
    """The counters of these seats."""
    made: dict[int, dict[tuple[str, str], int]] = {}
    for (seat, name, part), value in counters.items():
        if seat in seats:
            made.setdefault(seat, {})[name, part] = value
    return {**made}


def add_metered(points: dict[Metric, dict[Key, float | Histogram]], counters: Parts, key: Key
                ) -> None:
    """Add those of a seat. What spans of the same labels told, at another time, is added up."""
    if any(name == "ended" for name, _ in counters):
        for outcome, error_type in c.CLIENT_ENDINGS:
            number = counters.get(("ended", f"{outcome}/{error_type}"), 0)
            _add(points[c.CLIENT_REQUESTS], (*key, outcome, error_type), number)
    for name, metric in PLAIN.items():
        if (name, "") in counters:
            _add(points[metric], key, counters[name, ""])
    for name, (metric, _) in TIMES.items():
        histogram = _histogram(counters, name)
        spans = points[metric].get(key)
        if histogram and not (isinstance(spans, Histogram) and spans.counts[-1]):
            points[metric][key] = histogram
        elif histogram and isinstance(spans, Histogram) and spans.bounds == histogram.bounds:
            points[metric][key] = spans.plus(histogram)


def _add(points: dict[Key, float | Histogram], key: Key, number: int) -> None:
    before = points.get(key, 0.0)
    assert not isinstance(before, Histogram)
    points[key] = before + number


def _histogram(counters: Parts, name: str) -> Histogram | None:
    """One with the bounds that its parts have; None where the seat has none."""
    if (name, SUM) not in counters:
        return None
    bounds = sorted(float(part) for of, part in counters
                    if of == name and part not in (SUM, INFINITE))
    counts = accumulate(counters.get((name, str(bound)), 0) for bound in (*bounds, float("inf")))
    return Histogram(tuple(bounds), tuple(map(float, counts)), counters[name, SUM] / 1e9)
