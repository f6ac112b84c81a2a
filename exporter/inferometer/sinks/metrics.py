"""Counters of calls and steps as families of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.pricing import NANO, PriceSource
from inferometer.sinks.answers import KINDS, add_checks, begin_refusals
from inferometer.sinks.evaluations import add_evaluations
from inferometer.sinks.metered import METRICS, PLAIN, TIMES, add_metered, by_seat
from inferometer.sinks.retrieval import add_searches
from inferometer.values import Exemplar, Histogram, Key

SUM = "sum"  # part of a histogram beside its bounds, of times in nanoseconds


class CounterReading(NamedTuple):
    """All counters at one time.

    `counters`: by the number of a seat, the name of a counter and its part, which of a histogram is
    an upper bound in seconds. `seats`: by number the kind of what is counted, provider, model,
    operation, service_name, and the name of a tool, a method or an agent. A change makes a higher
    `version`. `exemplars`: of each bucket, by the number of a seat and the name of a histogram.
    """

    version: int
    counters: Mapping[tuple[int, str, str], int]
    seats: Mapping[int, Sequence[str]]
    exemplars: Mapping[tuple[int, str], tuple[Exemplar | None, ...]] = MappingProxyType({})

    def plus(self, other: CounterReading) -> CounterReading:
        """With those of another one, which has other seats."""
        return self if not other.seats else CounterReading(
            self.version + other.version, {**self.counters, **other.counters},
            {**self.seats, **other.seats}, self.exemplars)


# Counters of steps by the kind of step: the counter's name, and its parts.
_STEPS: Mapping[str, tuple[Metric, str, tuple[str, ...]]] = {
    "tool": (c.TOOL_CALLS, "ended", c.OUTCOMES), "mcp": (c.MCP_OPERATIONS, "ended", c.OUTCOMES),
    "run": (c.AGENT_RUNS, "ended", c.OUTCOMES),
}
_IN_RUNS = {"run_calls": c.AGENT_CALLS, "run_tools": c.AGENT_TOOL_CALLS}


class CallsCollector:
    """What applications did: calls to models, and tools, agents and searches around them."""

    name = "calls"
    punctual = True

    def __init__(self, read: Callable[[], CounterReading]) -> None:
        self._read = read
        self._version: int | None = None  # of the reading that they are made of
        self._families: Sequence[Family] = ()

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """All families; the same ones as before while nothing is counted."""
        reading = self._read()
        if reading.version != self._version:
            self._version, self._families = reading.version, _families(reading)
        return self._families


def _families(reading: CounterReading) -> Sequence[Family]:
    points: dict[Metric, dict[Key, float | Histogram]] = {
        metric: {} for metric in (*c.CLIENT_METRICS, *c.QUALITY_METRICS, c.EVALUATIONS,
                               c.EVALUATION_SCORE, c.COST)}
    metered = {seat for seat, labels in reading.seats.items() if labels[-1] == METRICS}
    for seat, (kind, *labels, name) in reading.seats.items():
        if kind == "call" and labels[-1] != c.OTHER:
            points[c.CLIENT_INFO][labels[-1], "metrics" if seat in metered else "spans"] = 1.0
        if seat in metered:
            continue
        if kind in ("call", "evaluation"):
            add_evaluations(points, reading.counters, seat, (kind, *labels, name))
        if kind in KINDS:
            add_checks(points, reading.counters, seat, kind, labels[1], labels[-1])
        elif kind == "conversation":
            points[c.CONVERSATION_TURNS][(labels[-1],)] = _histogram(
                reading.counters, seat, "turns", c.TURN_BOUNDS)
        elif kind == "call":
            begin_refusals(points, labels[1], labels[-1])
            _add_call(points, reading.counters, seat, tuple(labels))
            if reading.exemplars:
                _add_exemplars(points, reading.exemplars, seat, tuple(labels))
        elif kind == "judge" and reading.counters.get((seat, "hosted", "")):
            _spend(points, labels[1], reading.counters.get((seat, "cost", ""), 0) / NANO)
        elif kind in _STEPS:
            _add_step(points, reading.counters, seat, kind, (labels[-1], name))
    add_searches(points, reading.counters, reading.seats)
    for seat, counters in by_seat(reading.counters, metered).items():
        add_metered(points, counters, tuple(reading.seats[seat][1:-1]))
    return [Family(metric, of_metric) for metric, of_metric in points.items()]


def _add_call(points: dict[Metric, dict[Key, float | Histogram]],
              counters: Mapping[tuple[int, str, str], int], seat: int, key: Key) -> None:
    requests = points[c.CLIENT_REQUESTS]
    for outcome, error_type in c.CLIENT_ENDINGS:
        requests[*key, outcome, error_type] = float(
            counters.get((seat, "ended", f"{outcome}/{error_type}"), 0))
    for name, metric in PLAIN.items():
        points[metric][key] = float(counters.get((seat, name, ""), 0))
    for calls in c.CALLS.values:
        points[c.CLIENT_LONG_TRACES][*key, calls] = float(
            counters.get((seat, "long_traces", calls), 0))
    _add_cost(points, counters, seat, key)
    if decomposed := counters.get((seat, "decomposed", ""), 0):  # else nothing is known of parts
        points[c.CLIENT_DECOMPOSED][key] = float(decomposed)
        for part in c.PARTS_OF_CALLS:
            points[c.CLIENT_PART][*key, part] = counters.get((seat, "part", part), 0) / 1e9
    for name, (metric, bounds) in TIMES.items():
        points[metric][key] = _histogram(counters, seat, name, bounds, 1e9)


def _histogram(counters: Mapping[tuple[int, str, str], int], seat: int, name: str,
               bounds: tuple[float, ...], unit: float = 1.0) -> Histogram:
    """One of which the sum is kept in so many parts of its unit."""
    counts = accumulate(counters.get((seat, name, str(bound)), 0)
                        for bound in (*bounds, float("inf")))
    return Histogram(bounds, tuple(map(float, counts)), counters.get((seat, name, SUM), 0) / unit)


def _add_exemplars(points: dict[Metric, dict[Key, float | Histogram]],
                   exemplars: Mapping[tuple[int, str], tuple[Exemplar | None, ...]], seat: int,
                   key: Key) -> None:
    for name, (metric, _) in TIMES.items():
        histogram = points[metric][key]
        if (seat, name) in exemplars and isinstance(histogram, Histogram):
            points[metric][key] = replace(histogram, exemplars=exemplars[seat, name])


def _add_cost(points: dict[Metric, dict[Key, float | Histogram]],
              counters: Mapping[tuple[int, str, str], int], seat: int, key: Key) -> None:
    """What calls cost, where that of any is known; what is spent, where any was not ours."""
    hosted, own = (counters.get((seat, "priced", source), 0) for source in (
        PriceSource.HOSTED, PriceSource.SELF_HOSTED))
    usd = counters.get((seat, "cost", ""), 0) / NANO
    if hosted or own:
        points[c.CLIENT_COST][key] = usd
    if hosted:
        _spend(points, key[1], usd)


def _spend(points: dict[Metric, dict[Key, float | Histogram]], model: str, usd: float) -> None:
    account = "api", model, ""  # category, model, no GPU
    spent = points[c.COST].get(account, 0.0)
    assert isinstance(spent, float)
    points[c.COST][account] = spent + usd


def _add_step(points: dict[Metric, dict[Key, float | Histogram]],
              counters: Mapping[tuple[int, str, str], int], seat: int, kind: str,
              key: Key) -> None:
    metric, name, parts = _STEPS[kind]
    for part in parts:
        points[metric][*key, part] = float(counters.get((seat, name, part), 0))
    if kind == "run":
        for name, metric in _IN_RUNS.items():
            calls = _histogram(counters, seat, name, c.PER_RUN_BOUNDS)
            if calls.counts[-1]:  # of most chains, and where no span tells, it is not known
                points[metric][key] = calls
