"""How many series there may be: of a family, an exporter, a recorded rule, and in all.

All of it follows from the caps that the catalogue declares and the guard enforces, and from the
size of the fleet that one Prometheus is meant for, which stands here alone. The budgets are what
`proofs.cardinality` holds these counts against.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.beyond import SIDE
from recording_rules.bounds import BOUND
from recording_rules.limits import SET_BY
from recording_rules.model import Rule
from recording_rules.workloads import LABEL as WORKLOAD

# One Prometheus' fleet: all counts are per cluster label, of which there is one.
EXPORTERS = 100
NODES = 100
GPUS = NODES * 8
MODELS = 100  # tuples of namespace, engine and model
TARGETS = 400  # engine endpoints of all exporters
FLEET_EXPORTERS = 2  # that publish budgets and limits: replicas of one
VERSIONS = 4  # of one model's engines at a time

FAMILY_BUDGET = 65_000
EXPORTER_BUDGET = 350_000
RULE_BUDGET = 8_000
RECORDED_BUDGET = 30_000
FLEET_BUDGET = 2_000_000

_CLOSED = sorted(
    (label for metric in c.METRICS for label in metric.labels if label.values),
    key=lambda label: len(label.values))  # of one name, the one with the most values comes last
# How many values a label of recorded series has at most.
LABEL_VALUES = {
    **{label.name: len(label.values) for label in _CLOSED},
    "cluster": 1,
    "node": NODES,
    "instance": EXPORTERS,
    "metric": len(c.FOLDING),  # with each of its labels
    "le": max(metric.bounds for metric in c.METRICS) + 1,
    c.UUID.name: GPUS,
    c.MIG.name: c.MIG.budget,
    c.MODEL.name: MODELS,
    c.TARGET.name: TARGETS,
    "pod": TARGETS,
    WORKLOAD: MODELS,
    c.VERSION.name: VERSIONS,
    SET_BY: 1,  # one of several at a time
    SIDE: 3,
    BOUND: 300,  # different ones, of all engines: those of the captured pages have 130
}
# Labels that follow from another: a GPU has one node and index, a target one model, and a pod
# serves at most one that is known.
_FOLLOWING = {
    "metric": {"label"},
    c.UUID.name: {"node", c.GPU.name, "name"},
    c.MODEL.name: {"namespace", c.ENGINE.name},
    "pod": {"namespace", c.ENGINE.name, c.MODEL.name},
    c.TARGET.name: {"instance", "namespace", c.ENGINE.name, c.MODEL.name, WORKLOAD},
}


def family_series(metric: Metric) -> int:
    """Of one family on an exporter's page. A target is one engine at a time, however many seats."""
    engines = c.ENGINE.values if {c.TARGET, c.ENGINE} <= {*metric.labels} else (None,)
    return metric.max_series // len(engines)


def exporter_series(metrics: Iterable[Metric] = c.METRICS) -> int:
    """Of one exporter's page."""
    return sum(map(family_series, metrics))


def fleet_series(metrics: Iterable[Metric] = c.METRICS) -> int:
    """Of all exporters' pages: as many full ones as GPUs, endpoints and exporters would fill."""
    return math.ceil(sum(family_series(metric) * _pages(metric) for metric in metrics))


def rule_series(rule: Rule) -> int:
    """Of one recorded rule. Raises KeyError for a label of unknown size."""
    return math.prod(LABEL_VALUES[label] for label in distinguishing(rule))


def recorded_series(rules: Iterable[Rule]) -> int:
    """Of all recorded rules."""
    return sum(map(rule_series, rules))


def distinguishing(rule: Rule) -> set[str]:
    """The labels by which the rule's series differ."""
    labels = {*rule.labels} - {*rule.fixed}
    for label, following in _FOLLOWING.items():
        if label in labels:
            labels -= following
    return labels


def _pages(metric: Metric) -> float:
    if c.UUID.name in metric.label_names:
        return GPUS / c.GPUS
    if c.TARGET.name in metric.label_names:
        return TARGETS / c.TARGETS
    return FLEET_EXPORTERS if c.MODEL.name in metric.label_names else EXPORTERS
