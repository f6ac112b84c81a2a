"""Requests take longer than they may: as a whole, to the first token, per token, in the queue."""

from __future__ import annotations

from alerts.model import LATENCY, Alert, AlertGroup
from alerts.promql import MIN_RATE, MODEL_IN_WORDS, limit_value, over
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.latency import COUNT, QUANTILES
from recording_rules.limits import DURATION, QUEUE, TPOT, TTFT, Limit
from recording_rules.promql import MODEL, on


def _slow(name: str, metric: Metric, limit: Limit, text: str, summary: str,
          critical: bool = False) -> Alert:
    """`text` says what it is that takes long. A critical one is about twice the limit."""
    times, word = (2, "more than twice") if critical else (1, "over")
    slow = over(QUANTILES[metric, 0.95], limit, times=times)
    return Alert(
        name, LATENCY, "critical" if critical else "warning",
        f"{slow} and {on(MODEL)} {COUNT[metric]} >= {MIN_RATE}",
        summary=summary,
        description=f"{MODEL_IN_WORDS}: {text} {{{{ $value | humanizeDuration }}}} for the slowest "
                    f"5 % of requests, {word} the limit of "
                    f"{limit_value(limit, 'humanizeDuration')}.",
        board="latency")


def _slow_and_very_slow(name: str, metric: Metric, limit: Limit, text: str, summary: str,
                        critical: str) -> tuple[Alert, Alert]:
    return (_slow(name, metric, limit, text, summary),
            _slow(name, metric, limit, text, critical, critical=True))


REQUESTS_SLOW, REQUESTS_VERY_SLOW = _slow_and_very_slow(
    "LLMRequestsSlow", c.SERVER_DURATION, DURATION, "a whole request takes at least",
    "Requests take longer than they may.", "Requests take far longer than they may.")
FIRST_TOKEN_SLOW, FIRST_TOKEN_VERY_SLOW = _slow_and_very_slow(
    "LLMFirstTokenSlow", c.SERVER_TTFT, TTFT, "the first token takes at least",
    "The first token comes later than it may.", "The first token comes far later than it may.")
OUTPUT_SLOW, OUTPUT_VERY_SLOW = _slow_and_very_slow(
    "LLMOutputTokensSlow", c.SERVER_TPOT, TPOT, "each token after the first takes at least",
    "Tokens come more slowly than they may.", "Tokens come far more slowly than they may.")
QUEUE_LONG = _slow(
    "LLMQueueTimeLong", c.SERVER_QUEUE, QUEUE, "waiting in the queue takes at least",
    "Requests wait in the queue for longer than they may.")

GROUP = AlertGroup("inferometer-latency-alerts", (
    REQUESTS_SLOW, REQUESTS_VERY_SLOW, FIRST_TOKEN_SLOW, FIRST_TOKEN_VERY_SLOW, OUTPUT_SLOW,
    OUTPUT_VERY_SLOW, QUEUE_LONG,
))
