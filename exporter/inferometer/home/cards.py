"""What parts watch as cards: how each thing is, why, its line in the table, and its plots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home import applications, cells, units
from inferometer.home import history as h
from inferometer.home.content import (
    BAD,
    GOOD,
    OVER,
    WAITING,
    Card,
    Plot,
    Points,
    highest,
    total,
)
from inferometer.home.history import History, PlotOwner, PlotPoint
from inferometer.home.judge.model import PROBLEM, Owner, Verdict
from inferometer.home.judge.verdicts import Assessment
from inferometer.parts import Row, Watched
from inferometer.values import Histogram

MODELS_NAMED = 20
PODS_NAMED = 3
NOT_SAID = ("Not known", "the part of the exporter that reads it did not answer")
OPTIONAL = {c.GPU_MIG_INFO, c.GPU_POD_INFO, c.GPU_XID_LAST}  # may lack though all is read
UNAVAILABLE = c.SOURCE.values[-1]
STATES = {"LLMEngineHung": "No progress"}  # what an alert makes of a state that is else "Up"

CardState = tuple[str, str, str]  # level, state, why
Latest = Mapping[PlotOwner, Points]  # what a scrape says of whatever is watched


@dataclass(frozen=True)
class Sight:
    """All that cards are made of. `verdicts` are those about each engine and GPU."""

    latest: Latest
    history: History
    now: float
    assessment: Assessment
    verdicts: Mapping[Owner, Sequence[Verdict]]
    targets: Mapping[Owner, Sequence[str]]


def _engine(owner: PlotOwner, anchor: str, watched: Watched, sight: Sight) -> Card:
    points, history = sight.latest.get(owner, {}), sight.history
    failed = _engine_failed(watched, points)
    level, state, why = failed or _judged(sight.verdicts.get(owner, ()))
    missing = [key[3] for key in points.get(c.SERVER_SIGNAL, {}) if key[4] == UNAVAILABLE]
    models = [model[1:] for model, targets in sight.targets.items() if owner[1] in targets]

    def plot(title: str, name: str, metric: Metric, shown: units.Shown) -> Plot:
        past = history.points(owner, name)
        latest = past[-1] if metric in points and metric.kind != "gauge" else None
        return Plot(title, past, _present(points, metric) or latest, shown,
                    missing=metric.signal in missing)

    plots = [
        plot("TTFT p95", h.TTFT_P95, c.SERVER_TTFT, units.seconds),
        plot("Output tokens/s", h.OUTPUT_RATE, c.SERVER_OUTPUT, units.number),
        plot("Waiting", h.WAITING, c.SERVER_WAITING, units.count),
        plot("Running", h.RUNNING, c.SERVER_RUNNING, units.count),
    ]
    return Card(
        owner, anchor, watched.name, level, state, why,
        highest(points.get(c.SERVER_LAST_SCRAPE)) or watched.read_at,
        _filled([
            ("Model", _models(points) or watched.model), *watched.details,
            ("KV cache", _shown(points, c.SERVER_KV_USAGE, units.ratio)),
        ]), _filled(watched.more), plots, missing,
        int(total(points.get(c.UNKNOWN_FAMILIES)) or 0), bool(failed),
        cells.of_engine(plots, highest(points.get(c.SERVER_KV_USAGE)), sight.assessment,
                        models, bool(failed)))


def _engine_failed(watched: Watched, points: Points) -> CardState | None:
    up = highest(points.get(c.SERVER_UP))
    if up is None:
        return BAD, *NOT_SAID
    return None if up else (
        BAD, "Down", watched.failure or "no answer while this page was made")


def _judged(verdicts: Iterable[Verdict]) -> CardState:
    """The state of what is read, by what is amiss with it; the worst comes first."""
    grave = [verdict for verdict in verdicts if verdict.severity != "info"]
    if not grave:
        return GOOD, "Up", ""
    bad = [verdict for verdict in grave if verdict.state == PROBLEM]
    why = "; ".join(dict.fromkeys(verdict.text for verdict in bad or grave))
    if not bad:
        return OVER, "Over limit", why
    return BAD, STATES.get(bad[0].alert, "Problem"), why


def _models(points: Points) -> str:
    """The models that the page speaks of."""
    names = {key[2] for metric, values in points.items()
             if metric.label_names[2:3] == ("model",) for key in values} - {""}
    return _listed(names, MODELS_NAMED)


def _listed(names: Collection[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


def _gpu(owner: PlotOwner, anchor: str, watched: Watched, sight: Sight) -> Card:
    points, history = sight.latest.get(owner, {}), sight.history
    failed = _gpu_failed(watched, points)
    level, state, why = failed or _judged(sight.verdicts.get(owner, ()))
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

    plots = [
        plot("Utilisation", h.UTILIZATION, c.GPU_UTILIZATION, units.ratio, 1.0),
        plot(f"Memory of {units.gibibytes(memory)}" if memory else "Memory", h.MEMORY,
             c.GPU_MEMORY_USED, units.gibibytes, memory),
    ]
    return Card(
        owner, anchor, watched.name, level, state, why, watched.read_at,
        _filled([
            ("Product", watched.product), *watched.details,
            ("Pod", _pods(points)),
            ("Power", f"{power} of {limit}" if power and limit else power),
            ("Temperature", _shown(points, c.GPU_TEMPERATURE, units.celsius)),
            ("Price", _shown(points, c.GPU_PRICE, units.usd_per_hour)),
            ("XIDs", ", ".join(f"{xid} ({units.times(number)})"
                               for xid, number in _xids(points).items())),
        ]), _filled(watched.more), plots,
        missing if c.GPU_UTILIZATION in points or level == GOOD else (),
        failed=level == BAD and bool(failed),
        cells=cells.of_gpu(points, plots[0], sight.assessment, watched.key))


def _pods(points: Points) -> str:
    """Which pods have the GPU or a part of it, and whether none has it to itself."""
    keys = points.get(c.GPU_POD_INFO, {})
    shared = " (shared)" if any(key[6] == "true" for key in keys) else ""
    return _listed({f"{key[3]}/{key[4]}" for key in keys}, PODS_NAMED) + shared


def _gpu_failed(watched: Watched, points: Points) -> CardState | None:
    up = highest(points.get(c.GPU_UP))
    if up is None:
        fresh = watched.read_at is None and not watched.lost
        return (WAITING, "Starting", "its first reading is under way") if fresh else (
            BAD, *NOT_SAID)
    if up:
        return None
    drain = ", ".join(xid for xid in _xids(points) if xid in c.XIDS_DRAIN)
    if watched.lost:
        return BAD, "Lost", f"{watched.failure} after XID {drain}" if drain else watched.failure
    return BAD, "Not read", watched.failure


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


def plain(owner: PlotOwner, anchor: str, watched: Watched, _: Sight) -> Card:
    """Of a kind that has neither metrics nor plots of its own on the page."""
    level, state = (BAD, "Not read") if watched.failure else (GOOD, "Up")
    return Card(owner, anchor, watched.name, level, state, watched.failure, watched.read_at,
                _filled(watched.details), _filled(watched.more), (), failed=bool(watched.failure))


def _gateway(owner: PlotOwner, anchor: str, watched: Watched, sight: Sight) -> Card:
    return _received(owner, anchor, watched, applications.of_gateway(
        sight.latest.get(owner, {}), watched, sight.now))


def _service(owner: PlotOwner, anchor: str, watched: Watched, sight: Sight) -> Card:
    return _received(owner, anchor, watched, applications.of_service(
        sight.latest.get(owner, {}), watched, sight.now))


def _received(owner: PlotOwner, anchor: str, watched: Watched, given: applications.Given) -> Card:
    """Of what sends of its own accord."""
    return Card(owner, anchor, given.name, given.level, given.state, watched.failure,
                watched.read_at, _filled(given.details), _filled(watched.more), (),
                failed=bool(watched.failure), cells=given.cells, asked=False)


def _filled(rows: Iterable[Row]) -> list[Row]:
    return [(label, text) for label, text in rows if text]


# How a card is made of what is watched, by its kind; in the order of the page.
CARDS: Mapping[str, Callable[[PlotOwner, str, Watched, Sight], Card]] = {
    "engine": _engine, "gpu": _gpu, "gateway": _gateway, "service": _service}
