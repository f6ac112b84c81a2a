"""Every alert as it is read in chat, recorded: a review reads what an engineer will read.

The alert is that of the first case that fires, so promtool has proven its labels and description.
Record anew with `make golden`, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alerts.model import Alert
from tests.bundle.alert_cases import Firing, annotated, labels
from tests.bundle.notifications import CHAT, ENDED, STARTED, render
from tests.bundle.promtool import VERSIONS
from tests.bundle.test_alerts import ALERTS, cases

RECORDED = Path(__file__).parents[1] / "golden" / "notifications.md"
HEAD = """<!-- Recorded by `make golden`; it is as Slack takes it. -->
# Every alert as it is read

Under each alert's name stands its summary, which Alertmanager's and Prometheus' own pages show, and
then the message in chat. Pages and mail have the same words.
"""


def firing() -> Iterator[tuple[Alert, Firing]]:
    """Each alert with the first one that fires in its table of cases."""
    first: dict[Alert, Firing] = {}
    for case in cases():
        if case.expected:
            first.setdefault(case.alert, case.expected[0])
    yield from ((alert, first[alert]) for alert in ALERTS if alert in first)


def sent(alert: Alert, fired: Firing) -> Mapping[str, Any]:
    """The alert as Alertmanager has it from Prometheus."""
    return {"status": "firing", "startsAt": STARTED, "endsAt": ENDED, "generatorURL": "",
            "fingerprint": "", "annotations": annotated(alert, fired),
            "labels": {"alertname": alert.name, **labels(alert), **fired.labels}}


def notifications(version: str, folder: Path) -> Iterator[str]:
    yield HEAD
    for alert, fired in firing():
        title, text = render(version, folder, (CHAT["title"], CHAT["text"]), [sent(alert, fired)])
        marks = ", ".join((alert.severity, *alert.labels.values()))
        yield (f"\n## {alert.name}, {marks}\n\n{alert.summary}\n\n"
               f"```\n{title}\n\n{text.rstrip()}\n```\n")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_alert_is_read_as_recorded(version: str, tmp_path: Path) -> None:
    page = "".join(notifications(version, tmp_path))
    if os.environ.get("GOLDEN") == "record":
        RECORDED.write_text(page, encoding="utf-8")
    if not RECORDED.exists():
        pytest.fail(f"{RECORDED.name} is not there; run: make golden", pytrace=False)
    assert page == RECORDED.read_text(encoding="utf-8"), (
        "if what is read of alerts should have changed, run: make golden")


def test_the_recording_has_every_alert() -> None:
    assert [str(alert) for alert, _ in firing()] == [str(alert) for alert in ALERTS]
