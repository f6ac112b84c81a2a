"""prometheus.yml: what is scraped, how often, and how much of it at most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from deploy.build.series import exporter_series, fullest_role
from inferometer.bundle.options import Options
from inferometer.catalogue import METRICS
from inferometer.guard import LONGEST_VALUE

MARGIN = 1.2  # the exporter keeps to its caps by itself: a limit is for one that does not
OWN_SERIES = 500  # the exporter's process and Python families, and the scrape's own
TARGET_LABELS = 20  # what discovery and relabelling may add
MAX_LABEL_LENGTH = 64  # of theirs; ours are shorter
BYTES_A_CHARACTER = 4  # Prometheus counts bytes where the exporter counts characters

RECORDING, ALERTING = "recording.rules.yml", "alerts.rules.yml"
REMARKS = (
    "Start Prometheus with --storage.tsdb.retention.time=35d or more: sums over the month need it.",
    "Every exporter needs the labels `cluster` and `namespace`, and each host its `node`.",
)
REMARKS_IN_KUBERNETES = (
    REMARKS[0],
    "Its service account must get, list and watch pods, in all namespaces where engines run.",
)
PORT_NAME = "inferometer"  # of every pod that has an exporter
# The host of the address, unless discovery already gave a node.
_NODE = {"source_labels": ["node", "__address__"], "regex": r";\[?(.*?)\]?(?::\d+)?",
         "target_label": "node"}
# As an operator's monitors have it; of `node` the chart's tell them.
_ENDED = "Succeeded|Failed"
_OF_POD = {"namespace": "namespace", "pod": "pod_name", "container": "pod_container_name",
           "node": "pod_node_name"}


def limits() -> dict[str, int]:
    """The limits of a scrape, as Prometheus names them."""
    return {
        "sample_limit": _with_margin(exporter_series(fullest_role()) + OWN_SERIES),
        "label_limit": _with_margin(
            max(len(metric.labels) for metric in METRICS) + 1 + TARGET_LABELS),
        "label_name_length_limit": max(
            MAX_LABEL_LENGTH, *(len(label) for metric in METRICS for label in metric.label_names)),
        "label_value_length_limit": LONGEST_VALUE * BYTES_A_CHARACTER,
    }


def configuration(options: Options) -> dict[str, Any]:
    """The file."""
    return _configuration(options, {
        "static_configs": [{"targets": _addresses(options.exporters),
                            "labels": {"cluster": options.cluster,
                                       "namespace": options.namespace}}],
        "relabel_configs": [_NODE]})


def configuration_in_kubernetes(options: Options) -> dict[str, Any]:
    """The file of a Prometheus in a cluster, which finds exporters by the name of their port."""
    return _configuration(options, {
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {"source_labels": ["__meta_kubernetes_pod_container_port_name"],
             "regex": PORT_NAME, "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": _ENDED, "action": "drop"},
            *({"source_labels": [f"__meta_kubernetes_{meta}"], "target_label": label}
              for label, meta in _OF_POD.items()),
            {"target_label": "cluster", "replacement": options.cluster}]})


def _configuration(options: Options, discovery: Mapping[str, Any]) -> dict[str, Any]:
    cluster = {"cluster": options.cluster}
    managers = _addresses(options.alertmanagers)
    return {
        "global": {"scrape_interval": "30s", "evaluation_interval": "1m"},
        "rule_files": [RECORDING, ALERTING],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": managers}]}]},
        "scrape_configs": [
            {"job_name": "inferometer", **limits(), **discovery},
            {"job_name": "prometheus",
             "static_configs": [{"targets": _addresses(options.prometheus), "labels": cluster}]},
            {"job_name": "alertmanager",
             "static_configs": [{"targets": managers, "labels": cluster}]},
        ],
    }


def _addresses(text: str) -> list[str]:
    return [address.strip() for address in text.split(",")]


def _with_margin(number: int) -> int:
    return math.ceil(number * MARGIN)
