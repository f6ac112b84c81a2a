"""What happened, marked on every board: alerts, starts of engines, new versions.

An alert that fires is marked by a line where what it asks began to be true: what lasts would lie
over all lines. Warnings are many, and a reader can switch them on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dashboards.grafana_schema import Json
from dashboards.model import SOURCE, STEP, Appearance
from dashboards.styles import AMBER, BLUE, RED
from dashboards.variables import chosen, pending_since
from recording_rules.capacity import STARTED, VERSIONS

# Whom an alert is about: labels that it lacks make no tag, where a text would show their names.
SUBJECT = ("model", "engine", "pod", "node", "instance", "namespace", "cluster")


def marks(variables: Iterable[str], appearances: Iterable[Appearance] = ()) -> list[Json]:
    """The marks of a board that offers these choices. No model's alert knows a replica."""
    chosen_of = [name for name in variables if name != "pod"]
    return [
        _alerts("Critical alerts", "critical", RED, chosen_of, enable=True),
        _alerts("Warnings", "warning", AMBER, chosen_of, enable=False),
        _mark("Engine starts", BLUE, f"{chosen(STARTED)} * 1000",
              "{{model}} started", "A process of {{engine}} started", useValueForTime=True),
        _mark("New versions", "purple",
              _begun(chosen(VERSIONS)),
              "{{model}}: version {{version}}", "First seen of {{engine}}"),
        *(_mark(one.name, BLUE, _begun(one.series), one.title, one.text) for one in appearances),
    ]


def _alerts(name: str, severity: str, colour: str, labels: Iterable[str], *,
            enable: bool) -> Json:
    return _mark(name, colour, pending_since(labels, f'severity="{severity}"'), "{{alertname}}",
                 "{{severity}}: true since then", tagKeys=",".join(SUBJECT), enable=enable,
                 useValueForTime=True)


def _begun(series: str) -> str:
    """What was not there before: two steps, so that over a week, too, one of them is seen."""
    return f"{series} unless {series} offset 2m"


def _mark(name: str, colour: str, expr: str, title: str, text: str, *, enable: bool = True,
          **more: Any) -> Json:
    return {"name": name, "datasource": SOURCE, "enable": enable, "hide": False,
            "iconColor": colour, "expr": expr, "step": STEP, "titleFormat": title,
            "textFormat": text, **more}
