"""alerts.rules.yml: alerts as Prometheus reads them, with all that can be derived of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alerts.model import Alert, AlertGroup
from dashboards import replicas
from dashboards.model import PREFIX
from inferometer.bundle.options import Options
from recording_rules.promql import ENDPOINT

_SHOWN = 0  # how Grafana says of a variable that it is not hidden


def document(groups: Iterable[AlertGroup], boards: Mapping[str, Any],
             options: Options) -> dict[str, Any]:
    """The file. Each alert links to its runbook heading, and to a board on what it is about."""
    return {"groups": [
        {"name": group.name, "interval": group.interval,
         "rules": [_alert(alert, boards, options) for alert in group.alerts]}
        for group in groups]}


def _alert(alert: Alert, boards: Mapping[str, Any], options: Options) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "keep_firing_for": alert.keep_firing,
        "labels": {"severity": alert.severity, "subject": alert.subject.name,
                   "team": alert.subject.team, **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{options.runbook_url}/runbook.md#{alert.name.lower()}",
            "dashboard_url": _link(alert, boards[f"{PREFIX}-{alert.board}"], options),
        },
    }


def _link(alert: Alert, board: Mapping[str, Any], options: Options) -> str:
    """The board, narrowed to what the alert is about."""
    labels = alert.subject.scope if alert.subject.of_boards is None else alert.subject.of_boards
    choice = [f"var-{label}={{{{$labels.{label}|urlquery}}}}"
              for label in _variables(board) if label in labels]
    if set(ENDPOINT) <= set(alert.subject.scope):
        choice += [f"viewPanel={panel}" for panel in _of_replicas(board)]
    return f"{options.grafana_url}/d/{board['uid']}" + ("?" if choice else "") + "&".join(choice)


def _variables(board: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the board may choose; others are only carried along."""
    return (variable["name"] for variable in board["templating"]["list"]
            if variable.get("hide", _SHOWN) == _SHOWN)


def _of_replicas(board: Mapping[str, Any]) -> Iterator[int]:
    """The first panel about replicas. No address opens a row, but that of a panel in it does."""
    return (row["panels"][0]["id"] for row in board.get("panels", ())
            if row["title"] == replicas.TITLE)
