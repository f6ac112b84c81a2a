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
from inferometer.roles import NO_ROLE, ROLES, belongs
from recording_rules.beyond import SIDE
from recording_rules.bounds import BOUND
from recording_rules.evaluation import JUDGE
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
GATEWAYS = 10  # that count calls of applications
CALLERS = 200  # tuples of application, provider and model, over all gateways
JUDGED = c.JUDGED_SEATS  # tuples of application and model of which a judge sees answers
VERSIONS = 4  # of one model's engines at a time

# Full pages of each role there are in the fleet, by what fills one.
PAGES = {"sidecar": TARGETS / c.TARGETS, "node": GPUS / c.GPUS, "fleet": FLEET_EXPORTERS,
         "gateway": GATEWAYS}
# What exporters show that have a section of the configuration; all else every one shows.
_OF_SECTIONS = {
    "gpu": {*c.GPU_METRICS},
    "engines": {*c.ENGINE_METRICS},
    "cost": {c.COST, c.COST_IDLE, c.GPU_PRICE},
    "prices": {c.PRICE_SOURCE_INFO},
    "fleet": {c.COST, c.BUDGET, c.BUDGET_PAGE, *c.LIMIT_METRICS.values()},
    "intake": {*c.INTAKE_METRICS},
    "feedback": {c.FEEDBACK_REQUESTS},
    "destinations": {*c.FORWARD_METRICS},
    "ledger": {c.COST, *c.CLIENT_METRICS, *c.QUALITY_METRICS, *c.EVALUATION_METRICS,
               *c.LEDGER_METRICS, *c.USER_METRICS, c.FEEDBACK, c.FEEDBACK_RATIO,
               c.FEEDBACK_UNMATCHED, *c.ANOMALY_METRICS, *c.RECONCILIATION_METRICS},
}

FAMILY_BUDGET = 65_000
EXPORTER_BUDGET = 400_000
RULE_BUDGET = 8_000
RECORDED_BUDGET = 58_000
FLEET_BUDGET = 2_500_000

_CLOSED = sorted(
    (label for metric in c.METRICS for label in metric.labels if label.values),
    key=lambda label: len(label.values))  # of one name, the one with the most values comes last
# How many values a label of recorded series has at most.
LABEL_VALUES = {
    **{label.name: len(label.values) for label in _CLOSED},
    "cluster": 1,
    "node": NODES,
    "instance": EXPORTERS,
    "metric": len(c.FOLDING + c.GATEWAY_FOLDING),  # with each of its labels
    "le": max(metric.bounds for metric in c.METRICS) + 1,
    c.UUID.name: GPUS,
    c.MIG.name: c.MIG.budget,
    c.MODEL.name: MODELS,
    c.MONTH.name: c.MONTH.budget,
    c.SERVICE_NAME.name: CALLERS,
    c.SYSTEM.name: c.SYSTEM.budget,
    c.TARGET.name: TARGETS,
    "pod": TARGETS,
    WORKLOAD: MODELS,
    c.VERSION.name: VERSIONS,
    SET_BY: 1,  # one of several at a time
    SIDE: 3,
    BOUND: 300,  # different ones, of all engines: those of the captured pages have 130
    JUDGE: VERSIONS,
}
# The same of rules of what a judge sees, whose labels are those of its families.
OF_JUDGED = {
    c.SERVICE_NAME.name: JUDGED,
    **{label.name: len(label.values) for label in (c.BOUND, c.SAMPLE_KIND)},
}
# Labels that follow from another: a GPU has one node and index, a target one model, and a pod
# serves at most one that is known.
_FOLLOWING = {
    "metric": {"label"},
    c.UUID.name: {"node", c.GPU.name, "name"},
    c.SERVICE_NAME.name: {c.PROVIDER.name, c.MODEL.name},
    c.MODEL.name: {"namespace", c.ENGINE.name},
    "pod": {"namespace", c.ENGINE.name, c.MODEL.name},
    c.TARGET.name: {"instance", "namespace", c.ENGINE.name, c.MODEL.name, WORKLOAD},
}


def family_series(metric: Metric) -> int:
    """Of one family on an exporter's page. A target is one engine at a time, however many seats."""
    engines = c.ENGINE.values if {c.TARGET, c.ENGINE} <= {*metric.labels} else (None,)
    return metric.max_series // len(engines)


def is_shown(metric: Metric, role: str) -> bool:
    """Whether exporters of the role show the family."""
    sections = _sections(metric)
    return not sections or any(belongs(role, section) for section in sections)


def in_role(role: str) -> str:
    """The role, as it follows on an exporter's name."""
    return f"in the role {role}" if role else "without a role"


def exporter_series(role: str = NO_ROLE, metrics: Iterable[Metric] = c.METRICS) -> int:
    """Of the page of one exporter of the role."""
    return sum(family_series(metric) for metric in metrics if is_shown(metric, role))


def fullest_role(metrics: Iterable[Metric] = c.METRICS) -> str:
    """The role that has the largest page."""
    metrics = [*metrics]
    return max(ROLES, key=lambda role: exporter_series(role, metrics))


def fleet_series(metrics: Iterable[Metric] = c.METRICS) -> int:
    """Of all exporters' pages: as many full ones as GPUs, endpoints and exporters would fill."""
    return math.ceil(sum(family_series(metric) * _pages(metric) for metric in metrics))


def rule_series(rule: Rule) -> int:
    """Of one recorded rule. Raises KeyError for a label of unknown size."""
    values = LABEL_VALUES | (OF_JUDGED if c.JUDGED_EVALUATION.name in rule.labels else {})
    return math.prod(values[label] for label in distinguishing(rule))


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


def _sections(metric: Metric) -> list[str]:
    return [section for section, metrics in _OF_SECTIONS.items() if metric in metrics]


def _pages(metric: Metric) -> float:
    if not _sections(metric):
        return EXPORTERS
    return sum(pages for role, pages in PAGES.items() if is_shown(metric, role))
