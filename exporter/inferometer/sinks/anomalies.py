"""What a request costs and takes in tokens beside what is expected, as families of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.bands import ExpectedBand
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.values import Key, Value

COST, TOKENS = c.USAGE_MEASURE.values
_FAMILIES = {COST: (c.REQUEST_COST, c.REQUEST_COST_EXPECTED),
             TOKENS: (c.REQUEST_TOKENS, c.REQUEST_TOKENS_EXPECTED)}


class JudgedUsage(NamedTuple):
    """A figure of the last complete hour, and what it is held against.

    `value`: None where the hour had too few requests. `band`: None where too few hours before are
    comparable. `unexpected`: of the last hours, how many were outside on one side; None where none
    could be judged.
    """

    value: float | None
    band: ExpectedBand | None
    unexpected: int | None


JudgedUsages = Mapping[tuple[str, str], JudgedUsage]  # by service and measure


class AnomaliesCollector:
    """Both figures of each service, the band of each, and how many hours were outside."""

    name = "anomalies"
    punctual = True

    def __init__(self, read: Callable[[], JudgedUsages]) -> None:
        self._read = read

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """What could be reckoned of late; families without a point where nothing could."""
        points: dict[str, dict[Key, Value]] = {
            metric.name: {} for metric in c.ANOMALY_METRICS}
        for (service, measure), usage in self._read().items():
            value, expected = _FAMILIES[measure]
            if usage.value is not None:
                points[value.name][(service,)] = usage.value
            if usage.band is not None:
                for edge in c.BAND.values:
                    points[expected.name][service, edge] = getattr(usage.band, edge)
            if usage.unexpected is not None:
                points[c.REQUEST_OUTLIERS.name][service, measure] = float(usage.unexpected)
        return [Family(metric, points[metric.name]) for metric in c.ANOMALY_METRICS]
