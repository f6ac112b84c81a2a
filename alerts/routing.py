"""alertmanager.yml: who is notified of which alert.

Secrets are read from files, never written here. Alertmanager 0.25 takes a webhook's address from
no file: what is secret about one is a token that is sent along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alerts.exporter import ALWAYS
from alerts.inhibition import inhibitions
from alerts.model import SEVERITIES, TEAMS

UNROUTED = "unrouted"  # what matches no route is seen all the same
DEAD_MANS_SWITCH = "dead-mans-switch"
# Receiver of each severity; how long a group waits for more of its alerts, tells of new ones, and
# tells again.
TIERS: Mapping[str, tuple[str, str, str, str]] = {
    "critical": ("page", "30s", "5m", "4h"),
    "warning": ("tell", "1m", "10m", "1d"),
    "info": ("log", "1m", "10m", "1d"),
}
ALERT_LOG = "/v1/alerts"  # of an exporter that has it switched on
MAX_LOGGED = 200  # alerts in a notification that is logged: so it stays below a megabyte

_TITLE = ('[{{ .Status | toUpper }}] {{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }}'
          '{{ with .CommonLabels.model }}, {{ . }}{{ end }}'
          '{{ with .CommonLabels.node }}, {{ . }}{{ end }}')
_TEXT = ('{{ range .Alerts }}[{{ .Status }}] {{ .Annotations.summary }} '
         '{{ .Annotations.description }}\n'
         '{{ with .Annotations.runbook_url }}{{ . }}\n{{ end }}'
         '{{ with .Annotations.dashboard_url }}{{ . }}\n{{ end }}{{ end }}')


def _flag(default: str, text: str) -> str:
    value: str = field(default=default, metadata={"help": text})
    return value


@dataclass(frozen=True)
class Addresses:
    """Where notifications go. Each field is a flag of `python -m deploy.build`.

    Secrets are files in the folder `secrets`: `pagerduty_routing_key`, `slack_api_url`,
    `smtp_password` and `dead_mans_switch_token`.
    """

    secrets: str = _flag("/etc/alertmanager/secrets", "the folder of Alertmanager's secrets")
    slack_channel: str = _flag("#llm-alerts", "the channel for severity warning")
    email_to: str = _flag("llm-alerts@example.org", "who gets mail of severity warning")
    email_from: str = _flag("alertmanager@example.org", "whose mail it is, also at the smarthost")
    smarthost: str = _flag("smtp.example.org:587", "what takes mail, as host:port")
    alert_log: str = _flag(f"http://127.0.0.1:9839{ALERT_LOG}",
                           "the exporter with web.enable_alert_log, for severity info")
    dead_mans_switch: str = _flag("https://dead-mans-switch.example.org/inferometer",
                                  "who misses the Watchdog once it is silent")


def configuration(addresses: Addresses | None = None) -> dict[str, Any]:
    """Alertmanager's configuration."""
    addresses = addresses or Addresses()
    return {
        "global": {
            "resolve_timeout": "5m",
            "smtp_from": addresses.email_from, "smtp_smarthost": addresses.smarthost,
            "smtp_auth_username": addresses.email_from,
            "smtp_auth_password_file": f"{addresses.secrets}/smtp_password",
        },
        "route": _route(),
        "inhibit_rules": inhibitions(),
        "receivers": _receivers(addresses),
    }


def _route() -> dict[str, Any]:
    watchdog = {
        "receiver": DEAD_MANS_SWITCH, "matchers": [f'alertname="{ALWAYS}"'],
        "group_by": ["cluster"], "group_wait": "0s", "group_interval": "1m",
        "repeat_interval": "5m",
    }
    return {
        "receiver": UNROUTED, "group_by": ["alertname", "cluster"],
        "group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h",
        "routes": [watchdog, *(_tier(severity) for severity in SEVERITIES)],
    }


def _tier(severity: str) -> dict[str, Any]:
    receiver, wait, interval, repeat = TIERS[severity]
    return {
        "receiver": receiver, "matchers": [f'severity="{severity}"'],
        "group_wait": wait, "group_interval": interval, "repeat_interval": repeat,
        "routes": [{"receiver": receiver, "matchers": [f'team="{team}"'],
                    "group_by": [*labels]} for team, labels in TEAMS.items()],
    }


def _receivers(addresses: Addresses) -> list[dict[str, Any]]:
    secrets = addresses.secrets
    chat = {"api_url_file": f"{secrets}/slack_api_url", "channel": addresses.slack_channel,
            "send_resolved": True, "title": _TITLE, "text": _TEXT}
    page = {"routing_key_file": f"{secrets}/pagerduty_routing_key", "send_resolved": True,
            "severity": "critical", "description": _TITLE, "details": {"alerts": _TEXT}}
    mail = {"to": addresses.email_to, "send_resolved": True, "headers": {"Subject": _TITLE}}
    log = {"url": addresses.alert_log, "send_resolved": True, "max_alerts": MAX_LOGGED}
    switch = {
        "url": addresses.dead_mans_switch, "send_resolved": False,
        "http_config": {"authorization": {
            "credentials_file": f"{secrets}/dead_mans_switch_token"}},
    }
    return [
        {"name": UNROUTED, "slack_configs": [chat]},
        {"name": DEAD_MANS_SWITCH, "webhook_configs": [switch]},
        {"name": TIERS["critical"][0], "pagerduty_configs": [page], "slack_configs": [chat]},
        {"name": TIERS["warning"][0], "slack_configs": [chat], "email_configs": [mail]},
        {"name": TIERS["info"][0], "webhook_configs": [log]},
    ]
