"""Ourselves: exporters, the rules, and the way that an alert takes."""

from __future__ import annotations

from alerts import words
from alerts.model import EXPORTERS, HAPPENED, RULES, SELF, WATCHDOG, Alert, AlertGroup
from alerts.promql import FLAP_WINDOW, away
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules.exporters import FLEET_EXPORTER, FLEET_SEEN, OURS, REMEMBERED, SEEN
from recording_rules.promql import EXPORTER, FLEET, KEPT, by, on

NEAR_CAP = 0.8
SLOW = 0.8  # of a group's interval
FAILURES = 2  # of a group in the time looked back: it evaluates every four minutes at least
LOOK_BACK = "15m"
CAPPED = (c.SERVER_UP, c.SERVER_RUNNING, c.SERVER_SIGNAL, c.GPU_UP, c.COST, c.BUDGET)

_JOB = (*FLEET, "job")
_KNOWN = f"max_over_time({c.BUILD_INFO.name}[{REMEMBERED}])"
# One that has never been scraped is ours if all else of its job is.
_OURS = (f"({_KNOWN} or up and {on(_JOB)} {_KNOWN} "
         f"unless {on(_JOB)} (up == 1 unless {on(EXPORTER)} {c.BUILD_INFO.name}))")


def _filled(metric: Metric) -> str:
    """How much of a family's seats an exporter has given away."""
    open_labels = tuple(label.name for label in metric.labels if not label.values)
    tuples = f"group {by((*SELF.scope, *open_labels))} ({metric.name})"
    return (f"label_replace(count {by(SELF.scope)} ({tuples}) / {metric.seats}, "
            f'"metric", "{metric.name}", "", "")')


DOWN = Alert(
    "InferometerDown", SELF, "warning",
    away("up", f"avg_over_time(up[{FLAP_WINDOW}])", f"changes(up[{FLAP_WINDOW}])")
    + f" and {on(EXPORTER)} {_OURS}",
    summary="An exporter is down, or comes and goes.",
    description=f"{words.EXPORTER} answered {{{{ $value | humanizePercentage }}}} of its scrapes "
                f"in the last {FLAP_WINDOW}. What it watches is not seen meanwhile.",
    board="exporter")
FLEET_GONE = Alert(
    "InferometerFleetExporterGone", EXPORTERS, "warning",
    f"time() - {FLEET_SEEN} unless {on(FLEET)} {FLEET_EXPORTER} and {on(FLEET)} "
    f"{c.BUILD_INFO.name}",
    summary="The exporter of fixed costs, budgets and limits is gone.",
    description=f"The fleet's exporter of {words.CLUSTER} was last scraped {{{{ $value | "
                "humanizeDuration }} ago. Fixed costs are not counted meanwhile; its budgets and "
                f"limits stay in force for {KEPT}.",
    board="exporter")
GONE = Alert(
    "InferometersGone", EXPORTERS, "critical",
    f"time() - {SEEN} unless {on(FLEET)} {c.BUILD_INFO.name}",
    summary="No exporter of the cluster can be scraped.",
    description=f"No exporter of {words.CLUSTER} has been scraped for {{{{ $value | "
                "humanizeDuration }}. No other alert about its models, GPUs or money can fire.",
    board="exporter", hold="8m",
    because="It takes the place of LLMModelDown, so it must come before it.")
# What GpuDriverDown says.
_NO_DRIVER = (f'label_replace({c.GPU_DRIVER_UP.name} == 0, "{c.COLLECTOR.name}", "gpu", "", "")')
COLLECTOR = Alert(
    "InferometerCollectorFailing", SELF, "warning",
    f"{c.COLLECTOR_SUCCESS.name} == 0 unless {on((*EXPORTER, c.COLLECTOR.name))} {_NO_DRIVER}",
    summary="A collector of an exporter fails or is late.",
    description=f"Collector {{{{ $labels.collector }}}} of {words.EXPORTER} fails or is late. Its "
                "families are missing; the exporter's log says why.",
    board="exporter")
FOLDED = Alert(
    "InferometerLabelsFolded", SELF, "warning",
    f"sum {by((*SELF.scope, 'metric', 'label'))} "
    f"(increase({c.LABELS_FOLDED.name}[{LOOK_BACK}]) > 0)",  # few of many: what is 0 is not summed
    summary="An exporter folds label values into _other.",
    description=f'{words.EXPORTER} folded {{{{ $value | printf "%.0f" }}}} values of label '
                "{{ $labels.label }} of {{ $labels.metric }} into _other in the last "
                f"{LOOK_BACK}.",
    board="exporter", hold="0m", because=HAPPENED)
NEARLY_FULL = Alert(
    "InferometerSeriesNearCap", SELF, "warning",
    f"({' or '.join(map(_filled, CAPPED))}) > {NEAR_CAP}",
    summary="A family of an exporter is close to its cap of series.",
    description=f"{{{{ $labels.metric }}}} of {words.EXPORTER} has {{{{ $value | "
                f"humanizePercentage }}}} of its cap of series, over {NEAR_CAP:.0%}. Over the cap "
                "label values are folded into _other.",
    board="exporter")
VALUES = Alert(
    "InferometerLabelValuesTooMany", EXPORTERS, "warning",
    f"count {by(FLEET)} (group {by((*FLEET, c.MODEL.name))} ({c.SERVER_UP.name})) "
    f">= {c.MAX_LABEL_VALUES}",
    summary="There are too many names of models.",
    description=f"The label model has {{{{ $value }}}} values in {words.CLUSTER}, limit "
                f"{c.MAX_LABEL_VALUES}. Rules and boards slow down.",
    board="exporter")
RELOAD = Alert(
    "InferometerReloadFailed", SELF, "warning", f"{c.CONFIG_RELOAD_OK.name} == 0",
    summary="An exporter rejected its new configuration.",
    description=f"{words.EXPORTER} rejected its new configuration and keeps the old one. Its log "
                "names the key.",
    board="exporter")
RULES_FAIL = Alert(
    "PrometheusRulesFailing", RULES, "critical",
    f"increase(prometheus_rule_evaluation_failures_total{{{OURS}}}[{LOOK_BACK}]) > {FAILURES}",
    summary="Prometheus fails to evaluate rules of Inferometer.",
    description=f"{{{{ $labels.rule_group }}}} on {words.EXPORTER} failed "
                f'{{{{ $value | printf "%.0f" }}}} times in the last {LOOK_BACK}, limit '
                f"{FAILURES}. Alerts and boards that rest on it are blind.",
    board="exporter", hold="0m", because="It is several evaluations that have failed already.")
RULES_SLOW = Alert(
    "PrometheusRulesSlow", RULES, "warning",
    f"prometheus_rule_group_last_duration_seconds{{{OURS}}} / "
    f"prometheus_rule_group_interval_seconds{{{OURS}}} > {SLOW}",
    summary="A group of rules takes most of its interval.",
    description=f"{{{{ $labels.rule_group }}}} on {words.EXPORTER} takes "
                f"{{{{ $value | humanizePercentage }}}} of its interval, limit {SLOW:.0%}. Over "
                "100% Prometheus skips evaluations.",
    board="exporter")
PROMETHEUS_RELOAD, ALERTMANAGER_RELOAD = (Alert(
    f"{program}ReloadFailed", RULES, "warning",
    f"{program.lower()}_config_last_reload_successful == 0",
    summary=f"{program} rejected its new configuration.",
    description=f"{program} {words.EXPORTER} rejected its new configuration and keeps the old "
                "one. Its next start fails.",
    board="exporter") for program in ("Prometheus", "Alertmanager"))
DROPPED = Alert(
    "PrometheusNotificationsDropped", RULES, "warning",
    f"increase(prometheus_notifications_dropped_total[{LOOK_BACK}]) > 0",
    summary="Prometheus drops alerts on the way to Alertmanager.",
    description=f'Prometheus {words.EXPORTER} dropped {{{{ $value | printf "%.0f" }}}} alerts in '
                f"the last {LOOK_BACK}: no Alertmanager took them.",
    board="exporter", hold="0m", because=HAPPENED)
UNDELIVERED = Alert(
    "AlertmanagerNotificationsFailing", RULES, "warning",
    f"sum {by((*RULES.scope, 'integration'))} "
    f"(increase(alertmanager_notifications_failed_total[{LOOK_BACK}])) > 0",
    summary="Alertmanager fails to deliver notifications.",
    description=f"Alertmanager {words.EXPORTER} failed to deliver "
                '{{ $value | printf "%.0f" }} notifications by {{ $labels.integration }} in the '
                f"last {LOOK_BACK}.",
    board="exporter", hold="0m", because=HAPPENED)
ALWAYS = Alert(
    "Watchdog", WATCHDOG, "info", "vector(1)",
    summary="Alerts are delivered.",
    description="This alert always fires, with the value {{ $value }}. Where it does not arrive, "
                "no alert does.",
    board="exporter", hold="0m", because="Its absence is the signal, and that at once.")

GROUP = AlertGroup("inferometer-self-alerts", (
    DOWN, FLEET_GONE, GONE, COLLECTOR, FOLDED, NEARLY_FULL, VALUES, RELOAD, RULES_FAIL, RULES_SLOW,
    PROMETHEUS_RELOAD, ALERTMANAGER_RELOAD, DROPPED, UNDELIVERED, ALWAYS,
))
