"""Latency per model: quantiles and means of the engine's own histograms.

Histograms are summed over replicas of one engine, and only while all of them have the same bounds:
the quantile of a sum of different bounds would be an invention. The sum is recorded once, bound by
bound, and every quantile is taken of it: reading the replicas' buckets is what costs.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import HOUR, MODEL, WINDOW, by, on, quantile, rate, ratio

HISTOGRAMS = (
    c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_ITL, c.SERVER_DURATION, c.SERVER_QUEUE,
    c.SERVER_PREFILL, c.SERVER_DECODE,
)
RANKS = (0.5, 0.95, 0.99)


def _mixed(metric: Metric) -> Rule:
    replicas, at_a_bound = (f"count {by(labels)} (last_over_time({metric.name}_{part}[{WINDOW}]))"
                            for part, labels in (("count", MODEL), ("bucket", (*MODEL, "le"))))
    return Rule(
        f"model:{metric.name}:mixed_bounds",
        f"{replicas} and {on(MODEL)} stddev {by(MODEL)} ({at_a_bound}) > 0", MODEL,
        "Replicas, while some of them have other bounds than others; else absent.")


def _buckets(metric: Metric) -> Rule:
    return Rule(
        f"model:{metric.name}_bucket:rate5m", rate((*MODEL, "le"), f"{metric.name}_bucket"),
        (*MODEL, "le"),
        "Observations per second up to each bound, of all replicas, whatever their bounds.")


def _quantile(metric: Metric, rank: float, window: str) -> Rule:
    buckets, mixed = str(BUCKETS[metric]), str(MIXED[metric])
    if window != WINDOW:
        buckets = f"avg_over_time({buckets}[{window}])"
        mixed = f"last_over_time({mixed}[{window}])"
    return Rule(
        f"model:{metric.name}:p{round(rank * 100)}_{window}",
        f"({quantile(rank, buckets)}) unless {on(MODEL)} {mixed}", MODEL,
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
BUCKETS = {metric: _buckets(metric) for metric in HISTOGRAMS}
COUNT = {metric: _count(metric) for metric in HISTOGRAMS}
MEAN = {metric: _mean(metric) for metric in HISTOGRAMS}
QUANTILES = {
    (metric, rank): _quantile(metric, rank, WINDOW) for metric in HISTOGRAMS for rank in RANKS
}
QUANTILES_HOUR = {
    (metric, rank): _quantile(metric, rank, HOUR) for metric in HISTOGRAMS for rank in RANKS
}


def _groups(metric: Metric) -> tuple[Group, Group]:
    """What is mixed is known before quantiles are taken: a group is evaluated in order."""
    now = tuple(QUANTILES[metric, rank] for rank in RANKS)
    hour = tuple(QUANTILES_HOUR[metric, rank] for rank in RANKS)
    name = f"inferometer-{metric.signal.replace('_', '-')}"
    return (Group(name, (MIXED[metric], BUCKETS[metric], COUNT[metric], MEAN[metric], *now)),
            Group(f"{name}-hour", hour, interval="2m"))


GROUPS = tuple(group for metric in HISTOGRAMS for group in _groups(metric))
