"""The page for a person against the shipped rules: on the demo's world, all through its story.

Every alert about engines, GPUs or money whose condition holds in a real Prometheus is listed on the
page, unless no exporter can know it. What applications see is for their gateway alone to tell. The
rules are rehearsed: a minute of the story is a second.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from alerts import ALERT_GROUPS
from inferometer.home.judge.verdicts import LEFT_TO_THE_RULES
from recording_rules.client import CLIENT
from tests.bundle.promtool import TOOLS
from tests.exporter.support import free_port, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(420)]

FASTER = 60
# The rules learn of it later, and of its end too: by scrapes, and by an evaluation each of groups
# that build on one another, the slowest every four minutes of the story.
LAG_SECONDS = 20.0
# Five minutes of the story: a scrape that a busy machine misses looks like the loss of all that is
# in it, for as long.
SHORTEST_SECONDS = 5.0
TEAMS = ("serving", "hardware", "finance")
ABOUT = {alert.name for group in ALERT_GROUPS for alert in group.alerts
         if alert.subject.team in TEAMS and alert.subject.scope != CLIENT}
LEFT = {name for name in LEFT_TO_THE_RULES if " " not in name}


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


@contextlib.contextmanager
def demo() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """One run of the story: its process, and the addresses of page and Prometheus."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "inferometer", "demo", "--listen", f"127.0.0.1:{port}", "--faster",
         str(FASTER), "--prometheus", str(TOOLS / "prometheus-3/prometheus"), "--once"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        rules = next(match[1] for line in process.stdout
                     if (match := re.search(r"rules\s+(http://[\d.:]+)", line)))
        yield process, f"http://127.0.0.1:{port}", rules
    finally:
        process.kill()
        process.communicate()


def holding(prometheus: str) -> set[str]:
    """Alerts whose condition holds now, pending ones too; not those that are only kept firing."""
    return {alert["labels"]["alertname"]
            for group in fetched(f"{prometheus}/api/v1/rules?type=alert")["data"]["groups"]
            for rule in group["rules"] for alert in rule["alerts"]
            if not alert.get("keepFiringSince")} & ABOUT - LEFT


def test_every_alert_that_the_rules_have_pending_is_on_the_page() -> None:
    missing: dict[str, list[float]] = {}
    seen: dict[str, float] = {}  # when the page listed an alert last
    since: dict[str, float] = {}  # when the rules first had it, without a break
    ever: set[str] = set()
    with demo() as (process, page, prometheus):
        wait_for(lambda: fetched(f"{page}/status")["watching"]["gpus"] > 0, 60)
        began = time.monotonic()
        while process.poll() is None:
            with contextlib.suppress(ConnectionError, urllib.error.URLError):
                alerts = holding(prometheus)
                now = time.monotonic()
                problems = fetched(f"{page}/status")["problems"]
                seen.update(dict.fromkeys((problem["alert"] for problem in problems), now))
                ever |= alerts
                since = {name: since.get(name, now) for name in alerts}
                for name, first in since.items():
                    if now - seen.get(name, 0.0) > LAG_SECONDS and now - first > SHORTEST_SECONDS:
                        missing.setdefault(name, []).append(round(now - began))
            time.sleep(1)  # between two looks
    assert len(ever) > 10
    assert missing == {}
