"""The page's problems for programs: GET /status, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from inferometer.home.content import Content, Problem
from inferometer.home.problems import state_of
from inferometer.outside import cut, spelt

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
IN_PLACE, REASON = 80, 300  # characters of a name, and of a reason
RUNBOOK = "runbook#"


def of(content: Content) -> bytes:
    """What is amiss, the worst first; texts from outside are cut and spelt out as on the page.

    `runbook` is an address on this exporter. What has the severity "info" leaves `status` as it is.
    """
    document = {
        "version": content.exporter.version, "demo": content.exporter.demo,
        "status": state_of(content.problems),
        "watching": {section.anchor: len(section.cards) for section in content.sections},
        "problems": [_problem(problem) for problem in content.problems]}
    return f"{json.dumps(document, ensure_ascii=False)}\n".encode()


def _problem(problem: Problem) -> Mapping[str, object]:
    since = {} if problem.since is None else {
        "since": f"{datetime.fromtimestamp(problem.since, UTC):%FT%TZ}"}
    return {
        "state": problem.state, "subject": _shown(problem.subject, IN_PLACE),
        "text": _shown(problem.text, REASON), **since, "alert": problem.alert,
        "severity": problem.severity, "runbook": runbook(problem.alert)}


def runbook(alert: str) -> str:
    """The address of an alert's entry, below this exporter's; empty for none."""
    return f"{RUNBOOK}{alert.lower()}" if alert else ""


def _shown(text: str, most: int) -> str:
    return spelt(cut(text, most), "\u00a0").replace("\u00a0", " ")
