"""Alerts: definitions only."""

from alerts import (
    agents,
    anomalies,
    client,
    cost,
    degraded,
    engines,
    errors,
    evaluation,
    exporter,
    forward,
    goodput,
    gpu,
    intake,
    latency,
    limits,
    quality,
    replicas,
    saturation,
    signals,
    unit_costs,
)

ALERT_GROUPS = (
    degraded.GROUP, latency.GROUP, latency.LIMITS_GROUP, errors.GROUP, goodput.GROUP,
    saturation.GROUP, replicas.GROUP, engines.GROUP, signals.GROUP, client.GROUP, agents.GROUP,
    quality.GROUP, evaluation.GROUP, evaluation.JUDGE_GROUP,
    gpu.GROUP, cost.GROUP, unit_costs.GROUP, anomalies.GROUP, limits.GROUP, intake.GROUP,
    forward.GROUP, exporter.GROUP,
)
