"""Latency per model: quantiles and means of the engine's own histograms.

Histograms are summed over replicas of one engine, and only while all of them have the same bounds:
the quantile of a sum of different bounds would be an invention. To read every replica's buckets is
what costs most of all rules: it is done every other minute, and over an hour for what callers feel
alone. Their sum recorded would cost less, but be more series than all others of a model together.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import HOUR, MODEL, WINDOW, by, on, quantile, rate, ratio

HISTOGRAMS = (
    c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_ITL, c.SERVER_DURATION, c.SERVER_QUEUE,
    c.SERVER_PREFILL, c.SERVER_DECODE,
)
FELT = (c.SERVER_DURATION, c.SERVER_TTFT, c.SERVER_TPOT)
RANKS = (0.5, 0.95, 0.99)


def _differ(metric: Metric, window: str) -> str:
    """Models some of whose replicas lack a bound that others have."""
    at_a_bound = f"count {by((*MODEL, 'le'))} (last_over_time({metric.name}_bucket[{window}]))"
    return f"stddev {by(MODEL)} ({at_a_bound}) > 0"


def _mixed(metric: Metric) -> Rule:
    replicas = f"count {by(MODEL)} (last_over_time({metric.name}_count[{WINDOW}]))"
    return Rule(
        f"model:{metric.name}:mixed_bounds",
        f"{replicas} and {on(MODEL)} {_differ(metric, WINDOW)}", MODEL,
        "Replicas, while some of them have other bounds than others; else absent.")


def _quantile(metric: Metric, rank: float, window: str, mixed: str) -> Rule:
    return Rule(
        f"model:{metric.name}:p{round(rank * 100)}_{window}",
        f"({quantile(MODEL, metric, rank, window)}) unless {on(MODEL)} {mixed}", MODEL,
        f"{metric.help.rstrip('.')}: {rank * 100:g} % took no longer. Absent without traffic.")


def _count(metric: Metric) -> Rule:
    return Rule(f"model:{metric.name}:count_rate5m", rate(MODEL, f"{metric.name}_count"), MODEL,
                "Observations per second.")


def _mean(metric: Metric) -> Rule:
    return Rule(
        f"model:{metric.name}:mean_5m",
        ratio(rate(MODEL, f"{metric.name}_sum"), str(COUNT[metric])), MODEL,
        f"{metric.help.rstrip('.')}, on average; means add up where quantiles do not.")


MIXED = {metric: _mixed(metric) for metric in HISTOGRAMS}
COUNT = {metric: _count(metric) for metric in HISTOGRAMS}
MEAN = {metric: _mean(metric) for metric in HISTOGRAMS}
QUANTILES = {
    (metric, rank): _quantile(metric, rank, WINDOW, str(MIXED[metric]))
    for metric in HISTOGRAMS for rank in RANKS
}
QUANTILES_HOUR = {
    (metric, 0.95): _quantile(metric, 0.95, HOUR, f"({_differ(metric, HOUR)})")
    for metric in FELT
}


def _group(metric: Metric) -> Group:
    """What is mixed is known before quantiles are taken: a group is evaluated in order."""
    return Group(
        f"inferometer-{metric.signal.replace('_', '-')}",
        (MIXED[metric], COUNT[metric], MEAN[metric],
         *(rule for (of, _), rule in QUANTILES.items() if of is metric)), interval="2m")


GROUPS = (
    *(_group(metric) for metric in HISTOGRAMS),
    Group("inferometer-latency-hour", tuple(QUANTILES_HOUR.values()), interval="4m"),
)
