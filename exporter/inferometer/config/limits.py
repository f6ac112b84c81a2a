"""Limits as keys of inferometer.yml: which there are, and what their values must be."""

from __future__ import annotations

from inferometer.catalogue import LIMITS as LIMITS_BY_UNIT
from inferometer.documents.bounds import bounded

# Key of a limit in the file: the limit, which ends with its unit, as in
# `request_duration_p95_seconds`.
LIMITS = {
    limit if limit.endswith(unit) else f"{limit}_{unit}": (limit, unit)
    for unit, limits in LIMITS_BY_UNIT.items() for limit in limits
}
# Those of LIMITS that each call is held against.
CALL_LIMITS = ("request_duration_p95_seconds", "time_to_first_token_p95_seconds",
               "time_per_output_token_p95_seconds", "call_cost_usd")

USD = bounded("an amount of USD, 0 or more", minimum=0)
_VALUE = {
    "seconds": bounded("a number of seconds, 0 or more", minimum=0),
    "ratio": bounded("a ratio from 0 to 1", minimum=0, maximum=1),
    "usd": USD,
    "replicas": bounded("a whole number of replicas, 0 or more", minimum=0, multipleOf=1),
    "tokens_per_second": bounded("a number of tokens per second, 0 or more", minimum=0),
}
LIMIT_VALUES = {key: _VALUE[unit] for key, (_, unit) in LIMITS.items()}
CALL_LIMIT_VALUES = {key: LIMIT_VALUES[key] for key in CALL_LIMITS}
