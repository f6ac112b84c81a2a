"""Latency, output speed, goodput and saturation of models, against their limits."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.home import units
from inferometer.home.judge import figures
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.model import OVER, PROBLEM, Finder, Finding, Judgement
from inferometer.home.judge.tally import WAITING
from inferometer.home.judge.tracks import WINDOW
from inferometer.values import Histogram

WORDS = {
    "request_duration_p95": "p95 request duration",
    "time_to_first_token_p95": "p95 time to first token",
    "time_per_output_token_p95": "p95 time per output token",
    "request_queue_p95": "p95 queue time",
}
GROWING = 3 * WINDOW  # steps over which a queue grows


def slow(name: str, very: bool) -> Finder:
    """Over the limit, or very much so where somebody chose it."""
    def judge(evidence: Evidence) -> Iterable[Finding]:
        for key, model in evidence.models():
            limit, figure = evidence.limit(name, key[1]), figures.judged(model, name, evidence.step)
            if limit is None or figure is None or (very and not limit.chosen):
                continue
            if figure > limit.value * (c.VERY_SLOW if very else 1):
                yield Finding(("model", *key), f"{WORDS[name]} is {units.seconds(figure)}, "
                              f"{limit.words(units.seconds)}")
    return judge


def _speed_low(chosen: bool) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        for key, model in evidence.models():
            limit = evidence.limit("output_tokens_per_second", key[1])
            mean = figures.judged(model, figures.SPEED, evidence.step)
            if limit and limit.chosen == chosen and mean and 1 / mean < limit.value:
                yield Finding(("model", *key), f"a request gets {units.number(1 / mean)} output "
                              f"tokens/s, {limit.words(units.number)}")
    return judge


def _beyond_histogram(evidence: Evidence) -> Iterable[Finding]:
    for name in WORDS:
        metric, _ = figures.FIGURES[name]
        last: dict[tuple[str, str], float] = {}
        for key, value in evidence.latest.get(metric, {}).items():
            if isinstance(value, Histogram) and value.bounds:
                model = key[1], key[2]
                last[model] = max(last.get(model, 0.0), value.bounds[-1])
        for model, bound in last.items():
            limit = evidence.limit(name, model[1])
            if limit and bound <= limit.value:
                yield Finding(("model", *model), f"the limit of {WORDS[name]} is "
                              f"{units.seconds(limit.value)}, and the engine's histogram ends at "
                              f"{units.seconds(bound)}: this limit is never exceeded")


def _goodput_low(evidence: Evidence) -> Iterable[Finding]:
    for key, model in evidence.models():
        limit = evidence.limit("goodput", key[1])
        band = figures.goodput(model, evidence.step, evidence.limits, key[1]) if limit else None
        share = figures.goodput_judged(model, evidence.step, band)
        if limit and share is not None and share < limit.value:
            yield Finding(("model", *key), f"at most {units.ratio(share)} of requests meet all "
                          f"latency limits at once, {limit.words(units.ratio)}")


def _queue_growing(evidence: Evidence) -> Iterable[Finding]:
    for key, model in evidence.models():
        waiting = model.gauges[WAITING].last(evidence.step, GROWING) if (
            WAITING in model.gauges) else []
        if len(waiting) < 2 or waiting[-1] <= sum(waiting) / len(waiting):
            continue
        if _slope(waiting) * 60 / evidence.step_seconds > c.QUEUE_GROWTH:
            yield Finding(("model", *key), "the queue grows: "
                          f"{units.many(waiting[-1], 'request')} waiting")


def _slope(values: list[float]) -> float:
    """How much they rise from one to the next, by least squares."""
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((place - middle) ** 2 for place in range(len(values)))
    return sum((place - middle) * (value - mean)
               for place, value in enumerate(values)) / spread


def _cache_full(evidence: Evidence) -> Iterable[Finding]:
    fullest: dict[tuple[str, str], float] = {}
    for key, value in evidence.numbers(c.SERVER_KV_USAGE):
        fullest[key[1], key[2]] = max(value, fullest.get((key[1], key[2]), 0.0))
    for model, usage in fullest.items():
        limit = evidence.limit("kv_cache_usage", model[1])
        if limit and usage > limit.value:
            yield Finding(("model", *model), f"KV cache is {units.ratio(usage)} full, "
                          f"{limit.words(units.ratio)}")


def _preempted(evidence: Evidence) -> Iterable[Finding]:
    for key, model in evidence.models():
        many = figures.requests(model, "preempted", evidence.step)
        succeeded = figures.requests(model, "success", evidence.step)
        if many >= c.LEAST_PREEMPTED * evidence.pace and many > c.PREEMPTED_RATIO * succeeded:
            yield Finding(("model", *key), f"{units.many(round(many), 'request')} went back into "
                          f"the queue in {units.duration(300)} for want of KV cache, limit "
                          f"{units.ratio(c.PREEMPTED_RATIO)} of those that succeed")


def _replica_slow(evidence: Evidence) -> Iterable[Finding]:
    means: dict[tuple[str, str], dict[str, float]] = {}
    for key, _ in evidence.numbers(c.SERVER_UP):
        tracks = evidence.tally.tracks
        count, total = ((tracks["replica", key[0], part].total(evidence.step, WINDOW) or 0.0)
                        if ("replica", key[0], part) in tracks else 0.0
                        for part in ("count", "sum"))
        if count and count >= c.REPLICA_REQUESTS * evidence.pace:
            means.setdefault((key[1], key[2]), {})[key[0]] = total / count
    for replicas in means.values():
        median = _median(sorted(replicas.values()))
        if len(replicas) < c.FEWEST_REPLICAS:
            continue
        for target, mean in replicas.items():
            if mean > c.SLOWER_REPLICA * median:
                yield Finding(("engine", target), f"a request takes {units.seconds(mean)} on "
                              f"average, the median of the model's replicas is "
                              f"{units.seconds(median)}")


def _median(ascending: list[float]) -> float:
    half = len(ascending) // 2
    return (ascending[half] + ascending[-1 - half]) / 2


_NAMES = {
    "LLMRequestsSlow": "request_duration_p95", "LLMFirstTokenSlow": "time_to_first_token_p95",
    "LLMOutputTokensSlow": "time_per_output_token_p95",
}
JUDGEMENTS = (
    *(Judgement(alert, "critical", PROBLEM, slow(name, very=True))
      for alert, name in _NAMES.items()),
    *(Judgement(alert, "warning", OVER, slow(name, very=False))
      for alert, name in _NAMES.items()),
    Judgement("LLMQueueTimeLong", "warning", OVER, slow("request_queue_p95", very=False)),
    Judgement("LLMOutputSpeedLow", "warning", OVER, _speed_low(chosen=True)),
    Judgement("LLMOutputSpeedLow", "info", OVER, _speed_low(chosen=False)),
    Judgement("LLMLimitBeyondHistogram", "info", OVER, _beyond_histogram),
    Judgement("LLMGoodputLow", "warning", OVER, _goodput_low),
    Judgement("LLMQueueGrowing", "warning", OVER, _queue_growing),
    Judgement("LLMKvCacheFull", "warning", OVER, _cache_full),
    Judgement("LLMRequestsPreempted", "warning", OVER, _preempted),
    Judgement("LLMReplicaSlow", "warning", OVER, _replica_slow),
)
