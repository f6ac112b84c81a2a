"""How expressions are put together: scopes once, and one function for each shape of query.

Every function keeps to the house's law: what is missing gives no series, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric

# What a series is told apart by at each level. All but `model`, `engine` and the GPU's own are
# labels of the scrape.
SCOPE = ("cluster", "namespace")
MODEL = (*SCOPE, c.ENGINE.name, c.MODEL.name)
GPU = ("cluster", "node", c.GPU.name, c.UUID.name)
MIG = (*GPU, c.MIG.name)
UUID = ("cluster", c.UUID.name)  # a GPU, whoever sees it
NODE = ("cluster", "node")
# A scrape target by all of its identity: addresses are used again, by other pods and clusters.
EXPORTER = (*SCOPE, "pod", "job", "instance")
ENDPOINT = (*EXPORTER, c.TARGET.name)  # an engine endpoint that an exporter reads
FLEET = ("cluster",)

WINDOW = "5m"
HOUR = "1h"
ENOUGH = c.ENOUGH_REQUESTS
ENOUGH_RATE = f"{ENOUGH} / 300"  # a second, so 20 in the five minutes that are looked at
WORKERS = f'{c.ENGINE.name}!~"{"|".join(c.ROUTERS)}"'
FRONTS = f'{c.ENGINE.name}=~"{"|".join(c.ROUTERS)}"'
KEPT = "1d"  # how long what was configured outlives the exporter that said it


def by(labels: Iterable[str]) -> str:
    """The grouping clause."""
    return f"by ({', '.join(labels)})"


def on(labels: Iterable[str]) -> str:
    """The matching clause."""
    return f"on ({', '.join(labels)})"


def any_of(label: Label, *values: str) -> str:
    """A matcher of closed values. Raises ValueError for one the label cannot have."""
    strange = set(values) - set(label.values)
    if strange:
        raise ValueError(f"{label.name} is never {', '.join(sorted(strange))}")
    operator = "=~" if len(values) > 1 else "="
    return f'{label.name}{operator}"{"|".join(values)}"'


def total(level: Iterable[str], metric: Metric | str, *matchers: str) -> str:
    """Sum of a gauge."""
    return f"sum {by(level)} ({_selected(metric, matchers)})"


def rate(level: Iterable[str], metric: Metric | str, *matchers: str, window: str = WINDOW) -> str:
    """Sum of a counter's rates, per second."""
    return f"sum {by(level)} (rate({_selected(metric, matchers)}[{window}]))"


def ratio(numerator: str, denominator: str) -> str:
    """A part of something as a ratio, where there is any of it."""
    return f"{numerator} / ({denominator} > 0)"


def configured(level: Iterable[str], metric: Metric, *matchers: str, pick: str = "max") -> str:
    """What configuration says, or said last: an exporter that restarts takes nothing away.

    Replicas publish one copy each, and may disagree during a rollout: one is picked.
    """
    selected = _selected(metric, matchers)
    return (f"({pick} {by(level)} ({selected}) or "
            f"{pick} {by(level)} (last_over_time({selected}[{KEPT}])))")


def quantile(level: Iterable[str], metric: Metric, rank: float, window: str) -> str:
    """Of a histogram summed over replicas; nothing where nothing was observed."""
    buckets = f"sum {by((*level, 'le'))} (rate({metric.name}_bucket[{window}]))"
    return f"histogram_quantile({rank:g}, {buckets}) >= 0"


def over_engines(level: Iterable[str], make: Callable[[str], str]) -> str:
    """What `make` sums over engines with a matcher; over fronts only where no worker tells."""
    return f"{make(WORKERS)} or ({make(FRONTS)} unless {on(level)} {make(WORKERS)})"


def _selected(metric: Metric | str, matchers: Iterable[str]) -> str:
    name = metric if isinstance(metric, str) else metric.name
    chosen = ", ".join(matchers)
    return f"{name}{{{chosen}}}" if chosen else name
