"""One alert in the place of many: a model that is slow and fails, or that is not there at all."""

from __future__ import annotations

from collections.abc import Mapping

from alerts import cost, engines, errors, exporter, latency
from alerts.model import SERVICE, Alert, AlertGroup
from alerts.promql import MODEL_IN_WORDS
from recording_rules.promql import MODEL, on

SERVICE_DEGRADED = Alert(
    "LLMServiceDegraded", SERVICE, "critical",
    f"({errors.REQUESTS_FAILING.expr}) and {on(MODEL)} "
    f"(({latency.REQUESTS_SLOW.expr}) or ({latency.FIRST_TOKEN_SLOW.expr}))",
    summary="Requests fail and are slow at the same time.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanizePercentage }}}} of requests failed in "
                "five minutes, and the others are slow; both are over their limits.",
    board="fleet", hold="5m",
    because="It takes the place of alerts that hold 10 minutes, so it must come before them.",
    keep_firing="10m")  # until they have ended, which would be told of else

# How it is felt. Why it is so is not covered: it is what the runbook sends people to.
PARTS = (
    *(alert for alert in latency.GROUP.alerts if alert is not latency.QUEUE_LONG),
    errors.REQUESTS_FAILING, errors.BUDGET_BURNING_FAST, errors.BUDGET_BURNING,
)
# What each of these alerts says by itself: of the same model the others are silent while it fires,
# critical ones included.
COVERS: Mapping[Alert, tuple[Alert, ...]] = {
    SERVICE_DEGRADED: PARTS,
    engines.MODEL_DOWN: (
        SERVICE_DEGRADED, *PARTS,
        engines.ENGINE_DOWN, engines.ENGINE_RESTARTING, engines.ENGINE_RESTARTING_ALONE,
        engines.MODEL_MISSING, engines.FEWER_REPLICAS, engines.SERVING_NOTHING,
    ),
    exporter.GONE: (engines.MODEL_DOWN, engines.WORKLOAD_DOWN, engines.MODEL_MISSING),
    engines.ENGINE_HUNG: (engines.SERVING_NOTHING,),
    cost.EXCEEDED: (cost.NEARLY_USED, cost.FORECAST),
    cost.MODEL_EXCEEDED: (cost.MODEL_NEARLY_USED,),
}

GROUP = AlertGroup("inferometer-degraded-alerts", (SERVICE_DEGRADED,))
