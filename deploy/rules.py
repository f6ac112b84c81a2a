"""Rule groups as Prometheus reads them, with all that can be derived of an alert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerts.model import Alert, AlertGroup
from dashboards.model import PREFIX
from deploy.settings import Settings
from recording_rules.model import Group, Rule

Document = dict[str, Any]


def recording(groups: Iterable[Group]) -> Document:
    """The file of recording rules."""
    return {"groups": [
        {"name": group.name, "interval": group.interval, "rules": [*map(_recorded, group.rules)]}
        for group in groups]}


def alerting(groups: Iterable[AlertGroup], boards: Mapping[str, Any],
             settings: Settings) -> Document:
    """The file of alerts. Each links to its runbook heading, and to a board on what it is about."""
    return {"groups": [
        {"name": group.name, "interval": group.interval,
         "rules": [_alert(alert, boards, settings) for alert in group.alerts]}
        for group in groups]}


def _recorded(rule: Rule) -> Document:
    labels = {"labels": dict(rule.fixed)} if rule.fixed else {}
    return {"record": rule.name, "expr": rule.expr, **labels}


def _alert(alert: Alert, boards: Mapping[str, Any], settings: Settings) -> Document:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "keep_firing_for": alert.keep_firing,
        "labels": {"severity": alert.severity, "subject": alert.subject.name,
                   "team": alert.subject.team},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{settings.runbook_url}/runbook.md#{alert.name.lower()}",
            "dashboard_url": _link(alert, boards[f"{PREFIX}-{alert.board}"], settings),
        },
    }


def _link(alert: Alert, board: Document, settings: Settings) -> str:
    """The board, narrowed to what the alert is about."""
    chosen = "&".join(f"var-{label}={{{{$labels.{label}|urlquery}}}}"
                      for label in variables(board) if label in alert.subject.scope)
    return f"{settings.grafana_url}/d/{board['uid']}" + (f"?{chosen}" if chosen else "")


def variables(board: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the board may choose."""
    return (variable["name"] for variable in board["templating"]["list"])
