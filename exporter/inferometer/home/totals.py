"""What engines and GPUs come to together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home import units
from inferometer.home.content import Card, Points
from inferometer.home.history import PlotOwner
from inferometer.home.markup import NBSP
from inferometer.parts import Row
from inferometer.values import Histogram


def of_engines(cards: Sequence[Card], latest: Mapping[PlotOwner, Points]) -> list[Row]:
    """Requests and tokens."""
    rates = [plot.now.value for card in cards for plot in card.plots
             if plot.title == "Output tokens/s" and plot.now and not card.failed]
    points = list(latest.values())
    return _filled([
        ("Running", _sum(points, c.SERVER_RUNNING, units.count)),
        ("Waiting", _sum(points, c.SERVER_WAITING, units.count)),
        ("Tokens/s", units.number(sum(rates)) if rates else ""),
    ])


def of_gpus(_: Sequence[Card], latest: Mapping[PlotOwner, Points]) -> list[Row]:
    """Load, memory, power, and the hottest."""
    points = list(latest.values())
    busy = [*_numbers(points, c.GPU_UTILIZATION)]
    hottest = max(_numbers(points, c.GPU_TEMPERATURE), default=None)
    return _filled([
        ("Utilisation", units.ratio(sum(busy) / len(busy)) if busy else ""),
        ("Memory", _part(points, c.GPU_MEMORY_USED, c.GPU_MEMORY_TOTAL, units.gibibytes)),
        ("Power", _part(points, c.GPU_POWER, c.GPU_POWER_LIMIT, units.watts)),
        ("Hottest", "" if hottest is None else units.celsius(hottest)),
    ])


def _numbers(points: Iterable[Points], metric: Metric) -> Iterable[float]:
    """Of all engines or GPUs; MIG instances are part of their board."""
    mig = "mig" in metric.label_names
    for mine in points:
        for key, value in mine.get(metric, {}).items():
            if not isinstance(value, Histogram) and not (mig and key[2]):
                yield value


def _sum(points: Sequence[Points], metric: Metric, shown: units.Shown) -> str:
    values = [*_numbers(points, metric)]
    return shown(sum(values)) if values else ""


def _part(points: Sequence[Points], part_metric: Metric, scale_metric: Metric,
          shown: units.Shown) -> str:
    """The sum of a part and that of its scale, over those that tell the part."""
    part = _sum(points, part_metric, shown)
    scale = _sum([mine for mine in points if part_metric in mine], scale_metric, shown)
    number, _, unit = part.partition(NBSP)
    return f"{number} of {scale}" if part and scale.endswith(unit) else part


def _filled(rows: Iterable[Row]) -> list[Row]:
    return [(label, text) for label, text in rows if text]


# By the kind of what is watched.
TOTALS: Mapping[str, Callable[[Sequence[Card], Mapping[PlotOwner, Points]], list[Row]]] = {
    "engine": of_engines, "gpu": of_gpus}
