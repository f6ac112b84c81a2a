"""There is more to do than room to do it: causes of slowness, so none of them pages."""

from __future__ import annotations

from alerts.model import SATURATION, Alert, AlertGroup
from alerts.promql import MIN_RATE, MODEL_IN_WORDS, limit_value, over
from recording_rules.capacity import KV_USAGE, PREEMPTIONS, WAITING
from recording_rules.limits import KV_CACHE
from recording_rules.promql import MODEL, by, on
from recording_rules.requests import RATE, SUCCESS

PREEMPTED = 0.05  # one request in twenty is put back: what was computed for it is computed again

QUEUE_GROWING = Alert(
    "LLMQueueGrowing", SATURATION, "warning",
    f"{WAITING} > avg_over_time({WAITING}[15m]) and deriv({WAITING}[15m]) > 1 / 60",
    summary="More requests come than are worked off.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanize }}}} requests wait, and there has been "
                "more than one more each minute for a quarter of an hour.",
    board="latency")
KV_CACHE_FULL = Alert(
    "LLMKvCacheFull", SATURATION, "warning", over(KV_USAGE, KV_CACHE),
    summary="The KV cache is full, so requests will wait or be put back.",
    description=f"{MODEL_IN_WORDS}: {{{{ $value | humanizePercentage }}}} of the fullest replica's "
                "KV cache is in use, over the limit of "
                f"{limit_value(KV_CACHE, 'humanizePercentage')}.",
    board="throughput")
REQUESTS_PREEMPTED = Alert(
    "LLMRequestsPreempted", SATURATION, "warning",
    f"{PREEMPTIONS} / {on(MODEL)} "
    f"(sum {by(MODEL)} ({RATE}{{{SUCCESS}}}) >= {MIN_RATE}) > {PREEMPTED}",
    summary="Requests are put back into the queue for want of KV cache.",
    description=f"{MODEL_IN_WORDS}: for every request that succeeded "
                f"{{{{ $value | humanizePercentage }}}} of one was put back into the queue; "
                f"{PREEMPTED * 100:g} % is the limit.",
    board="throughput")

GROUP = AlertGroup("inferometer-saturation-alerts", (
    QUEUE_GROWING, KV_CACHE_FULL, REQUESTS_PREEMPTED,
))
