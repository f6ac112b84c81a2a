"""What Compose mounts that is not the same elsewhere.

Its services find each other by name; people find them on loopback, by the ports they publish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alerts import routing
from deploy import rules, scrape
from deploy.bundle import Bundle
from deploy.settings import Settings


def in_compose(settings: Settings) -> Settings:
    """The same between services of deploy/compose/compose.yml."""
    return replace(
        settings,
        runbook_url="http://127.0.0.1:9090/user",  # Prometheus' --web.user-assets
        grafana_url="http://127.0.0.1:3000",
        exporters="inferometer:9839",
        alertmanagers="alertmanager:9093",
        prometheus="prometheus:9090",
        addresses=replace(
            settings.addresses, secrets="/etc/alertmanager/secrets",
            alert_log=f"http://inferometer:9839{routing.ALERT_LOG}"))


def documents(bundle: Bundle, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """Each by its file's name."""
    settings = in_compose(settings)
    return {
        scrape.ALERTING: rules.alerting(bundle.alert_groups, bundle.boards, settings),
        "prometheus.yml": scrape.configuration(settings),
        "alertmanager.yml": routing.configuration(settings.addresses),
    }
