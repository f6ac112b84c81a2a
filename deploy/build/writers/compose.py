"""The files of Compose's own: rules, Prometheus and Alertmanager with its services' addresses.

Its services find each other by name; people find them on loopback, by the ports they publish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alerts import routing
from deploy.build.bundle import Bundle
from deploy.build.writers import alerts, prometheus
from inferometer.bundle.options import ALERT_LOG, Options

# Some 10 MB: of an hour in which every scrape has a new one of 800 buckets.
MOST_EXEMPLARS = 100_000


def adapted(options: Options) -> Options:
    """The options with the addresses that services of deploy/compose/compose.yml have."""
    return replace(
        options,
        runbook_url="http://127.0.0.1:9090/user",  # Prometheus' --web.user-assets
        grafana_url="http://127.0.0.1:3000",
        exporters="inferometer:9839,gateway:9839",
        alertmanagers="alertmanager:9093",
        prometheus="prometheus:9090",
        addresses=replace(
            options.addresses, secrets="/etc/alertmanager/secrets",
            alert_log=f"http://inferometer:9839{ALERT_LOG}"))


def documents(bundle: Bundle, options: Options) -> Mapping[str, Mapping[str, Any]]:
    """The files by their names."""
    options = adapted(options)
    return {
        prometheus.ALERTING: alerts.document(bundle.alert_groups, bundle.boards, options),
        "prometheus.yml": {**prometheus.configuration(options),
                           "storage": {"exemplars": {"max_exemplars": MOST_EXEMPLARS}}},
        "alertmanager.yml": routing.configuration(options.addresses),
    }
