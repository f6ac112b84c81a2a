"""When somebody is told: definitions only."""

from alerts import (
    cost,
    degraded,
    engines,
    errors,
    exporter,
    gpu,
    latency,
    limits,
    saturation,
    signals,
)

RECORDING_GROUPS = limits.GROUPS
ALERT_GROUPS = (
    degraded.GROUP, latency.GROUP, errors.GROUP, saturation.GROUP, engines.GROUP, signals.GROUP,
    gpu.GROUP, cost.GROUP, exporter.GROUP,
)
