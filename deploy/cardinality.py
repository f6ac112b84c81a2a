"""How many series there are at worst: of a family, an exporter, a recorded rule, and in all.

All of it follows from the caps that the catalogue declares and the guard enforces, and from the
size of the fleet that one Prometheus is meant for, which is said here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules.model import Rule

# One Prometheus' fleet: all counts are per cluster label, of which there is one.
EXPORTERS = 100
NODES = 100
GPUS = NODES * 8
MODELS = 100  # tuples of namespace, engine and model
TARGETS = 400  # engine endpoints of all exporters
SPEAKERS = 2  # exporters that say budgets and limits: replicas of one
VERSIONS = 4  # of one model's engines at a time

MOST_VALUES = 1000  # of any label
FAMILY_BUDGET = 65_000
EXPORTER_BUDGET = 350_000
RULE_BUDGET = 8_000
RECORDED_BUDGET = 30_000
FLEET_BUDGET = 2_000_000

_CLOSED = sorted(
    (label for metric in c.METRICS for label in metric.labels if label.values),
    key=lambda label: len(label.values))  # of one name, the one with the most values comes last
_MOST = {
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
    c.VERSION.name: VERSIONS,
}
# What is settled by a label: a GPU has one node and index, a target one model, and of a pod at most
# one can be said.
_SETTLED = {
    "metric": {"label"},
    c.UUID.name: {"node", c.GPU.name, "name"},
    c.MODEL.name: {"namespace", c.ENGINE.name},
    "pod": {"namespace", c.ENGINE.name, c.MODEL.name},
    c.TARGET.name: {"instance", "namespace", c.ENGINE.name, c.MODEL.name},
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
    """Of one recorded rule."""
    return math.prod(_MOST[label] for label in _open(rule))


def recorded_series(rules: Iterable[Rule]) -> int:
    """Of all recorded rules."""
    return sum(map(rule_series, rules))


def findings(metrics: Iterable[Metric], rules: Iterable[Rule]) -> list[str]:
    """What is over budget."""
    metrics, rules = [*metrics], [*rules]
    if undeclared := [f"{rule}: it is not declared how many {label} there are"
                      for rule in rules for label in sorted(_open(rule) - _MOST.keys())]:
        return undeclared
    labels = {label for metric in metrics for label in metric.labels}
    return [
        *(f"label {label.name} may have {_values(label)} values, budget {MOST_VALUES}"
          for label in labels if not 0 < _values(label) <= MOST_VALUES),
        *_over("family", FAMILY_BUDGET, ((each.name, family_series(each)) for each in metrics)),
        *_over("page of", EXPORTER_BUDGET, [("an exporter", exporter_series(metrics))]),
        *_over("rule", RULE_BUDGET, ((each.name, rule_series(each)) for each in rules)),
        *_over("sum of", RECORDED_BUDGET, [("all recorded rules", recorded_series(rules))]),
        *_over("sum of", FLEET_BUDGET, [("all", fleet_series(metrics) + recorded_series(rules))]),
    ]


def _values(label: Label) -> int:
    return len(label.values) or label.budget


def _pages(metric: Metric) -> float:
    if c.UUID.name in metric.label_names:
        return GPUS / c.GPUS
    if c.TARGET.name in metric.label_names:
        return TARGETS / c.TARGETS
    return SPEAKERS if c.MODEL.name in metric.label_names else EXPORTERS


def _open(rule: Rule) -> set[str]:
    """The labels that tell its series apart."""
    labels = {*rule.labels} - {*rule.fixed}
    for label, settled in _SETTLED.items():
        if label in labels:
            labels -= settled
    return labels


def _over(kind: str, budget: int, counts: Iterable[tuple[str, int]]) -> Iterable[str]:
    return (f"{kind} {name}: {count} series, budget {budget}"
            for name, count in counts if count > budget)
