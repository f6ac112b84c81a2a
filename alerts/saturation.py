"""There is more to do than room to do it: causes of slowness, so none of them pages."""

from __future__ import annotations

from alerts import words
from alerts.model import SATURATION, Alert, AlertGroup
from alerts.promql import limit_value, over
from inferometer import catalogue as c
from recording_rules.capacity import KV_USAGE, PREEMPTIONS, WAITING
from recording_rules.limits import KV_CACHE
from recording_rules.promql import MODEL, WINDOW, by, on
from recording_rules.requests import RATE, SUCCESS

GROWTH = c.QUEUE_GROWTH  # requests more each minute
GROWING_FOR = "15m"
# Of the requests that succeed: what was computed for them is computed again.
PREEMPTED = c.PREEMPTED_RATIO
MIN_PREEMPTED = c.LEAST_PREEMPTED  # also where so much is preempted that nothing succeeds

_SUCCEEDED = f"(sum {by(MODEL)} ({RATE}{{{SUCCESS}}}) or {on(MODEL)} {PREEMPTIONS} * 0)"

QUEUE_GROWING = Alert(
    "LLMQueueGrowing", SATURATION, "warning",
    f"{WAITING} > avg_over_time({WAITING}[{GROWING_FOR}]) "
    f"and deriv({WAITING}[{GROWING_FOR}]) > {GROWTH} / 60",
    summary="The queue of a model grows.",
    description="{{ $value | humanize }} requests wait for "
                f"{words.MODEL}, and the queue has grown by more than {GROWTH} request a minute "
                f"over {GROWING_FOR}. The first token will be late soon.",
    board="latency")
KV_CACHE_FULL = Alert(
    "LLMKvCacheFull", SATURATION, "warning", over(KV_USAGE, KV_CACHE),
    summary="The KV cache of a replica is full.",
    description=f"KV cache usage of the fullest replica of {words.MODEL} is "
                "{{ $value | humanizePercentage }}, limit "
                f"{limit_value(KV_CACHE, 'humanizePercentage')}. New requests wait, or running "
                "ones are preempted.",
    board="throughput")
REQUESTS_PREEMPTED = Alert(
    "LLMRequestsPreempted", SATURATION, "warning",
    f"60 * {PREEMPTIONS} and {PREEMPTIONS} >= {MIN_PREEMPTED} / 300 "
    f"and {PREEMPTIONS} > {on(MODEL)} {PREEMPTED} * {_SUCCEEDED}",
    summary="Requests are preempted because the KV cache is full.",
    description='{{ $value | printf "%.1f" }} requests a minute of '
                f"{words.MODEL} are preempted over {WINDOW}, limit {PREEMPTED:.0%} of those that "
                "succeed. Their tokens are computed again.",
    board="throughput")

GROUP = AlertGroup("inferometer-saturation-alerts", (
    QUEUE_GROWING, KV_CACHE_FULL, REQUESTS_PREEMPTED,
))
