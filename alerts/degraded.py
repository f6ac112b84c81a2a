"""One alert in the place of many: a model that is slow and fails, or that is not there at all."""

from __future__ import annotations

from collections.abc import Mapping

from alerts import engines, errors, exporter, latency, saturation
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

PARTS = (*latency.GROUP.alerts, errors.REQUESTS_FAILING, errors.BUDGET_BURNING_FAST,
         errors.BUDGET_BURNING)
# What each of these alerts says by itself: of the same model the others are silent while it fires,
# critical ones included.
COVERS: Mapping[Alert, tuple[Alert, ...]] = {
    SERVICE_DEGRADED: PARTS,
    engines.MODEL_DOWN: (
        SERVICE_DEGRADED, *PARTS, *saturation.GROUP.alerts,
        engines.ENGINE_DOWN, engines.ENGINE_RESTARTING, engines.ENGINE_RESTARTING_ALONE,
        engines.MODEL_MISSING, engines.FEWER_REPLICAS, engines.SERVING_NOTHING,
    ),
    exporter.GONE: (engines.MODEL_DOWN, engines.WORKLOAD_DOWN, engines.MODEL_MISSING),
    engines.ENGINE_HUNG: (saturation.KV_CACHE_FULL, engines.SERVING_NOTHING),  # its page is frozen
}

GROUP = AlertGroup("inferometer-degraded-alerts", (SERVICE_DEGRADED,))
