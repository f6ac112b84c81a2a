"""What must hold of every reading, whatever the page was."""

from __future__ import annotations

import math

from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.values import Histogram, Value


def check(family: Family) -> None:
    """Numbers are finite and not below 0, histograms are histograms, keys have every label."""
    for key, value in family.items():
        assert len(key) == len(family.metric.labels), f"{family.metric.name}: {key}"
        if isinstance(value, Histogram):
            check_histogram(family.metric, value)
        else:
            assert 0 <= value < math.inf, f"{family.metric.name}: {value}"


def check_histogram(metric: Metric, value: Histogram) -> None:
    assert metric.kind == "histogram"
    assert len(value.bounds) <= metric.bounds
    assert len(value.counts) == len(value.bounds) + 1
    assert list(value.bounds) == sorted(set(value.bounds)), f"{metric.name}: {value.bounds}"
    assert all(map(math.isfinite, value.bounds)), f"{metric.name}: {value.bounds}"
    assert list(value.counts) == sorted(value.counts), f"{metric.name}: {value.counts}"
    assert all(map(math.isfinite, value.counts)), f"{metric.name}: {value.counts}"
    assert value.counts[0] >= 0, f"{metric.name}: {value.counts}"
    assert value.total is None or math.isfinite(value.total), f"{metric.name}: {value.total}"


def fell(before: Value, now: Value) -> bool:
    """Whether a counter of ours is below what it was, in any of its numbers."""
    if isinstance(before, Histogram) and isinstance(now, Histogram):
        shared = tuple(bound for bound in before.bounds if bound in now.bounds)
        return any(a > b for a, b in zip(before.with_bounds(shared).counts,
                                         now.with_bounds(shared).counts, strict=True))
    assert not isinstance(before, Histogram)
    assert not isinstance(now, Histogram)
    return now < before
