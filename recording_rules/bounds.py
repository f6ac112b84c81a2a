"""The bounds of histograms: as numbers, and what to make of replicas that have different ones.

PromQL cannot compare a label with a value. But a quantile that lies beyond the last bound is that
bound, and that is a number: so the number of any bound is the median of a histogram that has this
bound alone, with all requests above it.

Replicas with equal bounds are a set, named by a number that is made of them: each set of a model
has its own quantile, and the worst one counts. Sets are told apart for p95 alone, and every fourth
minute: it takes to read all buckets three times more.
"""

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.model import Group, Rule
from recording_rules.promql import ENDPOINT, ENOUGH_RATE, MODEL, WINDOW, by, on, rate

HISTOGRAMS = (
    c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_ITL, c.SERVER_DURATION, c.SERVER_QUEUE,
    c.SERVER_PREFILL, c.SERVER_DECODE,
)
BOUND = "bound"
FINITE = 'le!="+Inf"'
SHARE = 4  # a set with less than one in so many of the model's requests needs enough of its own
_SET = "bounds"
_REPLICA = (*MODEL, *(label for label in ENDPOINT if label not in MODEL), c.RANK.name)


def by_bound(buckets: str) -> str:
    """Buckets with their bound in a label that can be matched with `BOUNDS` and be passed on."""
    return f'label_replace({buckets}, "{BOUND}", "$1", "le", "(.+)")'


_USED = " or ".join(
    f"count by (le) ({metric.name}_bucket{{{FINITE}}})" for metric in HISTOGRAMS)
# Recorded, because the number asks for it twice, and to read all buckets costs much.
USED = Rule(
    "fleet:llm_server_histogram_bound:count", f"sum by ({BOUND}) ({by_bound(_USED)})", (BOUND,),
    "Buckets with this bound, of one of the engines' histograms that have it.")
BOUNDS = Rule(
    "fleet:llm_server_histogram_bound:number",
    "histogram_quantile(0.5, "
    f'label_replace({USED} * 0, "le", "$1", "{BOUND}", "(.+)") or '
    f'label_replace({USED} ^ 0, "le", "+Inf", "", ""))', (BOUND,),
    "The number that a bound's label spells, for all bounds of the engines' histograms.")


def _count(metric: Metric) -> Rule:
    return Rule(f"model:{metric.name}:count_rate5m", rate(MODEL, f"{metric.name}_count"), MODEL,
                "Observations per second.")


def differ(metric: Metric, window: str) -> str:
    """Models some of whose replicas lack a bound that others have."""
    bucket_rate = f"rate({metric.name}_bucket[{window}])"
    return f"stddev {by(MODEL)} (count {by((*MODEL, 'le'))} ({bucket_rate})) > 0"


def _mixed(metric: Metric) -> Rule:
    replicas = f"count {by(MODEL)} (rate({metric.name}_count[{WINDOW}]))"
    return Rule(
        f"model:{metric.name}:mixed_bounds",
        f"{replicas} and {on(MODEL)} {differ(metric, WINDOW)}", MODEL,
        "Replicas, while some of them have other bounds than others; else absent.")


def _sets(metric: Metric) -> str:
    """1 for each replica of a mixed model, with the set that it is in.

    One that started again within the window may have had other bounds before.
    """
    bounds = by_bound(f"({metric.name}_bucket{{{FINITE}}} and {on(MODEL)} {MIXED[metric]})")
    number = (f"sum {by(_REPLICA)} ({bounds} * 0 + {on((BOUND,))} group_left () "
              f"sqrt(1 + {BOUNDS}))")
    return (f'(count_values {by(_REPLICA)} ("{_SET}", round({number}, 1e-06)) '
            f"unless {on(_REPLICA)} resets({metric.name}_count[{WINDOW}]) > 0)")


def _worst(metric: Metric) -> Rule:
    per_set = (*MODEL, _SET)
    buckets, counts = (
        f"sum {by(labels)} (rate({metric.name}_{suffix}[{WINDOW}]) "
        f"* {on(_REPLICA)} group_left ({_SET}) {_sets(metric)})"
        for suffix, labels in (("bucket", (*per_set, "le")), ("count", per_set)))
    enough = f"clamp_max({COUNT[metric]} / {SHARE}, {ENOUGH_RATE})"
    return Rule(
        f"model:{metric.name}:p95_5m_of_worst_set",
        f"max {by(MODEL)} (histogram_quantile(0.95, {buckets} and {on(per_set)} "
        f"({counts} >= {on(MODEL)} group_left () {enough}))) >= 0", MODEL,
        f"{metric.help.rstrip('.')}: 95 % took no longer, of the slowest set of replicas with "
        "equal bounds, while a model has several.")


COUNT = {metric: _count(metric) for metric in HISTOGRAMS}
MIXED = {metric: _mixed(metric) for metric in HISTOGRAMS}
WORST = {metric: _worst(metric) for metric in HISTOGRAMS}

# In one group, so that no bound is without its number when sets are made of them.
GROUPS = (Group("inferometer-bounds", (USED, BOUNDS, *WORST.values()), interval="4m"),)
