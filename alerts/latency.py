"""Latency is over its limit: of the request as a whole, its first token, each token, the queue.

Where nobody configured the limit it warns and pages nobody: how long an answer takes depends on how
long it is, and the default knows nothing of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts import words
from alerts.model import LATENCY, Alert, AlertGroup
from alerts.promql import answered, limit_value, over, over_chosen
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.bounds import COUNT, FINITE
from recording_rules.latency import JUDGED, OUTPUT_SPEED
from recording_rules.limits import DURATION, QUEUE, TPOT, TTFT, Limit
from recording_rules.limits import OUTPUT_SPEED as SPEED
from recording_rules.model import Rule
from recording_rules.promql import ENOUGH, ENOUGH_RATE, MODEL, WINDOW, by, on

VERY = c.VERY_SLOW  # times the limit: pages, where the limit was chosen


@dataclass(frozen=True)
class JudgedLatency:
    """One of the latencies that have a limit."""

    words: str
    metric: Metric
    limit: Limit

    @property
    def rule(self) -> Rule:
        """The p95 that is held against the limit."""
        return JUDGED[self.metric]

    @property
    def over(self) -> str:
        """One series with its words if it is over its limit, of the model an alert is about."""
        judged = over(f"{self.rule}{{%s}}", self.limit)
        return f'label_replace({judged}, "part", "{self.words}", "", "")'


REQUEST = JudgedLatency("request duration", c.SERVER_DURATION, DURATION)
FIRST_TOKEN = JudgedLatency("time to first token", c.SERVER_TTFT, TTFT)
OUTPUT = JudgedLatency("time per output token", c.SERVER_TPOT, TPOT)
IN_QUEUE = JudgedLatency("queue time", c.SERVER_QUEUE, QUEUE)
LATENCIES = (REQUEST, FIRST_TOKEN, OUTPUT, IN_QUEUE)


def _window(metric: Metric) -> str:
    """Over what the figure was taken: where there is little traffic, over longer."""
    return answered(f"{COUNT[metric]}{{%s}} >= {ENOUGH_RATE}", f"over {WINDOW}",
                    f"at fewer than {ENOUGH} requests in {WINDOW}")


def parts_over(parts: tuple[JudgedLatency, ...], otherwise: str) -> str:
    """Which parts of the time are over their limits, too; else the other sentence."""
    names = "{{ range $i, $part := . }}{{ if $i }}, {{ end }}{{ $part.Labels.part }}{{ end }}"
    return answered(" or ".join(part.over for part in parts), f"Also over the limit: {names}.",
                    otherwise)


def _slow(name: str, latency: JudgedLatency, cause: str = "", *, very: bool = False) -> Alert:
    """Over the limit warns; far over it pages, where somebody chose it."""
    limit = limit_value(latency.limit, "humanizeDuration")
    times = f"{VERY} times " if very else ""
    against = f"more than {times}the limit of {limit}" if very else f"limit {limit}"
    return Alert(
        name, LATENCY, "critical" if very else "warning",
        over_chosen(latency.rule, latency.limit, VERY) if very else over(
            latency.rule, latency.limit),
        summary=f"p95 {latency.words} is over {times}its limit.",
        description=f"p95 {latency.words} of {words.MODEL} is {{{{ $value | humanizeDuration }}}} "
                    f"{_window(latency.metric)}, {against}. {cause}".rstrip(),
        board="latency")


def _speed_low(severity: str, limit: str, remark: str) -> Alert:
    unit = 'printf "%.3g"'
    return Alert(
        "LLMOutputSpeedLow", LATENCY, severity,
        f"{OUTPUT_SPEED} < {on(SPEED.labels)} group_left () {limit}",
        summary="Output tokens per second of a request are below their limit.",
        description=f"A request to {words.MODEL} gets {{{{ $value | {unit} }}}} output "
                    f"tokens per second after the first one, mean {_window(c.SERVER_TPOT)}, limit "
                    f"{limit_value(SPEED, unit)}{remark}.",
        board="throughput")


def _beyond(latency: JudgedLatency) -> str:
    """The last bound of the histogram, where it is not above the limit.

    It is the quantile of requests that are all above it.
    """
    below, above = (f"group {by((*MODEL, 'le'))} ({latency.metric.name}_bucket{{{matcher}}})"
                    for matcher in (FINITE, FINITE.replace("!=", "=")))
    last = f"histogram_quantile(0.5, {below} * 0 or {above})"
    return (f"label_replace({last} <= {on(latency.limit.labels)} group_left () "
            f'{latency.limit.selector}, "limit", "{latency.limit.name}", "", "")')


_LONG = ("None of time to first token, time per output token and queue time is known to be over "
         "its limit: the answers are long.")
_WHOLE = parts_over((FIRST_TOKEN, OUTPUT, IN_QUEUE), _LONG)
_UNTIL_FIRST = parts_over(
    (IN_QUEUE,), "Queue time is not known to be over its limit: look at prefill.")

REQUESTS_SLOW = _slow("LLMRequestsSlow", REQUEST, _WHOLE)
REQUESTS_VERY_SLOW = _slow("LLMRequestsSlow", REQUEST, _WHOLE, very=True)
FIRST_TOKEN_SLOW = _slow("LLMFirstTokenSlow", FIRST_TOKEN, _UNTIL_FIRST)
FIRST_TOKEN_VERY_SLOW = _slow("LLMFirstTokenSlow", FIRST_TOKEN, _UNTIL_FIRST, very=True)
OUTPUT_SLOW = _slow("LLMOutputTokensSlow", OUTPUT)
OUTPUT_VERY_SLOW = _slow("LLMOutputTokensSlow", OUTPUT, very=True)
QUEUE_LONG = _slow("LLMQueueTimeLong", IN_QUEUE)
SPEED_LOW = _speed_low("warning", SPEED.chosen, "")
SPEED_BELOW_DEFAULT = _speed_low("info", SPEED.unchosen, ", the default")

_ANY_LIMIT = DURATION.selector.replace(f'"{DURATION.name}"', "%q, cluster=%q, model=%q")
LIMIT_BEYOND = Alert(
    "LLMLimitBeyondHistogram", LATENCY, "info", " or ".join(map(_beyond, LATENCIES)),
    summary="A latency limit is beyond the last bound of its histogram.",
    description=f"The limit {{{{ $labels.limit }}}} of {words.MODEL} is "
                f"{{{{ with printf `{_ANY_LIMIT}` $labels.limit $labels.cluster $labels.model "
                "| query }}{{ . | first | value | humanizeDuration }}{{ end }}, and the last bound "
                "of its histogram is {{ $value | humanizeDuration }}. No quantile rises above "
                "that, so no alert can fire against this limit.",
    board="latency")

GROUP = AlertGroup("inferometer-latency-alerts", (
    REQUESTS_SLOW, REQUESTS_VERY_SLOW, FIRST_TOKEN_SLOW, FIRST_TOKEN_VERY_SLOW, OUTPUT_SLOW,
    OUTPUT_VERY_SLOW, QUEUE_LONG, SPEED_LOW, SPEED_BELOW_DEFAULT,
))
# It reads all buckets, and bounds and limits hardly ever change.
LIMITS_GROUP = AlertGroup("inferometer-latency-limit-alerts", (LIMIT_BEYOND,), interval="4m")
