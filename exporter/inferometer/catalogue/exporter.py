"""The exporter itself."""

from __future__ import annotations

from inferometer.catalogue.client import CLIENT_METRICS
from inferometer.catalogue.cost import COST_METRICS
from inferometer.catalogue.engine import ENGINE_METRICS, VERSION
from inferometer.catalogue.gpu import GPU_METRICS
from inferometer.catalogue.model import Label, Metric
from inferometer.catalogue.quality import FEEDBACK_METRICS
from inferometer.catalogue.users import USER_METRICS

COLLECTOR = Label("collector", "One collector of the exporter.",
                  values=("gpu", "pods", "engines", "cost", "intake", "heartbeat", "calls",
                          "ledger", "users", "feedback", "feedback_door", "judge",
                          "evaluation", "anomalies", "reconciliation"))
RESULT = Label("result", "How it went.", values=("success", "failure"))

BUILD_INFO = Metric("inferometer_build_info", "gauge", "This exporter's version; always 1.",
                    (VERSION,), 1)
COLLECTOR_SUCCESS = Metric("inferometer_collector_success", "gauge",
                           "1 if the collector answered in full and in time, else 0.", (COLLECTOR,))
COLLECTOR_DURATION = Metric("inferometer_collector_duration_seconds", "gauge",
                            "How long the collector took in this scrape.", (COLLECTOR,))
CONFIG_RELOADS = Metric("inferometer_config_reloads_total", "counter",
                        "Reloads of the configuration, by result.", (RESULT,),
                        unread="Whether the last one succeeded is what counts.")
CONFIG_RELOAD_OK = Metric("inferometer_config_last_reload_successful", "gauge",
                          "1 if the configuration in force is the one in the file.")
CONFIG_RELOAD_TIME = Metric("inferometer_config_last_reload_success_timestamp_seconds", "gauge",
                            "When the configuration in force was loaded.",
                            unread="Whether the last one succeeded is what counts.")


def _folding(*metrics: Metric) -> tuple[tuple[str, str], ...]:
    return tuple((metric.name, label.name)
                 for metric in metrics for label in metric.labels if label.folds)


# Every label that can be folded, with its family: each is counted from 0 on, those of gateways
# from the first page on that has the family.
FOLDING = _folding(*GPU_METRICS, *ENGINE_METRICS, *COST_METRICS)
GATEWAY_FOLDING = _folding(*CLIENT_METRICS, *USER_METRICS, *FEEDBACK_METRICS)
LABELS_FOLDED = Metric(
    "inferometer_label_values_folded_total", "counter",
    "Label values replaced by `_other`, or whose gauge was left out, over the family's cap.",
    (Label("metric", "The family.", budget=200), Label("label", "Its label.", budget=50)), 1000,
)
VALUES_REFUSED = Metric(
    "inferometer_values_refused_total", "counter",
    "Values of GPUs and engines that cannot be, and were left out.",
    (Label("metric", "The family.", budget=200),), 200,
    unread="It is asked when a figure is missing: what a source says wrongly is rarely one's own "
           "to mend.",
)
SELF_METRICS = (
    BUILD_INFO, COLLECTOR_SUCCESS, COLLECTOR_DURATION, LABELS_FOLDED, VALUES_REFUSED,
    CONFIG_RELOADS, CONFIG_RELOAD_OK, CONFIG_RELOAD_TIME,
)
