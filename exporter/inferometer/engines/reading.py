"""Describe: a page seen through a table becomes points of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.counters import Sums, Wholes
from inferometer.engines.requests import Requests
from inferometer.engines.sources import Child, Series, Total
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
    restarted: bool = False  # whether the engine counts from nothing again

    def put(self, metric: Metric, key: Key, value: Value) -> None:
        """Set one point."""
        self.points.setdefault(metric, {})[key] = value


class Describer:
    """Describes one target's pages; holds what its derived counters and its progress need."""

    def __init__(self) -> None:
        self._requests = Requests()
        self._sums: Sums[tuple[Metric, Place]] = Sums(1000)
        self._wholes: Wholes[tuple[Metric, Place]] = Wholes(1000)
        self._turn = 0.0  # pages come one after the other, whatever the wall clock does
        self._counted: float | None = None
        self._generated = 0.0
        self._progressed_at = 0.0

    def describe(self, view: View, facts: Facts, at: float) -> Reading:
        """The page's points. `at` is when it was asked for, in Unix seconds."""
        self._turn += 1
        reading = Reading(view.only_model if view.models else facts.model)
        self._put_signals(reading, view)
        self._put_requests(reading, view)
        self._put_http(reading, view)
        self._put_progress(reading, view, at)
        if facts.max_model_length is not None and c.SERVER_MAX_LENGTH not in reading.points:
            self._put(reading, c.SERVER_MAX_LENGTH, {EVERYWHERE: facts.max_model_length})
            reading.sources[c.SERVER_MAX_LENGTH.signal] = NATIVE
        reading.restarted = self._restarted(reading)
        reading.unknown = sum(not view.engine.knows(name) for name in view.own)
        return reading

    def _put_signals(self, reading: Reading, view: View) -> None:
        for metric in c.SIGNAL_METRICS:
            reading.sources[metric.signal] = UNAVAILABLE
            for source in view.engine.signals.get(metric, ()):
                values = self._read(source, view, metric)
                if values:
                    self._put(reading, metric, values)
                    reading.sources[metric.signal] = DERIVED if source.derived else NATIVE
                    break

    def _restarted(self, reading: Reading) -> bool:
        before = self._generated
        self._generated = sum(value for value in reading.points.get(c.SERVER_OUTPUT, {}).values()
                              if isinstance(value, float))
        return self._generated < before

    def _read(self, source: Source, view: View, metric: Metric) -> Mapping[Place, Value]:
        values = source.read(view, metric)
        if metric.kind == "gauge":
            return values
        if isinstance(source, Series):
            for place, children in self._children(source, view, metric).items():
                values[place] = self._wholes.of((metric, place), children, self._turn)
        elif isinstance(source, Total):
            for term in source.terms:
                for place, children in self._children(term, view, metric).items():
                    for child, value in children.items() if place in values else ():
                        values[place] = self._sums.add(
                            (metric, place), (term.name, child), value, self._turn)
        return values

    @staticmethod
    def _children(series: Series, view: View,
                  metric: Metric) -> Mapping[Place, Mapping[Child, Value]]:
        if metric.kind == "histogram":
            return series.histograms(view)
        return series.children(view, metric.kind)

    def _put(self, reading: Reading, metric: Metric, values: Mapping[Place, Value]) -> None:
        engine_wide = c.RANK not in metric.labels
        for (model, rank), value in values.items():
            key = (model or reading.model, *(() if engine_wide else (rank,)))
            if isinstance(value, Histogram):
                value = value.coarsened(metric.bounds)
            reading.put(metric, key, value)

    def _put_requests(self, reading: Reading, view: View) -> None:
        counts, derived = self._requests.read(view, self._turn)
        for outcome in c.OUTCOMES:
            reading.sources[f"requests_{outcome}"] = UNAVAILABLE
        for ((model, rank), (outcome, reason)), count in counts.items():
            reading.put(c.SERVER_REQUESTS, (model or reading.model, rank, outcome, reason), count)
            source = DERIVED if outcome in derived else NATIVE
            reading.sources[f"requests_{outcome}"] = source

    def _put_http(self, reading: Reading, view: View) -> None:
        for code_class, count in self._requests.by_class(view, self._turn).items():
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
