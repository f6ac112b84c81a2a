"""The page's table of judgements against the alerts that are shipped."""

from __future__ import annotations

import pytest

from alerts import ALERT_GROUPS
from alerts.model import Alert
from inferometer.bundle import runbook as carried_runbook
from inferometer.config import Config
from inferometer.home.judge.verdicts import LEFT_TO_THE_RULES, Judge

ABOUT = ("serving", "hardware", "finance")  # teams whose alerts are about engines, GPUs or money
JUDGEMENTS = Judge(Config()).judgements
ALERTS = [alert for group in ALERT_GROUPS for alert in group.alerts
          if alert.subject.team in ABOUT]


def described(alert: Alert) -> str:
    return " ".join(filter(None, (alert.name, alert.labels.get("window"))))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{described(alert)} {alert.severity}")
def test_every_alert_about_an_engine_a_gpu_or_money_is_judged_or_left_with_a_reason(
        alert: Alert) -> None:
    judged = {(judgement.alert, judgement.severity, judgement.window) for judgement in JUDGEMENTS}
    key = alert.name, alert.severity, alert.labels.get("window", "")
    assert (key in judged) != (described(alert) in LEFT_TO_THE_RULES)


def test_what_is_judged_or_left_is_an_alert_that_is_shipped() -> None:
    shipped = {(alert.name, alert.severity, alert.labels.get("window", ""))
               for group in ALERT_GROUPS for alert in group.alerts}
    assert {(judgement.alert, judgement.severity, judgement.window)
            for judgement in JUDGEMENTS} <= shipped
    assert LEFT_TO_THE_RULES.keys() <= {described(alert) for alert in ALERTS}


def test_every_judgement_has_an_entry_in_the_runbook() -> None:
    headings = {line.removeprefix("## ") for line in carried_runbook().splitlines()
                if line.startswith("## ")}
    assert {judgement.alert for judgement in JUDGEMENTS} <= headings
