"""Every name that an expression may read, with the labels that its series may carry."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.model import Alert
from deploy.build.analysis import LabelSet, LabelsOf
from inferometer.catalogue import METRICS, Metric
from recording_rules.model import Rule

# The scrape's own; a catalogue's family has none of them.
TARGET_LABELS = frozenset(
    ("job", "instance", "cluster", "namespace", "pod", "container", "node", "service"))
HISTOGRAM = {"_bucket": frozenset({"le"}), "_sum": frozenset[str](), "_count": frozenset[str]()}
# Prometheus' and Alertmanager's own series, each with its labels beside the target's.
_GROUP = ("rule_group",)
FOREIGN = {
    "up": (),
    "process_start_time_seconds": (),
    "scrape_samples_post_metric_relabeling": (),
    "prometheus_config_last_reload_successful": (),
    "prometheus_notifications_dropped_total": (),
    "prometheus_rule_evaluation_failures_total": _GROUP,
    "prometheus_rule_group_last_duration_seconds": _GROUP,
    "prometheus_rule_group_interval_seconds": _GROUP,
    "alertmanager_config_last_reload_successful": (),
    "alertmanager_notifications_failed_total": ("integration",),
}
_ALERT_LABELS = frozenset(("alertname", "alertstate", "severity", "subject", "team"))


def series_of(metric: Metric) -> dict[str, LabelSet]:
    """The names under which a metric's series are read, and their labels."""
    labels = TARGET_LABELS | {*metric.label_names}
    if metric.kind != "histogram":
        return {metric.name: labels}
    return {metric.name + suffix: labels | more for suffix, more in HISTOGRAM.items()}


def vocabulary(rules: Iterable[Rule], alerts: Iterable[Alert],
               metrics: Iterable[Metric] = METRICS) -> LabelsOf:
    """The labels of every name of the bundle and of those it reads from others."""
    table = {name: TARGET_LABELS | {*labels} for name, labels in FOREIGN.items()}
    for metric in metrics:
        table |= series_of(metric)
    table |= {rule.name: frozenset(rule.labels) for rule in rules}
    scopes = (label for alert in alerts for label in alert.subject.scope)
    table["ALERTS"] = table["ALERTS_FOR_STATE"] = _ALERT_LABELS | {*scopes}
    return table.get
