"""When somebody is told: definitions only."""

from alerts import limits

RECORDING_GROUPS = limits.GROUPS
