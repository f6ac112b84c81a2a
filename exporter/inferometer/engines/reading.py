"""Describe: a page seen through a table becomes points of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.counters import Sums
from inferometer.engines.requests import Requests, by_class
from inferometer.engines.sources import Total
from inferometer.engines.table import Source
from inferometer.engines.view import EVERYWHERE, Place, View
from inferometer.samples import Histogram, Key, Value

NATIVE, DERIVED, UNAVAILABLE = c.SOURCE.values


@dataclass(frozen=True)
class Facts:
    """What documents beside the metrics page say; empty and None where they do not."""

    model: str = ""
    version: str = ""
    max_model_length: float | None = None


@dataclass
class Reading:
    """What one page says: points by metric (keys without the target), and each signal's source."""

    model: str
    points: dict[Metric, dict[Key, Value]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unknown: int = 0

    def put(self, metric: Metric, key: Key, value: Value) -> None:
        """Set one point."""
        self.points.setdefault(metric, {})[key] = value


class Describer:
    """Describes one target's pages; holds what its derived counters and its progress need."""

    def __init__(self) -> None:
        self._requests = Requests()
        self._sums: Sums[tuple[Metric, Place]] = Sums(1000)
        self._counted: float | None = None
        self._progressed_at = 0.0

    def describe(self, view: View, facts: Facts, at: float) -> Reading:
        """The page's points. `at` is when it was asked for, in Unix seconds."""
        reading = Reading(view.only_model if view.models else facts.model)
        for metric in c.SIGNAL_METRICS:
            reading.sources[metric.signal] = UNAVAILABLE
            for source in view.engine.signals.get(metric, ()):
                values = self._read(source, view, metric, at)
                if values:
                    self._put(reading, metric, values)
                    reading.sources[metric.signal] = DERIVED if source.derived else NATIVE
                    break
        self._put_requests(reading, view, at)
        self._put_http(reading, view)
        self._put_progress(reading, view, at)
        if facts.max_model_length is not None and c.SERVER_MAX_LENGTH not in reading.points:
            self._put(reading, c.SERVER_MAX_LENGTH, {EVERYWHERE: facts.max_model_length})
            reading.sources[c.SERVER_MAX_LENGTH.signal] = NATIVE
        reading.unknown = sum(not view.engine.knows(name) for name in view.own)
        return reading

    def _read(self, source: Source, view: View, metric: Metric,
              at: float) -> Mapping[Place, Value]:
        if not isinstance(source, Total) or metric.kind != "counter":
            return source.read(view, metric)
        totals: dict[Place, Value] = {}
        for place in source.read(view, metric):
            for index, term in enumerate(source.terms):
                value = term.read(view, metric)[place]
                totals[place] = self._sums.add((metric, place), index, value, at)
        return totals

    def _put(self, reading: Reading, metric: Metric, values: Mapping[Place, Value]) -> None:
        engine_wide = c.RANK not in metric.labels
        for (model, rank), value in values.items():
            key = (model or reading.model, *(() if engine_wide else (rank,)))
            if isinstance(value, Histogram):
                value = value.coarsened(metric.bounds)
            reading.put(metric, key, value)

    def _put_requests(self, reading: Reading, view: View, at: float) -> None:
        counts, derived = self._requests.read(view, at)
        for outcome in c.OUTCOMES:
            reading.sources[f"requests_{outcome}"] = UNAVAILABLE
        for ((model, rank), (outcome, reason)), count in counts.items():
            reading.put(c.SERVER_REQUESTS, (model or reading.model, rank, outcome, reason), count)
            source = DERIVED if outcome in derived else NATIVE
            reading.sources[f"requests_{outcome}"] = source

    def _put_http(self, reading: Reading, view: View) -> None:
        http = view.engine.http
        if http is not None and http.name in view.families:
            for code_class, count in by_class(view, http).items():
                reading.put(c.SERVER_HTTP, (reading.model, code_class), count)
            reading.sources[c.SERVER_HTTP.signal] = NATIVE

    def _put_progress(self, reading: Reading, view: View, at: float) -> None:
        counts = [sum(numbers.values()) for series in view.engine.progress
                  if (numbers := series.numbers(view, "counter"))]
        if not counts:
            return
        if sum(counts) != self._counted:
            self._counted, self._progressed_at = sum(counts), at
        reading.put(c.SERVER_LAST_PROGRESS, (reading.model,), self._progressed_at)
        reading.sources[c.SERVER_LAST_PROGRESS.signal] = DERIVED
