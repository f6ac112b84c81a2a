"""What figures are held against: each limit's default, once, and what a judgement takes to be sure.

The rules and the page for a person judge by these. A configuration overrides the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping

# None: there is no limit unless one is configured. Units are those of LIMITS.
LIMIT_DEFAULTS: Mapping[str, float | None] = {
    "request_duration_p95": 2.0,
    "time_to_first_token_p95": 0.5,
    "time_per_output_token_p95": 0.05,
    "output_tokens_per_second": 50.0,
    "request_queue_p95": 1.0,
    "error": 0.01,
    "invalid": 0.2,
    "goodput": None,
    "least_replicas": None,
    "kv_cache_usage": 0.95,
    "request_cost": None,
    "call_cost": 1.0,
    "million_tokens_cost": None,
    "gpu_busy": 0.8,
    "gpu_memory": 0.98,
    "gpu_idle_cost": 0.5,
    "budget_used": 0.8,
    "daily_spend": 1000.0,
}
# What falls below one of these is amiss, not what goes above.
LEAST_LIMITS = frozenset(
    ("output_tokens_per_second", "goodput", "least_replicas", "gpu_busy"))
# Those of GPUs and money hold for the fleet, the others model by model.
FLEET_LIMITS = frozenset(("gpu_busy", "gpu_memory", "gpu_idle_cost", "budget_used", "daily_spend"))

# Of fewer requests the slowest 5 % are not even one, and a ratio is an accident.
ENOUGH_REQUESTS = 20  # in 5 minutes, or in the hour where it is judged
VERY_SLOW = 2  # times a limit of latency
# Counted in failures, so that a model with little traffic that fails every time is seen, and
# one failure of few requests is not.
LEAST_FAILURES = 5  # in an hour
# A lax limit times a factor is more than all requests, and would never be exceeded.
LARGEST_ERROR_RATIO = 0.9
# Two minutes in which all fail are 2/5 of five minutes and 1/5 of ten: neither pages. All failing
# are more than the first after 3 minutes, 30 % failing more than the second after 9.
OUTAGE_RATIO = 0.6  # of 5 minutes
MANY_FAILING_RATIO = 0.25  # of 10 minutes
OUTAGE_FACTOR = 5  # times the limit, where that is more
# Most of 10 are no accident: a model with few requests is not dead for longer.
OUTAGE_REQUESTS = 10  # in 5 minutes
# How many times too fast the error budget is used, by the window: Site Reliability Workbook, 5.
BURN_FACTORS: Mapping[str, float] = {"1h": 14.4, "6h": 6, "1d": 3, "3d": 1}
MISSING_USAGE_RATIO = 0.05  # of answered calls of applications, in an hour
QUEUE_GROWTH = 1  # requests more each minute
PREEMPTED_RATIO = 0.05  # of the requests that succeed
LEAST_PREEMPTED = 5  # in 5 minutes
SLOWER_REPLICA = 3  # times the median of the model's replicas
FEWEST_REPLICAS = 3  # of fewer there is none in the middle
# Fewer than a model needs: a slow replica is given fewer than the others.
REPLICA_REQUESTS = 5  # in 5 minutes
MOST_RESTARTS = 2  # in an hour: once is an update, twice an update that was mended
STUCK_SECONDS = 120.0  # without a token, though there are requests
# What goes away again and again: of an engine, and of a GPU, a driver or an exporter.
AWAY_RATIO = 0.75  # of half an hour: what is there for more of it is steady
AWAY_CHANGES, FLAPS = 3, 4
HELD_DOWN_RATIO = 0.05  # of the time, by the hardware
EVENT_SECONDS = 1800.0  # for which an XID or a memory error of a GPU is spoken of
