"""Latency per model: quantiles and means of the engine's own histograms, and what is judged.

Histograms are summed over replicas of one engine that have the same bounds: the quantile of a sum
of different bounds would be an invention. While a model's replicas have different ones, p95 is that
of the worst set of equal ones, p95 over the hour the median of its p95 over five minutes, and there
is no p50 and p99. To read every replica's buckets is what costs most of all rules: it is done every
other minute, and over an hour for what is judged alone. Their sum recorded would cost less, but be
more series than all others of a model together.
"""

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.bounds import COUNT, HISTOGRAMS, MIXED, WORST, differ
from recording_rules.model import Group, Rule
from recording_rules.promql import (
    ENOUGH,
    ENOUGH_RATE,
    HOUR,
    MODEL,
    WINDOW,
    by,
    on,
    quantile,
    rate,
    ratio,
)

JUDGED_BY = (c.SERVER_DURATION, c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_QUEUE)
RANKS = (0.5, 0.95, 0.99)
REMEMBERED = "10m"  # how long a figure is the last one, where a request comes now and then


def _took(metric: Metric, rank: float) -> str:
    return f"{metric.help.rstrip('.')}: {rank * 100:g} % took no longer. Absent without traffic."


def _quantile(metric: Metric, rank: float) -> Rule:
    own = f"({quantile(MODEL, metric, rank, WINDOW)}) unless {on(MODEL)} {MIXED[metric]}"
    worst = f" or {on(MODEL)} {WORST[metric]}" if rank == 0.95 else ""
    return Rule(f"model:{metric.name}:p{round(rank * 100)}_{WINDOW}", own + worst, MODEL,
                _took(metric, rank))


def _quantile_hour(metric: Metric) -> Rule:
    own = f"({quantile(MODEL, metric, 0.95, HOUR)}) unless {on(MODEL)} ({differ(metric, HOUR)})"
    return Rule(
        f"model:{metric.name}:p95_{HOUR}",
        f"{own} or {on(MODEL)} quantile_over_time(0.5, {QUANTILES[metric, 0.95]}[{HOUR}])", MODEL,
        _took(metric, 0.95))


def _mean(metric: Metric) -> Rule:
    return Rule(
        f"model:{metric.name}:mean_5m",
        ratio(rate(MODEL, f"{metric.name}_sum"), str(COUNT[metric])), MODEL,
        f"{metric.help.rstrip('.')}, on average; means add up where quantiles do not.")


def judged(level: Iterable[str], metric: Metric, count: Rule, figure: Rule, over_hour: Rule | str
           ) -> str:
    """The figure where there is enough traffic, else that of the hour if it has enough.

    Of the hour and the last five minutes that had a request the smaller one counts: what was slow
    and is over does not count for an hour. But never less than the least figure of late: where
    hardly a request ends because all are slow, the hour is still full of quick ones.
    """
    last, least = (f"{pick}_over_time({figure}[{REMEMBERED}])" for pick in ("last", "min"))
    smaller = f"({over_hour} < {on(level)} {last} or {on(level)} {last})"
    enough = f"sum {by(level)} (increase({metric.name}_count[{HOUR}])) >= {ENOUGH}"
    return (f"{figure} and {on(level)} {count} >= {ENOUGH_RATE} or {on(level)} "
            f"({smaller} > {on(level)} {least} or {on(level)} {least}) and {on(level)} ({enough})")


JUDGED_TEXT = (f"95 % took no longer, over 5 minutes, or over the hour where fewer than {ENOUGH} "
               f"requests ended in them. Absent below {ENOUGH} requests in the hour.")


def _judged_quantile(metric: Metric) -> Rule:
    return Rule(
        f"model:{metric.name}:p95_judged",
        judged(MODEL, metric, COUNT[metric], QUANTILES[metric, 0.95], QUANTILES_HOUR[metric, 0.95]),
        MODEL, f"{metric.help.rstrip('.')}: {JUDGED_TEXT}")


MEAN = {metric: _mean(metric) for metric in HISTOGRAMS}
QUANTILES = {(metric, rank): _quantile(metric, rank) for metric in HISTOGRAMS for rank in RANKS}
QUANTILES_HOUR = {(metric, 0.95): _quantile_hour(metric) for metric in JUDGED_BY}
JUDGED = {metric: _judged_quantile(metric) for metric in JUDGED_BY}
_TPOT = c.SERVER_TPOT
_TPOT_HOUR = ratio(*(rate(MODEL, f"{_TPOT.name}_{part}", window=HOUR) for part in ("sum", "count")))
OUTPUT_SPEED = Rule(
    "model:llm_server_request_output_tokens_per_second:mean_judged",
    f"1 / (({judged(MODEL, _TPOT, COUNT[_TPOT], MEAN[_TPOT], f'({_TPOT_HOUR})')}) > 0)", MODEL,
    "Tokens per second that one request gets after its first one: the mean over 5 minutes, or over "
    f"the hour where fewer than {ENOUGH} requests ended in them.")


def _group(metric: Metric) -> Group:
    """What is mixed is known before quantiles are taken: a group is evaluated in order."""
    rules = [MIXED[metric], COUNT[metric], MEAN[metric],
             *(rule for (of, _), rule in QUANTILES.items() if of is metric)]
    if metric in JUDGED:
        rules.append(JUDGED[metric])
    if metric is _TPOT:
        rules.append(OUTPUT_SPEED)
    return Group(f"inferometer-{metric.signal.replace('_', '-')}", tuple(rules), interval="2m")


GROUPS = (
    Group("inferometer-latency-hour", tuple(QUANTILES_HOUR.values()), interval="4m"),
    *(_group(metric) for metric in HISTOGRAMS),
)
