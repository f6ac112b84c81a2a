"""Alerts: definitions only."""

from alerts import (
    cost,
    degraded,
    engines,
    errors,
    exporter,
    gpu,
    latency,
    saturation,
    signals,
)

ALERT_GROUPS = (
    degraded.GROUP, latency.GROUP, errors.GROUP, saturation.GROUP, engines.GROUP, signals.GROUP,
    gpu.GROUP, cost.GROUP, exporter.GROUP,
)
