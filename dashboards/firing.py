"""What fires, a row for each subject: what it is about, in a word or two, and where that is.

Alerts have other labels for each kind of subject: a column for each would mostly be empty. So the
query makes what the table shows, and what its links need, of whatever labels an alert has.
"""

from __future__ import annotations

from alerts import ALERT_GROUPS
from alerts.model import SEVERITIES
from dashboards.grafana_schema import Json
from dashboards.styles import AMBER, RED, board_link, override
from dashboards.variables import OF_MODELS, firing, pending_since
from inferometer import catalogue as c
from recording_rules.promql import by

KEYS = {"severity": "Severity", "alertname": "Alert", "about": "About", "place": "Where"}
LINKED = ("board", c.MODEL.name, "node")
# Where to look, by whose alert it is.
_BOARDS = {"serving": "latency", "hardware": "gpu", "finance": "cost", "observability": "exporter"}
# Alerts about what applications see have boards of their own.
_OF_CALLS = ("requests", "rag", "feedback", "quality")
_NAMES = {board: "|".join(dict.fromkeys(
    alert.name for group in ALERT_GROUPS for alert in group.alerts if alert.board == board))
    for board in _OF_CALLS}
_ALL = "All"  # values of a variable, as Grafana calls them in an address
# Of several labels that an alert has the last one is what it is about.
_ABOUT = ("subject", c.ENGINE.name, "node", "instance", "pod", c.MODEL.name)
# And which one of it: a replica by its pod or target (an exporter has no target), or one of these.
_REPLICA = "(?:.+/(.+)|(.+)/|/.*)"
_WHICH = {"period": "(.+)", "signal": "(.+)", c.UUID.name: "(GPU-[^-]+).*"}


def subjects(alerts: str) -> str:
    """A series for each alert and subject."""
    for label in _ABOUT:
        alerts = _replaced(alerts, "about", "$1", label, "(.+)")
    alerts = _joined(alerts, "which", "/", c.TARGET.name, "pod")
    alerts = _replaced(alerts, "which", "$1$2", "which", _REPLICA)
    for label, pattern in _WHICH.items():
        alerts = _replaced(alerts, "which", "$1", label, pattern)
    alerts = _joined(alerts, "about", " ", "about", "which")
    alerts = _joined(alerts, "place", "/", "cluster", "namespace")
    alerts = _replaced(alerts, "place", "$1", "place", "/?(.*?)/?")
    for team, board in _BOARDS.items():
        alerts = _replaced(alerts, "board", board, "team", team)
    for board, names in _NAMES.items():
        alerts = _replaced(alerts, "board", board, "alertname", names)
    for label in (c.MODEL.name, "node"):
        alerts = _replaced(alerts, label, _ALL, label, "")
    return f"max {by((*KEYS, *LINKED))} ({alerts})"


def count(severity: str) -> str:
    """How many rows of the table have that severity."""
    alerts = firing(OF_MODELS, f'severity="{severity}"')
    return f"count({subjects(alerts)})"


def since(*matchers: str) -> str:
    """When it began to be true, of each row."""
    return subjects(pending_since(OF_MODELS, *matchers))


def looks() -> list[Json]:
    """How the table looks, and where it leads."""
    colours = dict(zip(SEVERITIES, (RED, AMBER), strict=False))
    mapping = {"type": "value", "options": {
        severity: {"color": colour, "index": place}
        for place, (severity, colour) in enumerate(colours.items())}}
    return [
        override("byName", KEYS["severity"], mappings=[mapping],
                 custom__cellOptions={"type": "color-text"}),
        board_link("${__data.fields.board}", "byName", KEYS["about"],
                   {label: f"${{__data.fields.{label}}}" for label in LINKED[1:]}),
    ]


def _replaced(expr: str, label: str, value: str, source: str, pattern: str) -> str:
    return f'label_replace({expr}, "{label}", "{value}", "{source}", "{pattern}")'


def _joined(expr: str, label: str, between: str, *sources: str) -> str:
    names = ", ".join(f'"{source}"' for source in sources)
    return f'label_join({expr}, "{label}", "{between}", {names})'
