"""When somebody is told: definitions only."""

from alerts import cost, exporter, gpu, limits

RECORDING_GROUPS = limits.GROUPS
ALERT_GROUPS = (
    gpu.GROUP, cost.GROUP, exporter.GROUP,
)
