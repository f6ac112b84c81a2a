"""Alerts are complete, keep to the mixins' conventions, and carry their subject's scope."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alerts.model import HOLD, SEVERITIES, TEAMS, Alert
from dashboards.model import PREFIX
from deploy.build.bundle import Bundle
from deploy.build.expressions import Expressions
from deploy.build.proofs.conventions import MAX_NAME_LENGTH, SENTENCE, listed, repeated

NAME = re.compile(r"([A-Z]+[a-z0-9]+)+")  # as mixtool asks


def findings(bundle: Bundle, expressions: Expressions) -> Iterator[str]:
    """What does not hold, a line each."""
    for alert in bundle.alerts:
        labels = expressions.analysis(alert.expr).labels
        for finding in _findings(alert, {*alert.subject.scope} - labels, {*bundle.boards}):
            yield f"{alert} ({alert.severity}): {finding}"
    yield from repeated("alert", (f"{alert} ({alert.severity}){dict(alert.labels) or ''}"
                                for alert in bundle.alerts))


def _findings(alert: Alert, missing: set[str], boards: set[str]) -> Iterator[str]:
    checks = {
        f"its series lack {listed(missing)} of the subject {alert.subject.name}: keep that in the "
        "expression, or take another subject": not missing,
        f"name is not like {NAME.pattern}, {MAX_NAME_LENGTH} characters at most":
            NAME.fullmatch(alert.name) and len(alert.name) <= MAX_NAME_LENGTH,
        f"severity is none of {listed(SEVERITIES)}": alert.severity in SEVERITIES,
        f"team is none of {listed(TEAMS)}: add it to TEAMS in alerts/model.py":
            alert.subject.team in TEAMS,
        "summary is no plain sentence, or has a value, which belongs into the description":
            SENTENCE.fullmatch(alert.summary) and "{{" not in alert.summary,
        "description says no value: put {{ $value }} into it": "{{" in alert.description,
        f"there is no board {alert.board}: there are {listed(boards)}":
            f"{PREFIX}-{alert.board}" in boards,
        f"holds {alert.hold} and does not say why: fill in `because`":
            alert.hold == HOLD or alert.because,
        "says why it holds as long as all others: leave out `because`":
            alert.hold != HOLD or not alert.because,
    }
    return (finding for finding, holds in checks.items() if not holds)
