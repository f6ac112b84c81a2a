"""Counters of searches and rerankings as families: by service, and their times by system too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.values import Histogram, Key

SUM = "sum"  # part of a histogram beside its bounds
_BILLION = 10**9  # nanoseconds of a second, and parts of a ratio
_RESULTS, _CHANGES = c.RESULT_OF_RETRIEVAL.values, ("true", "false")
# Of a service: the counter's name, its bounds, and how many of its sum make one.
_HISTOGRAMS: Mapping[Metric, tuple[str, tuple[float, ...], int]] = {
    c.RETRIEVED_DOCUMENTS: ("retrieved", c.RETRIEVED_BOUNDS, 1),
    c.RERANK_DURATION: ("reranked", c.RETRIEVAL_BOUNDS, _BILLION),
    c.RERANK_DISAGREEMENT: ("disagreed", c.RERANK_BOUNDS, _BILLION)}

SeatCounters = Mapping[tuple[int, str, str], int]  # by a seat, a counter's name, its part


def add_searches(points: dict[Metric, dict[Key, float | Histogram]], counters: SeatCounters,
                 seats: Mapping[int, Sequence[str]]) -> None:
    """Add those of all seats of searches and rerankings, of which a service may have several."""
    services: dict[str, dict[str, list[int]]] = {"retrieval": {}, "rerank": {}}
    systems: dict[tuple[str, str], list[int]] = {}
    for seat, (kind, *labels, name) in seats.items():
        if kind in services:
            services[kind].setdefault(labels[-1], []).append(seat)
        if kind == "retrieval":
            system = c.OTHER_SYSTEM if name == c.OTHER else name or "unknown"
            systems.setdefault((labels[-1], system), []).append(seat)
    for service, own in services["retrieval"].items():
        results = _sums(counters, own, "result", _RESULTS)
        for result in _RESULTS:
            points[c.RETRIEVALS][service, result] = float(results[result])
    for service, own in services["rerank"].items():
        changes = _sums(counters, own, "top_changed", _CHANGES)
        ended = _sums(counters, own, "ended", c.OUTCOMES).total()
        for change in _CHANGES:
            points[c.RERANKS][service, change] = float(changes[change])
        points[c.RERANKS][service, "unknown"] = float(ended - changes.total())
    for key, own in systems.items():
        _observe(points[c.RETRIEVAL_DURATION], key, counters, own,
                 ("searched", c.RETRIEVAL_BOUNDS, _BILLION))
    for of_kind, metric in (("retrieval", c.RETRIEVED_DOCUMENTS),
                            ("rerank", c.RERANK_DURATION), ("rerank", c.RERANK_DISAGREEMENT)):
        for service, own in services[of_kind].items():
            _observe(points[metric], (service,), counters, own, _HISTOGRAMS[metric])


def _sums(counters: SeatCounters, seats: Iterable[int], name: str, parts: Iterable[str]
          ) -> Counter[str]:
    """A counter's parts, over these seats."""
    parts = tuple(parts)
    sums: Counter[str] = Counter()
    for seat in seats:
        for part in parts:
            sums[part] += counters.get((seat, name, part), 0)
    return sums


def _observe(points: dict[Key, float | Histogram], key: Key, counters: SeatCounters,
             seats: Iterable[int], kind: tuple[str, tuple[float, ...], int]) -> None:
    """A histogram over these seats; none where nothing is known."""
    name, bounds, unit = kind
    parts = [*map(str, bounds), "inf"]
    sums = _sums(counters, seats, name, (*parts, SUM))
    counts = tuple(map(float, accumulate(sums[part] for part in parts)))
    if counts[-1]:
        points[key] = Histogram(bounds, counts, sums[SUM] / unit)
