"""Values that cannot be are not said: they are left out, and counted by family.

The catalogue says what can be: a range by unit, how much a counter may grow in a second, and what
a value may not exceed. All that GPUs and engines say goes through here, once.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.counters import Pace
from inferometer.families import Family, Series
from inferometer.rendered.columns import lasting
from inferometer.values import Histogram, Key, Value


class Refusals:
    """How many values were refused, by family. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._shown: tuple[Sequence[Metric], Family] | None = None  # of these counts
        self._lock = threading.Lock()

    def add(self, metric: Metric, count: int = 1) -> None:
        """Count refused values."""
        with self._lock:
            self._counts[metric.name] = self._counts.get(metric.name, 0.0) + count
            self._shown = None

    def family(self, live: Sequence[Metric]) -> Family:
        """The counts; of the families that are live from 0 on."""
        with self._lock:
            if self._shown is None or self._shown[0] != live:
                counts = {metric.name: 0.0 for metric in live} | self._counts
                self._shown = live, lasting(c.VALUES_REFUSED, {
                    (name,): count for name, count in counts.items()})
            return self._shown[1]


class Sieve:
    """Lets through what one source says, reading by reading, as far as it can be."""

    def __init__(self, refusals: Refusals | None = None) -> None:
        self.refusals = refusals or Refusals()
        self._pace: Pace[Series] = Pace(1000)

    def sift(self, points: Mapping[Series, float], read_at: float, took: float = 0.0
             ) -> dict[Series, float]:
        """What can be of one reading, made within `took` seconds from `read_at`, on any clock."""
        kept: dict[Series, float] = {}
        for series, reported in points.items():
            value = self._fit(series, reported, read_at, took)
            if isinstance(value, float | int):
                kept[series] = value
        for series in [series for series in kept if series[0].under and _exceeds(kept, series)]:
            del kept[series]
            self.refusals.add(series[0])
        return kept

    def sift_one(self, metric: Metric, values: Mapping[Key, Value], read_at: float
                 ) -> Mapping[Key, Value]:
        """The same of one metric's values."""
        return {key: value for key, reported in values.items()
                if (value := self._fit((metric, key), reported, read_at, 0.0)) is not None}

    def _fit(self, series: Series, reported: Value, read_at: float, took: float) -> Value | None:
        metric = series[0]
        value = reported if isinstance(reported, Histogram) else metric.range.fit(reported)
        if value is not None and metric.kind != "gauge":
            value = self._pace.of(series, value, metric.pace, read_at, took)
        if value is None:
            self.refusals.add(metric)
        return value


def _exceeds(points: Mapping[Series, float], series: Series) -> bool:
    """Whether a point is more than the catalogue allows it to be beside another."""
    metric, labels = series
    assert metric.under
    other, multiple = metric.under
    return points[series] > points.get((other, labels), math.inf) * multiple
