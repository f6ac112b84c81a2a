"""Cases of alerts: what comes in, and what an alert then says, proven by promtool.

A case loads one alert with the recording rules that it rests on. Tables of cases are what shows
that every alert can fire and can be silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote_plus

from alerts.model import Alert, AlertGroup
from deploy.build.bundle import assemble
from deploy.build.writers import alerts as alert_writer
from inferometer.bundle.options import Options
from recording_rules import GROUPS
from recording_rules.model import Group
from tests.bundle.promtool import VERSIONS, Document, Series, check, documents

_BOARDS = assemble().boards
_CHOSEN = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\|\s*urlquery\s*\}\}")


@dataclass(frozen=True)
class Firing:
    """One firing alert: the labels it has beyond those of its definition, and its description.

    `before`: the description under the oldest version, whose ranges are closed on the left, where
    that gives another value.
    """

    labels: Mapping[str, str]
    description: str
    before: str = ""

    def text(self, version: str) -> str:
        """The description under a version."""
        return self.before if self.before and version == VERSIONS[0] else self.description


@dataclass(frozen=True)
class Case:
    """Series come in, one value a minute; at `minute` these alerts fire, or none does."""

    title: str
    alert: Alert
    inputs: tuple[Series, ...]
    expected: tuple[Firing, ...] = ()
    minute: int = 20
    step: int = 1  # minutes between two values and two evaluations
    once: bool = False  # whether all is evaluated at that minute alone, which is far off

    def __str__(self) -> str:
        return f"{self.alert} {self.alert.severity}: {self.title}"


def prove(case: Case, version: str, folder: Path) -> None:
    """Raise AssertionError unless the alert says exactly what the case expects."""
    group, = alert_documents((AlertGroup("alert", (case.alert,)),))
    expected = [{"exp_labels": {**labels(case.alert), **firing.labels},
                 "exp_annotations": annotated(case.alert, firing, version)}
                for firing in case.expected]
    interval = f"{case.step}m"
    test = {"interval": interval, "name": str(case), "input_series": list(case.inputs),
            "alert_rule_test": [{"eval_time": f"{case.minute}m", "alertname": case.alert.name,
                                 "exp_alerts": expected}]}
    rules = documents(resting_on(f"{case.alert.expr} {case.alert.description}"))
    check(version, folder, (*rules, group), [test], f"{case.minute}m" if case.once else interval)


def annotated(alert: Alert, firing: Firing, version: str = VERSIONS[-1]) -> dict[str, str]:
    """Those of a firing alert, as Prometheus fills them in."""
    group, = alert_documents((AlertGroup("alert", (alert,)),))
    written = group["rules"][0]["annotations"]
    return {**written, "description": firing.text(version),
            "dashboard_url": _filled(written["dashboard_url"], firing)}


def resting_on(text: str) -> list[Group]:
    """The recording rules named in a text, and those that they rest on, in their order."""
    rules = [rule for group in GROUPS for rule in group.rules]
    names: set[str] = set()
    while more := [rule for rule in rules if rule.name in text and rule.name not in names]:
        names |= {rule.name for rule in more}
        text += " ".join(rule.expr for rule in more)
    chosen = (replace(group, rules=tuple(rule for rule in group.rules if rule.name in names))
              for group in GROUPS)
    return [group for group in chosen if group.rules]


def labels(alert: Alert) -> Mapping[str, str]:
    """What its definition puts on an alert."""
    return {"severity": alert.severity, "subject": alert.subject.name, "team": alert.subject.team,
            **alert.labels}


def alert_documents(groups: Iterable[AlertGroup]) -> list[Document]:
    """Alerts as the rule file has them."""
    written: list[Document] = alert_writer.document(groups, _BOARDS, Options())["groups"]
    return written


def _filled(link: str, firing: Firing) -> str:
    """The link to a board, narrowed to what the alert is about."""
    return _CHOSEN.sub(lambda label: quote_plus(firing.labels.get(label[1], "")), link)
