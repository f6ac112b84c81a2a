"""The line of an engine or a GPU in its section's table: figures beside their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home import units
from inferometer.home.content import GOOD, OVER, FigureCell, Plot, Points, highest, total
from inferometer.home.judge.measured import LimitedFigure
from inferometer.home.judge.verdicts import Assessment
from inferometer.home.markup import NBSP
from inferometer.values import Histogram


def of_engine(plots: Sequence[Plot], cache: float | None, assessment: Assessment,
              models: Sequence[tuple[str, ...]], failed: bool) -> list[FigureCell]:
    """Requests, tokens, cache, and what its models take, each at its worst."""
    _, tokens, waiting, running = plots
    limit = assessment.limits.get("kv_cache_usage", models[0][1] if models else "")
    return [
        _plotted("Running", running), _plotted("Waiting", waiting), _plotted("Tokens/s", tokens),
        _bar("KV cache", cache, limit.value if limit else None, units.ratio),
        *(() if failed else _measured(assessment, models)),
    ]


def _plotted(title: str, plot: Plot) -> FigureCell:
    return FigureCell(title, plot.shown(plot.now.value) if plot.now else "",
                points=[None if point is None else point.value for point in plot.points])


def _measured(assessment: Assessment, models: Sequence[tuple[str, ...]]) -> Iterator[FigureCell]:
    rows = [assessment.models[model[0], model[1]] for model in models
            if (model[0], model[1]) in assessment.models]
    for column in zip(*rows, strict=True):
        worst = max(column, key=lambda figure: figure.share)
        level = OVER if worst.over else GOOD
        yield FigureCell(worst.label, shown(worst), level, beside=_limit(worst))


def shown(figure: LimitedFigure) -> str:
    """The figure, or the band in which it lies."""
    if figure.value is None:
        return ""
    text = figure.shown(figure.value)
    low = text if figure.from_ is None else figure.shown(figure.from_)
    return text if low == text else f"{low.partition(NBSP)[0]}\u2013{text}"


def _limit(figure: LimitedFigure) -> str:
    return "" if figure.limit is None else (
        f"{'≥' if figure.least else '≤'} {figure.shown(figure.limit)}")


def of_gpu(points: Points, utilisation: Plot, assessment: Assessment, key: str) -> list[FigureCell]:
    """How busy, full, hot and hungry it is, and what its hardware suffers."""
    memory, power, slowdown = (highest(_board(points, metric)) for metric in (
        c.GPU_MEMORY_TOTAL, c.GPU_POWER_LIMIT, c.GPU_SLOWDOWN))
    limit = assessment.limits.get("gpu_memory")
    busy = _plotted("Utilisation", utilisation)
    used, watts, celsius = (highest(_board(points, metric)) for metric in (
        c.GPU_MEMORY_USED, c.GPU_POWER, c.GPU_TEMPERATURE))
    held_down = assessment.held_down.get(key)
    return [
        busy,
        _bar("Memory", None if used is None or not memory else used / memory,
             limit.value if limit else None, units.ratio,
             units.number(used / units.GIB) if used is not None else "",
             _of(memory, units.gibibytes)),
        _bar("Power", _share(watts, power), None, units.ratio,
             (units.number if power else units.watts)(watts) if watts is not None else "",
             _of(power, units.watts)),
        _bar("Temperature", _share(celsius, slowdown), 1.0 if slowdown else None, units.ratio,
             _degrees(celsius, slowdown), _of(slowdown, _whole_celsius)),
        FigureCell("Throttled", "" if held_down is None else units.ratio(held_down),
             OVER if (held_down or 0.0) > c.HELD_DOWN_RATIO else GOOD,
             beside="" if held_down is None else f"≤ {units.ratio(c.HELD_DOWN_RATIO)}"),
        _errors(points),
    ]


def _errors(points: Points) -> FigureCell:
    """Memory errors that could not be corrected, and remapped rows."""
    errors = total({key: value for key, value in points.get(c.GPU_ECC, {}).items()
                    if key[2] == "uncorrected"})
    rows = total(points.get(c.GPU_REMAPPED))
    if errors is None and rows is None:
        return FigureCell("Memory errors")
    failed, pending = (total(points.get(metric)) for metric in (
        c.GPU_REMAP_FAILED, c.GPU_REMAP_PENDING))
    remapped = "remapping failed" if failed else "reset to remap" if pending else (
        f"{units.many(rows, 'row')} remapped" if rows else "")
    return FigureCell("Memory errors", units.count(errors) if errors is not None else "",
                OVER if failed or pending else GOOD, beside=remapped)


def _board(points: Points, metric: Metric) -> dict[tuple[str, ...], float]:
    """Without MIG instances, which are part of their board."""
    mig = "mig" in metric.label_names
    return {key: value for key, value in points.get(metric, {}).items()
            if not isinstance(value, Histogram) and not (mig and key[2])}


def _share(value: float | None, whole_scale: float | None) -> float | None:
    return None if value is None or not whole_scale else value / whole_scale


def _of(value: float | None, shown_as: units.Shown) -> str:
    return "" if value is None else f"of {shown_as(value)}"


def _degrees(celsius: float | None, slowdown: float | None) -> str:
    if celsius is None:
        return ""
    return f"{celsius:.0f}" if slowdown else _whole_celsius(celsius)


def _whole_celsius(celsius: float) -> str:
    return f"{celsius:.0f}{NBSP}°C"


def _bar(title: str, share: float | None, limit: float | None, shown_as: units.Shown,
         text: str = "", of: str = "") -> FigureCell:
    if share is None:
        return FigureCell(title, text)
    over = limit is not None and (share >= 1 if limit == 1 else share > limit)
    return FigureCell(title, text or shown_as(share), OVER if over else GOOD, min(1.0, share),
                limit if limit != 1 else None, of=of)
