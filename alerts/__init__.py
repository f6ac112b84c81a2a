"""Alerts: definitions only."""

from alerts import (
    cost,
    degraded,
    engines,
    errors,
    exporter,
    goodput,
    gpu,
    latency,
    limits,
    replicas,
    saturation,
    signals,
    unit_costs,
)

ALERT_GROUPS = (
    degraded.GROUP, latency.GROUP, latency.LIMITS_GROUP, errors.GROUP, goodput.GROUP,
    saturation.GROUP, replicas.GROUP, engines.GROUP, signals.GROUP, gpu.GROUP, cost.GROUP,
    unit_costs.GROUP, limits.GROUP, exporter.GROUP,
)
