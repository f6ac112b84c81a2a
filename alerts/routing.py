"""alertmanager.yml: who is notified of which alert.

Secrets are read from files, never written here. Alertmanager 0.25 takes a webhook's address from
no file: what is secret about one is a token that is sent along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alerts import notifications as texts
from alerts.exporter import ALWAYS
from alerts.inhibition import inhibitions
from alerts.model import SEVERITIES, TEAMS
from inferometer.bundle.options import Addresses

UNROUTED = "unrouted"  # what matches no route is seen all the same
DEAD_MANS_SWITCH = "dead-mans-switch"
# Receiver of each severity; how long a group waits for more of its alerts, tells of new ones, and
# tells again.
TIERS: Mapping[str, tuple[str, str, str, str]] = {
    "critical": ("page", "30s", "5m", "4h"),
    "warning": ("tell", "1m", "10m", "1d"),
    "info": ("log", "1m", "10m", "1d"),
}
# Money has readers of its own, once a day: whom its alerts page, they are for these people too.
FINANCE = "finance"
FINANCE_READS = ("critical", "warning")
FINANCE_REPEAT = "1d"
MAX_LOGGED = 200  # alerts in a notification that is logged: so it stays below a megabyte


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
        "routes": [route for team, labels in TEAMS.items()
                   for route in _of_team(team, labels, severity)],
    }


def _of_team(team: str, labels: tuple[str, ...], severity: str) -> Iterator[dict[str, Any]]:
    usual = {"receiver": TIERS[severity][0], "matchers": [f'team="{team}"'],
             "group_by": [*labels]}
    if team != FINANCE or severity not in FINANCE_READS:
        yield usual
        return
    pages = severity == "critical"
    own = {**usual, "receiver": FINANCE, "repeat_interval": FINANCE_REPEAT}
    yield own | {"continue": True} if pages else own
    if pages:
        yield usual | {"repeat_interval": FINANCE_REPEAT}


def _receivers(addresses: Addresses) -> list[dict[str, Any]]:
    log = {"url": addresses.alert_log, "send_resolved": True, "max_alerts": MAX_LOGGED}
    switch = {
        "url": addresses.dead_mans_switch, "send_resolved": False,
        "http_config": {"authorization": {
            "credentials_file": f"{addresses.secrets}/dead_mans_switch_token"}},
    }
    chat = _chat(addresses, addresses.slack_channel)
    return [
        {"name": UNROUTED, "slack_configs": [chat]},
        {"name": DEAD_MANS_SWITCH, "webhook_configs": [switch]},
        {"name": TIERS["critical"][0], "pagerduty_configs": [_page(addresses)],
         "slack_configs": [chat]},
        {"name": TIERS["warning"][0], "slack_configs": [chat],
         "email_configs": [_mail(addresses.email_to)]},
        {"name": FINANCE, "slack_configs": [_chat(addresses, addresses.finance_channel)],
         "email_configs": [_mail(addresses.finance_email_to)]},
        {"name": TIERS["info"][0], "webhook_configs": [log]},
    ]


def _chat(addresses: Addresses, channel: str) -> dict[str, Any]:
    """`fallback` is what a phone shows."""
    title = texts.title(texts.CHAT)
    return {"api_url_file": f"{addresses.secrets}/slack_api_url", "channel": channel,
            "send_resolved": True, "title": title, "fallback": title,
            "text": texts.text(texts.CHAT)}


def _page(addresses: Addresses) -> dict[str, Any]:
    """`firing` and `resolved` take the place of lists of all labels, which have no end."""
    return {"routing_key_file": f"{addresses.secrets}/pagerduty_routing_key",
            "send_resolved": True, "severity": "critical", "description": texts.title(),
            "details": {"firing": texts.firing(texts.PLAIN),
                        "resolved": texts.resolved(texts.PLAIN)},
            "links": texts.first_links()}


def _mail(receiver: str) -> dict[str, Any]:
    return {"to": receiver, "send_resolved": True, "headers": {"Subject": texts.title()},
            "html": texts.text(texts.HTML), "text": texts.text(texts.PLAIN)}
