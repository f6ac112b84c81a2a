"""Ourselves: exporters, the rules, and the way that an alert takes."""

from __future__ import annotations

from alerts.model import EXPORTERS, HAPPENED, RULES, SELF, WATCHDOG, Alert, AlertGroup
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.exporters import OURS, REMEMBERED, SEEN
from recording_rules.promql import EXPORTER, FLEET, by, on

NEAR_CAP = 0.8
SLOW = 0.8  # of a group's interval
FAILURES = 2  # of a group in a quarter of an hour: it evaluates every four minutes at least
LOOK_BACK = "15m"
ABSENT = "10m"  # for as long an exporter may be away, be it updated or moved
CAPPED = (c.SERVER_UP, c.SERVER_RUNNING, c.SERVER_SIGNAL, c.GPU_UP, c.COST, c.BUDGET)

_SEEN = f"max_over_time({c.BUILD_INFO.name}[{REMEMBERED}])"


def _count(series: str) -> str:
    return f"count {by(FLEET)} ({series})"


def _standing(window: str = "") -> str:
    """Exporters but sidecars in Kubernetes, which come and go with the engine in their pod."""
    collectors = (f"{c.COLLECTOR_SUCCESS.name}{{{matcher}}}{window}" for matcher in (
        f'{c.COLLECTOR.name}="engines", pod!=""', f'{c.COLLECTOR.name}!="engines"'))
    exporters, engines, others = (f"last_over_time({series})" if window else series for series in (
        f"{c.BUILD_INFO.name}{window}", *collectors))
    return _count(f"{exporters} unless {on(EXPORTER)} "
                  f"({engines} unless {on(EXPORTER)} {others})")


def _filled(metric: Metric) -> str:
    """How much of a family's seats an exporter has given away."""
    open_labels = tuple(label.name for label in metric.labels if not label.values)
    tuples = f"group {by((*SELF.scope, *open_labels))} ({metric.name})"
    return (f"label_replace(count {by(SELF.scope)} ({tuples}) / {metric.seats}, "
            f'"metric", "{metric.name}", "", "")')


DOWN = Alert(
    "InferometerDown", SELF, "warning",
    # One that has never been scraped is ours if all else of its job is.
    f"up == 0 and {on(EXPORTER)} {_SEEN} or up == 0 and {on((*FLEET, 'job'))} {_SEEN} "
    f"unless {on((*FLEET, 'job'))} (up == 1 unless {on(EXPORTER)} {c.BUILD_INFO.name})",
    summary="An exporter cannot be scraped.",
    description="{{ $labels.instance }}: up is {{ $value }}. What it watches is not seen.",
    board="exporter")
FEWER = Alert(
    "InferometersFewerThanBefore", EXPORTERS, "warning",
    # Not one moment an hour ago: an update has more of them for a while.
    f"({_standing(f'[{ABSENT}]')} or {_count(c.BUILD_INFO.name)} * 0) < "
    f"min_over_time(({_standing()})[30m:2m] offset 45m)",
    summary="There are fewer exporters than an hour ago.",
    description="{{ $value }} exporters are left, sidecars not counted; what the others "
                "watched is not seen.",
    board="exporter", hold="5m", because=f"It looks back {ABSENT} already.")
GONE = Alert(
    "InferometersGone", EXPORTERS, "critical",
    f"{SEEN} unless {on(FLEET)} {c.BUILD_INFO.name}",
    summary="No exporter can be scraped any more.",
    description="All {{ $value }} exporters of the last day are gone: no other alert about models, "
                "GPUs or money can fire.",
    board="exporter", hold="8m",
    because="It takes the place of LLMModelDown, so it must come before it.")
COLLECTOR = Alert(
    "InferometerCollectorFailing", SELF, "warning", f"{c.COLLECTOR_SUCCESS.name} == 0",
    summary="A part of an exporter fails or is late.",
    description="{{ $labels.instance }}: success of {{ $labels.collector }} is {{ $value }}; the "
                "exporter's log says why.",
    board="exporter")
FOLDED = Alert(
    "InferometerLabelsFolded", SELF, "warning",
    f"sum {by((*SELF.scope, 'metric', 'label'))} "
    f"(increase({c.LABELS_FOLDED.name}[{LOOK_BACK}])) > 0",
    summary="An exporter has more label values than it shows.",
    description='{{ $labels.instance }}: {{ $value | printf "%.0f" }} times a value of '
                "{{ $labels.label }} of {{ $labels.metric }} became _other "
                f"in {LOOK_BACK}.",
    board="exporter", hold="0m", because=HAPPENED)
NEARLY_FULL = Alert(
    "InferometerSeriesNearCap", SELF, "warning",
    f"({' or '.join(map(_filled, CAPPED))}) > {NEAR_CAP}",
    summary="A family of an exporter has nearly as many series as it may.",
    description="{{ $labels.instance }}: {{ $labels.metric }} has {{ $value | humanizePercentage }}"
                f" of what it may have, more than {NEAR_CAP:.0%}; beyond it values are folded.",
    board="exporter")
VALUES = Alert(
    "InferometerLabelValuesTooMany", EXPORTERS, "warning",
    f"{_count(f'group {by((*FLEET, c.MODEL.name))} ({c.SERVER_UP.name})')} >= {c.MAX_LABEL_VALUES}",
    summary="There are more models than a label should have values.",
    description="The label model has {{ $value }} values, not fewer than "
                f"{c.MAX_LABEL_VALUES}.",
    board="exporter")
RELOAD = Alert(
    "InferometerReloadFailed", SELF, "warning", f"{c.CONFIG_RELOAD_OK.name} == 0",
    summary="An exporter's new configuration is not good.",
    description="{{ $labels.instance }}: success of its last reload is {{ $value }}; the old "
                "configuration stays in force, and the exporter's log says why.",
    board="exporter")
RULES_FAIL = Alert(
    "PrometheusRulesFailing", RULES, "critical",
    f"increase(prometheus_rule_evaluation_failures_total{{{OURS}}}[{LOOK_BACK}]) > {FAILURES}",
    summary="Prometheus cannot evaluate our rules.",
    description='{{ $labels.rule_group }}: {{ $value | printf "%.0f" }} failures in '
                f"{LOOK_BACK}, more than {FAILURES}. Its alerts and boards are blind.",
    board="exporter", hold="0m", because="It is several evaluations that have failed already.")
RULES_SLOW = Alert(
    "PrometheusRulesSlow", RULES, "warning",
    f"prometheus_rule_group_last_duration_seconds{{{OURS}}} / "
    f"prometheus_rule_group_interval_seconds{{{OURS}}} > {SLOW}",
    summary="Prometheus hardly has the time to evaluate our rules.",
    description="{{ $labels.rule_group }} takes {{ $value | humanizePercentage }} of its interval, "
                f"more than {SLOW:.0%}; over 100 % evaluations are left out.",
    board="exporter")
PROMETHEUS_RELOAD, ALERTMANAGER_RELOAD = (Alert(
    f"{program}ReloadFailed", RULES, "warning",
    f"{program.lower()}_config_last_reload_successful == 0",
    summary=f"The new configuration of {program} is not good.",
    description="{{ $labels.instance }}: success of its last reload is {{ $value }}; the old "
                "configuration stays in force.",
    board="exporter") for program in ("Prometheus", "Alertmanager"))
DROPPED = Alert(
    "PrometheusNotificationsDropped", RULES, "warning",
    f"increase(prometheus_notifications_dropped_total[{LOOK_BACK}]) > 0",
    summary="Prometheus cannot hand its alerts to Alertmanager.",
    description='{{ $labels.instance }}: {{ $value | printf "%.0f" }} alerts were dropped in '
                f"{LOOK_BACK}.",
    board="exporter", hold="0m", because=HAPPENED)
UNDELIVERED = Alert(
    "AlertmanagerNotificationsFailing", RULES, "warning",
    f"sum {by((*RULES.scope, 'integration'))} "
    f"(increase(alertmanager_notifications_failed_total[{LOOK_BACK}])) > 0",
    summary="Alertmanager cannot tell people.",
    description='{{ $labels.instance }}: {{ $value | printf "%.0f" }} notifications by '
                f"{{{{ $labels.integration }}}} have failed in {LOOK_BACK}.",
    board="exporter", hold="0m", because=HAPPENED)
ALWAYS = Alert(
    "Watchdog", WATCHDOG, "info", "vector(1)",
    summary="Alerts are on their way, which is what this one tells.",
    description="It fires always, with the value {{ $value }}. Whoever waits for it and misses it "
                "knows that alerts do not arrive.",
    board="exporter", hold="0m", because="Its absence is what is told, and that at once.")

GROUP = AlertGroup("inferometer-self-alerts", (
    DOWN, FEWER, GONE, COLLECTOR, FOLDED, NEARLY_FULL, VALUES, RELOAD, RULES_FAIL, RULES_SLOW,
    PROMETHEUS_RELOAD, ALERTMANAGER_RELOAD, DROPPED, UNDELIVERED, ALWAYS,
))
