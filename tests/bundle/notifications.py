"""Notifications as amtool renders them: what the generated configuration makes of alerts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alerts.model import TEAMS
from alerts.routing import TIERS, configuration
from tests.bundle.promtool import TOOLS

STARTED, ENDED = "2026-11-29T03:16:00Z", "2026-11-29T04:05:00Z"
HOUR = "from=1795919460000&to=1795923060000"  # 45 minutes before the start, 15 after it
RUNBOOK = "https://books.example/runbook.md#x"
BOARD = "http://grafana.example/d/inferometer-latency?var-model=llama-70b"
_SEPARATOR = "\n<<<>>>\n"  # which no template writes
_RECEIVERS = {receiver["name"]: receiver for receiver in configuration()["receivers"]}

CHAT = _RECEIVERS[TIERS["critical"][0]]["slack_configs"][0]
PAGE = _RECEIVERS[TIERS["critical"][0]]["pagerduty_configs"][0]
MAIL = _RECEIVERS[TIERS["warning"][0]]["email_configs"][0]
SUBJECT = MAIL["headers"]["Subject"]


def alert(name: str = "LLMRequestsSlow", status: str = "firing", *, description: str = "It is 3s.",
          **labels: str) -> dict[str, Any]:
    """One alert of a notification. A label that is empty is none."""
    usual = {"alertname": name, "severity": "critical", "team": "serving", "model": "llama-70b",
             "cluster": "prod", "namespace": "chat"}
    return {
        "status": status, "startsAt": STARTED, "endsAt": ENDED, "generatorURL": "",
        "fingerprint": "", "labels": {label: value for label, value in (usual | labels).items()
                                      if value},
        "annotations": {"description": description, "runbook_url": RUNBOOK,
                        "dashboard_url": BOARD}}


def group(alerts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The alerts as one notification, as Alertmanager makes it of them."""
    first, *others = (one["labels"] for one in alerts)
    common = {label: value for label, value in first.items()
              if all(labels.get(label) == value for labels in others)}
    grouped = TEAMS.get(common.get("team", ""), ("alertname", "cluster"))
    firing = any(one["status"] == "firing" for one in alerts)
    return {"receiver": "", "status": "firing" if firing else "resolved", "alerts": [*alerts],
            "groupLabels": {label: common[label] for label in grouped if label in common},
            "commonLabels": common, "commonAnnotations": {}, "externalURL": "http://manager"}


def render(version: str, folder: Path, templates: Sequence[str],
           alerts: Sequence[Mapping[str, Any]], html: bool = False) -> list[str]:
    """What becomes of each template. Raises AssertionError with what amtool says."""
    file = folder / "notification.json"
    file.write_text(json.dumps(group(alerts)))
    done = subprocess.run(
        [TOOLS / f"amtool-{version}" / "amtool", "template", "render",
         f"--template.glob={folder / 'none'}", f"--template.data={file}",
         f"--template.type={'html' if html else 'text'}",
         f"--template.text={_SEPARATOR.join(map(_apart, templates))}"],
        capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(_SEPARATOR)


def _apart(template: str) -> str:
    """The variables of a template are its own."""
    return f"{{{{ if true }}}}{template}{{{{ end }}}}"
