"""Prometheus' configuration: what is scraped, how often, and how much of it at most."""

from __future__ import annotations

import math
from typing import Any

from deploy.cardinality import exporter_series
from deploy.settings import Settings
from inferometer.catalogue import METRICS
from inferometer.guard import LONGEST_VALUE

MARGIN = 1.2  # the exporter keeps to its caps by itself: a limit is for one that does not
OWN_SERIES = 500  # the exporter's process and Python families, and the scrape's own
TARGET_LABELS = 20  # what discovery and relabelling may add
LONGEST_LABEL = 64  # of theirs; ours are shorter
BYTES_A_CHARACTER = 4  # Prometheus counts bytes where the exporter counts characters

RECORDING, ALERTING = "recording.rules.yml", "alerts.rules.yml"
REMARKS = (
    "Start Prometheus with --storage.tsdb.retention.time=35d or more: sums over the month need it.",
    "Every exporter needs the labels `cluster` and `namespace`, and each host its `node`.",
)
# The host of the address, unless discovery already gave a node.
_NODE = {"source_labels": ["node", "__address__"], "regex": r";\[?(.*?)\]?(?::\d+)?",
         "target_label": "node"}


def limits() -> dict[str, int]:
    """What a scrape may hold at most."""
    return {
        "sample_limit": _margined(exporter_series() + OWN_SERIES),
        "label_limit": _margined(
            max(len(metric.labels) for metric in METRICS) + 1 + TARGET_LABELS),
        "label_name_length_limit": max(
            LONGEST_LABEL, *(len(label) for metric in METRICS for label in metric.label_names)),
        "label_value_length_limit": LONGEST_VALUE * BYTES_A_CHARACTER,
    }


def configuration(settings: Settings) -> dict[str, Any]:
    """The file."""
    cluster = {"cluster": settings.cluster}
    managers = _addresses(settings.alertmanagers)
    return {
        "global": {"scrape_interval": "30s", "evaluation_interval": "1m"},
        "rule_files": [RECORDING, ALERTING],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": managers}]}]},
        "scrape_configs": [
            {"job_name": "inferometer", **limits(),
             "static_configs": [{"targets": _addresses(settings.exporters),
                                 "labels": {**cluster, "namespace": settings.namespace}}],
             "relabel_configs": [_NODE]},
            {"job_name": "prometheus",
             "static_configs": [{"targets": _addresses(settings.prometheus), "labels": cluster}]},
            {"job_name": "alertmanager",
             "static_configs": [{"targets": managers, "labels": cluster}]},
        ],
    }


def _addresses(text: str) -> list[str]:
    return [address.strip() for address in text.split(",")]


def _margined(number: int) -> int:
    return math.ceil(number * MARGIN)
