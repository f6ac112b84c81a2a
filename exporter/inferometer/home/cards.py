"""GPUs and engines as cards: how they are, why, and their plots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.gpu.registry import Gpu
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
    Endpoint,
    Plot,
    Points,
    Surroundings,
    by_metric,
    costs,
    folded,
    highest,
    parts,
    total,
)
from inferometer.home.history import History, Point, Subject, by_subject
from inferometer.values import Histogram

NO_PROGRESS_SECONDS = 120.0  # without a token, though there are requests
MODELS_NAMED = 20
PODS_NAMED = 3
NOT_SAID = ("Not known", "the part of the exporter that reads it did not answer")
OPTIONAL = {c.GPU_MIG_INFO, c.GPU_POD_INFO, c.GPU_XID_LAST}  # may lack though all is read
UNAVAILABLE = c.SOURCE.values[-1]

Judgement = tuple[str, str, str]  # level, state, why


def gather(families: Iterable[Family], history: History, around: Surroundings) -> Content:
    """All facts: from what a scrape says, from the last hour, and what neither of them tells."""
    families = list(families)
    whole, said = by_metric(families), by_subject(families)
    engines = [_engine(f"engine-{number}", endpoint, said.get(("engine", endpoint.name), {}),
                       history, around.now)
               for number, endpoint in enumerate(around.targets[:c.TARGETS], start=1)]
    known = list(around.gpus or ())[:c.GPUS]
    gpus = [_gpu(f"gpu-{number}", gpu, said.get(_subject(gpu), {}), history, around)
            for number, gpu in enumerate(known, start=1)]
    unpriced = {gpu.name for gpu in known if gpu.name and not gpu.gone
                and c.GPU_PRICE not in said.get(_subject(gpu), {})}
    return Content(
        around, history.step, history.recordings, _worst_first(engines), _worst_first(gpus),
        costs(whole.get(c.COST, {})), _idle(said), sorted(unpriced),
        parts(whole), folded(whole.get(c.LABELS_FOLDED, {})),
        total(whole.get(c.CONFIG_RELOAD_OK)) != 0.0,
        {"Engines": max(0, len(around.targets) - c.TARGETS),
         "GPUs": max(0, len(around.gpus or ()) - c.GPUS)})


def _idle(said: Mapping[Subject, Points]) -> float | None:
    """USD for all GPUs while they did nothing; None if it is known of none."""
    return total({key: usd for points in said.values()
                  for key, usd in points.get(c.COST_IDLE, {}).items()})


def _worst_first(cards: Sequence[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: LEVELS.index(card.level))


def _engine(anchor: str, endpoint: Endpoint, points: Points, history: History,
            now: float) -> Card:
    last, subject = endpoint.state, ("engine", endpoint.name)
    level, state, why = _judge_engine(endpoint, points, now)
    missing = [key[3] for key in points.get(c.SERVER_SIGNAL, {}) if key[4] == UNAVAILABLE]

    def plot(title: str, name: str, metric: Metric, shown: units.Shown) -> Plot:
        past = history.points(subject, name)
        latest = past[-1] if metric in points and metric.kind != "gauge" else None
        return Plot(title, past, _present(points, metric) or latest, shown,
                    missing=metric.signal in missing)

    return Card(
        anchor, endpoint.name, level, state, why,
        highest(points.get(c.SERVER_LAST_SCRAPE)) or last.read_at,
        _told([
            ("Model", _models(points) or last.model),
            ("Engine", f"{last.engine} {last.version}".strip() if last.read_at else ""),
            ("KV cache", _shown(points, c.SERVER_KV_USAGE, units.ratio)),
        ]), [("Address", endpoint.url.partition("?")[0])], [
            plot("TTFT p95", h.TTFT_P95, c.SERVER_TTFT, units.seconds),
            plot("Output tokens/s", h.OUTPUT_RATE, c.SERVER_OUTPUT, units.number),
            plot("Waiting", h.WAITING, c.SERVER_WAITING, units.count),
            plot("Running", h.RUNNING, c.SERVER_RUNNING, units.count),
        ], missing, int(total(points.get(c.UNKNOWN_FAMILIES)) or 0))


def _judge_engine(endpoint: Endpoint, points: Points, now: float) -> Judgement:
    up = highest(points.get(c.SERVER_UP))
    if up is None:
        return BAD, *NOT_SAID
    if not up:
        last = endpoint.state
        return BAD, "Down", last.why if not last.up else "no answer while this page was made"
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


def _subject(gpu: Gpu) -> Subject:
    return "gpu", gpu.uuid or str(gpu.index)


def _gpu(anchor: str, gpu: Gpu, points: Points, history: History, around: Surroundings) -> Card:
    level, state, why = _judge_gpu(gpu, points, around)
    totals = [_present(points, c.GPU_MEMORY_TOTAL),
              *reversed(history.points(_subject(gpu), h.MEMORY_TOTAL))]
    memory = next((point.value for point in totals if point), None)
    power, limit = (_shown(points, metric, units.watts)
                    for metric in (c.GPU_POWER, c.GPU_POWER_LIMIT))
    missing = [metric.name for metric in c.GPU_METRICS if metric not in {*points, *OPTIONAL}]

    def plot(title: str, name: str, metric: Metric, shown: units.Shown, top: float | None) -> Plot:
        return Plot(title, history.points(_subject(gpu), name), _present(points, metric), shown,
                    top, metric.name in missing)

    return Card(
        anchor, f"GPU {gpu.index}", level, state, why, gpu.last_read,
        _told([
            ("Product", gpu.name),
            ("Pod", _pods(points)),
            ("Power", f"{power} of {limit}" if power and limit else power),
            ("Temperature", _shown(points, c.GPU_TEMPERATURE, units.celsius)),
            ("Price", _shown(points, c.GPU_PRICE, units.usd_per_hour)),
            ("XIDs", ", ".join(f"{xid} ({units.times(number)})"
                               for xid, number in _xids(points).items())),
        ]), _told([("UUID", gpu.uuid), ("Bus", gpu.pci_bus_id)]), [
            plot("Utilisation", h.UTILIZATION, c.GPU_UTILIZATION, units.ratio, 1.0),
            plot(f"Memory of {units.gibibytes(memory)}" if memory else "Memory", h.MEMORY,
                 c.GPU_MEMORY_USED, units.gibibytes, memory),
        ], missing if c.GPU_UTILIZATION in points or level == GOOD else ())


def _pods(points: Points) -> str:
    """Which pods have the GPU or a part of it."""
    return _listed({f"{key[3]}/{key[4]}" for key in points.get(c.GPU_POD_INFO, {})}, PODS_NAMED)


def _judge_gpu(gpu: Gpu, points: Points, around: Surroundings) -> Judgement:
    up = highest(points.get(c.GPU_UP))
    if up is None:
        fresh = gpu.last_read is None and not gpu.lost
        return (WAITING, "Starting", "its first reading is under way") if fresh else (
            BAD, *NOT_SAID)
    drain = ", ".join(xid for xid in _xids(points) if xid in c.XIDS_DRAIN)
    if gpu.lost and not up:
        return BAD, "Lost", f"{gpu.lost} after XID {drain}" if drain else gpu.lost
    if not up:
        never = f"never read so far; {around.gpu_state}"
        late = "its last reading is too old to be shown" if gpu.snapshot else around.gpu_state
        return BAD, "Not read", never if gpu.last_read is None else late
    if drain:
        return WARNING, "Up", f"XID {drain} came: NVIDIA asks for a drain or a reset"
    return GOOD, "Up", ""


def _xids(points: Points) -> dict[str, float]:
    """How often each XID came."""
    return {key[2]: number for key, number in points.get(c.GPU_XID, {}).items()
            if not isinstance(number, Histogram) and number > 0}


def _present(points: Points, metric: Metric) -> Point | None:
    value = total(points.get(metric)) if metric.kind == "gauge" else None
    return None if value is None else Point(value)


def _shown(points: Points, metric: Metric, shown: units.Shown) -> str:
    value = highest(points.get(metric))
    return "" if value is None else shown(value)


def _told(details: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(label, text) for label, text in details if text]
