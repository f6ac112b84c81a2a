"""What parts watch as cards: how each thing is, why, and its plots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.home import history as h
from inferometer.home import units
from inferometer.home.content import (
    BAD,
    GOOD,
    LEVELS,
    WAITING,
    WARNING,
    Card,
    Content,
    Exporter,
    Plot,
    Points,
    Section,
    by_metric,
    collectors,
    costs,
    folded,
    highest,
    total,
)
from inferometer.home.history import History, PlotOwner, PlotPoint, by_owner
from inferometer.parts import Part, Row, Watch, Watched
from inferometer.values import Histogram

NO_PROGRESS_SECONDS = 120.0  # without a token, though there are requests
MODELS_NAMED = 20
PODS_NAMED = 3
NOT_SAID = ("Not known", "the part of the exporter that reads it did not answer")
OPTIONAL = {c.GPU_MIG_INFO, c.GPU_POD_INFO, c.GPU_XID_LAST}  # may lack though all is read
UNAVAILABLE = c.SOURCE.values[-1]

Judgement = tuple[str, str, str]  # level, state, why
Latest = Mapping[PlotOwner, Points]  # what a scrape says of whatever is watched


def gather(families: Iterable[Family], history: History, exporter: Exporter,
           parts: Sequence[tuple[Part, bool]]) -> Content:
    """All content: from what a scrape says, from the last hour, and from parts that watch things.

    With each part comes whether it runs in the exporter's role.
    """
    families = list(families)
    totals, latest = by_metric(families), by_owner(families)
    watches = [(part, part.watch() if runs else None) for part, runs in parts if part.title]
    watches.sort(key=lambda entry: _order(entry[0].kind))
    return Content(
        exporter, history.step, history.recordings,
        [_section(part, watch, latest, history, exporter.now) for part, watch in watches],
        costs(totals.get(c.COST, {})), _idle(latest),
        sorted({product for part, watch in watches if watch
                for product in _unpriced(part.kind, watch, latest)}),
        collectors(totals), folded(totals.get(c.LABELS_FOLDED, {})),
        total(totals.get(c.CONFIG_RELOAD_OK)) != 0.0)


def _order(kind: str) -> int:
    return [*_CARDS].index(kind) if kind in _CARDS else len(_CARDS)


def _section(part: Part, watch: Watch | None, latest: Latest, history: History,
             now: float) -> Section:
    if watch is None:
        return Section(_heading(part), part.noun, False)
    make = _CARDS.get(part.kind, _plain)
    cards = [make(f"{part.noun.lower()}-{number}", watched,
                  latest.get((part.kind, watched.key), {}), history, now)
             for number, watched in enumerate(watch.watched[:watch.most], start=1)]
    return Section(_heading(part), part.noun, True, _worst_first(cards), watch.when_empty,
                   watch.footnote, max(0, len(watch.watched) - watch.most))


def _heading(part: Part) -> str:
    return part.title[:1].upper() + part.title[1:]


def _idle(latest: Latest) -> float | None:
    """USD for all GPUs while they did nothing; None if it is known of none."""
    return total({key: usd for points in latest.values()
                  for key, usd in points.get(c.COST_IDLE, {}).items()})


def _unpriced(kind: str, watch: Watch, latest: Latest) -> Iterable[str]:
    """Products that have no price, of what is still there."""
    for watched in watch.watched[:watch.most]:
        if watched.product and not watched.gone and (
                c.GPU_PRICE not in latest.get((kind, watched.key), {})):
            yield watched.product


def _worst_first(cards: Sequence[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: LEVELS.index(card.level))


def _engine(anchor: str, watched: Watched, points: Points, history: History,
            now: float) -> Card:
    level, state, why = _judge_engine(watched, points, now)
    missing = [key[3] for key in points.get(c.SERVER_SIGNAL, {}) if key[4] == UNAVAILABLE]

    def plot(title: str, name: str, metric: Metric, shown: units.Shown) -> Plot:
        past = history.points(("engine", watched.key), name)
        latest = past[-1] if metric in points and metric.kind != "gauge" else None
        return Plot(title, past, _present(points, metric) or latest, shown,
                    missing=metric.signal in missing)

    return Card(
        anchor, watched.name, level, state, why,
        highest(points.get(c.SERVER_LAST_SCRAPE)) or watched.read_at,
        _filled([
            ("Model", _models(points) or watched.model), *watched.details,
            ("KV cache", _shown(points, c.SERVER_KV_USAGE, units.ratio)),
        ]), _filled(watched.more), [
            plot("TTFT p95", h.TTFT_P95, c.SERVER_TTFT, units.seconds),
            plot("Output tokens/s", h.OUTPUT_RATE, c.SERVER_OUTPUT, units.number),
            plot("Waiting", h.WAITING, c.SERVER_WAITING, units.count),
            plot("Running", h.RUNNING, c.SERVER_RUNNING, units.count),
        ], missing, int(total(points.get(c.UNKNOWN_FAMILIES)) or 0))


def _judge_engine(watched: Watched, points: Points, now: float) -> Judgement:
    up = highest(points.get(c.SERVER_UP))
    if up is None:
        return BAD, *NOT_SAID
    if not up:
        return BAD, "Down", watched.failure or "no answer while this page was made"
    requests = (total(points.get(c.SERVER_RUNNING)) or 0) + (
        total(points.get(c.SERVER_WAITING)) or 0)
    progress = highest(points.get(c.SERVER_LAST_PROGRESS))
    if requests and progress is not None and now - progress > NO_PROGRESS_SECONDS:
        return WARNING, "No progress", (f"{units.count(requests)} requests are there, but no "
                                        f"token for {units.duration(now - progress)}")
    return GOOD, "Up", ""


def _models(points: Points) -> str:
    """The models that the page speaks of."""
    names = {key[2] for metric, values in points.items()
             if metric.label_names[2:3] == ("model",) for key in values} - {""}
    return _listed(names, MODELS_NAMED)


def _listed(names: Collection[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


def _gpu(anchor: str, watched: Watched, points: Points, history: History, _: float) -> Card:
    owner = ("gpu", watched.key)
    level, state, why = _judge_gpu(watched, points)
    totals = [_present(points, c.GPU_MEMORY_TOTAL),
              *reversed(history.points(owner, h.MEMORY_TOTAL))]
    memory = next((point.value for point in totals if point), None)
    power, limit = (_shown(points, metric, units.watts)
                    for metric in (c.GPU_POWER, c.GPU_POWER_LIMIT))
    missing = [metric.name for metric in c.GPU_METRICS
               if c.GPU in metric.labels and metric not in {*points, *OPTIONAL}]

    def plot(title: str, name: str, metric: Metric, shown: units.Shown, top: float | None) -> Plot:
        return Plot(title, history.points(owner, name), _present(points, metric), shown,
                    top, metric.name in missing)

    return Card(
        anchor, watched.name, level, state, why, watched.read_at,
        _filled([
            ("Product", watched.product), *watched.details,
            ("Pod", _pods(points)),
            ("Power", f"{power} of {limit}" if power and limit else power),
            ("Temperature", _shown(points, c.GPU_TEMPERATURE, units.celsius)),
            ("Price", _shown(points, c.GPU_PRICE, units.usd_per_hour)),
            ("XIDs", ", ".join(f"{xid} ({units.times(number)})"
                               for xid, number in _xids(points).items())),
        ]), _filled(watched.more), [
            plot("Utilisation", h.UTILIZATION, c.GPU_UTILIZATION, units.ratio, 1.0),
            plot(f"Memory of {units.gibibytes(memory)}" if memory else "Memory", h.MEMORY,
                 c.GPU_MEMORY_USED, units.gibibytes, memory),
        ], missing if c.GPU_UTILIZATION in points or level == GOOD else ())


def _pods(points: Points) -> str:
    """Which pods have the GPU or a part of it."""
    return _listed({f"{key[3]}/{key[4]}" for key in points.get(c.GPU_POD_INFO, {})}, PODS_NAMED)


def _judge_gpu(watched: Watched, points: Points) -> Judgement:
    up = highest(points.get(c.GPU_UP))
    if up is None:
        fresh = watched.read_at is None and not watched.lost
        return (WAITING, "Starting", "its first reading is under way") if fresh else (
            BAD, *NOT_SAID)
    drain = ", ".join(xid for xid in _xids(points) if xid in c.XIDS_DRAIN)
    if watched.lost and not up:
        why = f"{watched.failure} after XID {drain}" if drain else watched.failure
        return BAD, "Lost", why
    if not up:
        return BAD, "Not read", watched.failure
    if drain:
        return WARNING, "Up", f"XID {drain} came: NVIDIA asks for a drain or a reset"
    return GOOD, "Up", ""


def _xids(points: Points) -> dict[str, float]:
    """How often each XID came."""
    return {key[2]: number for key, number in points.get(c.GPU_XID, {}).items()
            if not isinstance(number, Histogram) and number > 0}


def _present(points: Points, metric: Metric) -> PlotPoint | None:
    value = total(points.get(metric)) if metric.kind == "gauge" else None
    return None if value is None else PlotPoint(value)


def _shown(points: Points, metric: Metric, shown: units.Shown) -> str:
    value = highest(points.get(metric))
    return "" if value is None else shown(value)


def _plain(anchor: str, watched: Watched, _: Points, __: History, ___: float) -> Card:
    """Of a kind that has neither metrics nor plots of its own on the page."""
    level, state = (BAD, "Not read") if watched.failure else (GOOD, "Up")
    return Card(anchor, watched.name, level, state, watched.failure, watched.read_at,
                _filled(watched.details), _filled(watched.more), ())


def _filled(rows: Iterable[Row]) -> list[Row]:
    return [(label, text) for label, text in rows if text]


# How a card is made of what is watched, by its kind; in the order of the page.
_CARDS: Mapping[str, Callable[[str, Watched, Points, History, float], Card]] = {
    "engine": _engine, "gpu": _gpu}
