"""What a model's figures come to, by the formulae of the recording rules.

With fewer than ENOUGH_REQUESTS in five minutes the hour is judged, if it has enough: of the hour
and the last five minutes that had a request the smaller figure counts, but never less than the
least of ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home.judge.limits import EffectiveLimits
from inferometer.home.judge.tally import (
    FAILED,
    JUDGED,
    RESETS,
    RUNNING,
    ModelTally,
    Tally,
)
from inferometer.home.judge.tracks import (
    HOUR,
    WINDOW,
    Track,
    count_of,
    mean_of,
    merged,
    p95_of,
)
from inferometer.values import Histogram

REMEMBERED = 2 * WINDOW  # steps in which a figure is the last one
EXTRAPOLATED = 5 / 4  # what increases may be extrapolated by
GOODPUT = "goodput"
SPEED = "speed"

Band = tuple[float, float]  # least and most



# Figure by figure: its histogram, and what is made of it.
FIGURES: Mapping[str, tuple[Metric, Callable[[Sequence[Histogram], float], float | None]]] = {
    "request_duration_p95": (c.SERVER_DURATION, p95_of),
    "time_to_first_token_p95": (c.SERVER_TTFT, p95_of),
    "time_per_output_token_p95": (c.SERVER_TPOT, p95_of),
    "request_queue_p95": (c.SERVER_QUEUE, p95_of),
    SPEED: (c.SERVER_TPOT, mean_of),
}
_LIMITED = {
    c.SERVER_TTFT: "time_to_first_token_p95", c.SERVER_TPOT: "time_per_output_token_p95",
    c.SERVER_DURATION: "request_duration_p95",
}


def remember(tally: Tally, limits: EffectiveLimits) -> None:
    """Note the figures of the last step: later ones are judged by them where requests are few."""
    for key, model in tally.models.items():
        if model.seen != tally.step:
            continue
        figures = {name: make(model.window(metric, tally.step), enough(model))
                   for name, (metric, make) in FIGURES.items()}
        band = goodput(model, tally.step, limits, key[1])
        figures[GOODPUT] = band[1] if band else None
        for name, value in figures.items():
            if value is not None:
                model.figures.setdefault(name, Track()).put(tally.step, value)


def judged(model: ModelTally, name: str, step: int) -> float | None:
    """The figure that is held against its limit; None where there are too few requests."""
    metric, make = FIGURES[name]
    window = model.window(metric, step)
    figure = make(window, enough(model))
    if figure is not None and count_of(window) >= enough(model):
        return figure
    hour, recent = model.hour(metric, step), _recent(model, name, step)
    if not recent or count_of(hour) < c.ENOUGH_REQUESTS:
        return None
    over_hour = make(hour, enough(model))
    return max(min(recent[-1], recent[-1] if over_hour is None else over_hour), min(recent))


def goodput_judged(model: ModelTally, step: int, band: Band | None) -> float | None:
    """The upper bound of goodput that is held against its limit."""
    if band and requests(model, JUDGED, step) >= enough(model):
        return band[1]
    recent = _recent(model, GOODPUT, step)
    over_hour = model.figures[GOODPUT].mean(step, HOUR) if recent else None
    if over_hour is None or requests(model, JUDGED, step, HOUR) < c.ENOUGH_REQUESTS:
        return None
    return max(over_hour, recent[-1])


def enough(model: ModelTally) -> float:
    """How many requests in five minutes are enough to judge by."""
    return c.ENOUGH_REQUESTS * model.pace


def requests(model: ModelTally, name: str, step: int, many: int = WINDOW, ago: int = 0) -> float:
    """How many there were of a kind."""
    track = model.counters.get(name)
    return (track.total(step, many, ago) if track else None) or 0.0


def error_ratio(model: ModelTally, step: int, many: int = WINDOW) -> float | None:
    """The share of requests that failed; None without any, or where errors are not counted."""
    if not counts_errors(model):
        return None
    if many <= HOUR:
        failed, total = (requests(model, name, step, many) for name in (FAILED, JUDGED))
    else:
        failed, total = (model.windows[name].total(step // WINDOW, many // WINDOW) or 0.0
                         for name in (FAILED, JUDGED))
    return failed / total if total > 0 else None


def counts_errors(model: ModelTally) -> bool:
    """Whether its engine counts both successes and errors."""
    return {"success", "error", FAILED, JUDGED} <= model.counters.keys()


def age(model: ModelTally, many: int, step: int) -> float:
    """For which share of so many steps its requests are known."""
    windows = model.windows.get(JUDGED)
    if windows is None:
        return 0.0
    if many <= HOUR:
        return len(model.counters[JUDGED].last(step, many)) / many
    return len(windows.last(step // WINDOW, many // WINDOW)) * WINDOW / many


def goodput(model: ModelTally, step: int, limits: EffectiveLimits, name: str) -> Band | None:
    """The share of requests that met all limits at once, at least and at most."""
    if not counts_errors(model):
        return None
    grown = {metric: merged(model.window(metric, step)) for metric in _LIMITED}
    counted = {metric: histogram.counts[-1] for metric, histogram in grown.items() if histogram}
    succeeded, failed = (requests(model, of, step) for of in ("success", FAILED))
    ended = succeeded + failed
    if len(counted) < len(_LIMITED) or ended <= 0:
        return None
    beyond = {metric: _beyond(histogram, limit.value)
              for metric, histogram in grown.items() if histogram
              for limit in [limits.get(_LIMITED[metric], name)] if limit}
    most = sum(many for _, many in beyond.values()) + _ran(model, step) + sum(
        max(0.0, succeeded - counted[metric]) for metric in (c.SERVER_TTFT, c.SERVER_DURATION))
    others = max(0.0, counted[c.SERVER_DURATION] - succeeded)
    least = max(few - (_no_success(model, step, failed, counted[c.SERVER_DURATION] - ended)
                       if metric is c.SERVER_TTFT else others)
                for metric, (few, _) in beyond.items())
    return (_share(succeeded - most, ended), _share(succeeded - max(0.0, least), ended))


def _share(part: float, ended: float) -> float:
    return min(1.0, max(0.0, part / ended))


def _beyond(histogram: Histogram, limit: float) -> Band:
    """How many values are beyond a limit, at least and at most."""
    count, bounds = histogram.counts[-1], histogram.bounds
    above = [n for bound, n in zip(bounds, histogram.counts, strict=False) if bound >= limit]
    below = [n for bound, n in zip(bounds, histogram.counts, strict=False) if bound <= limit]
    return count - above[0] if above else 0.0, count - below[-1] if below else count


def _no_success(model: ModelTally, step: int, failed: float, unjudged: float) -> float:
    """Requests that may have had a first token and did not succeed in the window."""
    running = model.gauges[RUNNING].last(step, WINDOW) if RUNNING in model.gauges else []
    unfinished = running[-1] * EXTRAPOLATED if running else 0.0
    if requests(model, RESETS, step):
        unfinished += _ran(model, step)
    return unfinished + failed + max(0.0, unjudged, requests(model, "abort", step))


def _ran(model: ModelTally, step: int) -> float:
    running = model.gauges[RUNNING].last(step, WINDOW) if RUNNING in model.gauges else []
    return max(running, default=0.0) * EXTRAPOLATED


def _recent(model: ModelTally, name: str, step: int) -> list[float]:
    track = model.figures.get(name)
    return track.last(step, REMEMBERED) if track else []


