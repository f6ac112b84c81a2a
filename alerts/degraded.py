"""One alert in the place of many: a model that is slow and fails, or that is not there at all."""

from __future__ import annotations

from collections.abc import Mapping

from alerts import cost, engines, errors, exporter, goodput, gpu, latency, words
from alerts.latency import JudgedLatency
from alerts.model import SERVICE, Alert, AlertGroup
from alerts.promql import answered, limit_value, over_chosen
from recording_rules.limits import ERROR
from recording_rules.promql import MODEL, on


def _slow(part: JudgedLatency, matchers: str = "") -> str:
    """p95 over a limit that somebody chose: nobody is woken for a default."""
    return over_chosen(f"{part.rule}{matchers}", part.limit, 1)


def _slow_in_words(part: JudgedLatency) -> str:
    """A sentence if it is over its limit."""
    return answered(
        _slow(part, "{%s}"),
        f" p95 {part.words} is {{{{ . | first | value | humanizeDuration }}}}, limit "
        f"{limit_value(part.limit, 'humanizeDuration')}.")


SERVICE_DEGRADED = Alert(
    "LLMServiceDegraded", SERVICE, "critical",
    f"({errors.REQUESTS_FAILING.expr}) and {on(MODEL)} "
    f"({_slow(latency.REQUEST)} or {_slow(latency.FIRST_TOKEN)})",
    summary="The error ratio and p95 latency are both over their limits.",
    description=f"{{{{ $value | humanizePercentage }}}} of requests to {words.MODEL} failed over "
                f"5m, limit {limit_value(ERROR, 'humanizePercentage')}."
                f"{_slow_in_words(latency.REQUEST)}{_slow_in_words(latency.FIRST_TOKEN)}",
    board="fleet", hold="5m",
    because="It takes the place of alerts that hold 10 minutes, so it must come before them.",
    keep_firing="10m")  # until they have ended, which would notify on their own else

# How it is felt. Why it is so is not covered: it is what the runbook sends people to.
PARTS = (
    *(alert for alert in latency.GROUP.alerts if alert is not latency.QUEUE_LONG),
    *errors.FAILING, *errors.BUDGET, goodput.GOODPUT_LOW,
)
# What each of these alerts says by itself: of the same model the others are silent while it fires,
# critical ones included. One of several of a name speaks for all.
COVERS: Mapping[Alert, tuple[Alert, ...]] = {
    SERVICE_DEGRADED: PARTS,
    errors.OUTAGE_NOW: errors.BUDGET,
    engines.MODEL_DOWN: (
        SERVICE_DEGRADED, *PARTS,
        engines.ENGINE_DOWN, engines.ENGINE_RESTARTING, engines.ENGINE_RESTARTING_ALONE,
        engines.MODEL_MISSING, engines.FEWER_REPLICAS, engines.SERVING_NOTHING,
    ),
    exporter.GONE: (engines.MODEL_DOWN, engines.WORKLOAD_DOWN, engines.MODEL_MISSING),
    gpu.DRIVER: (gpu.LOST, gpu.FEWER, gpu.UNLISTED),
    engines.ENGINE_HUNG: (engines.SERVING_NOTHING,),
    cost.EXCEEDED: (cost.NEARLY_USED, cost.FORECAST),
    cost.MODEL_EXCEEDED: (cost.MODEL_NEARLY_USED,),
}

GROUP = AlertGroup("inferometer-degraded-alerts", (SERVICE_DEGRADED,))
