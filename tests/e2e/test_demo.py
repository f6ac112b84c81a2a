"""`inferometer demo` as a real process with a real Prometheus: all that it promises comes true."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.demo.story import ROUND_MINUTES, STORY
from tests.e2e.test_prometheus import TOOLS, Prometheus
from tests.exporter.process import ANYWHERE, announced_port
from tests.exporter.support import START_SECONDS, Exporter, get, launched, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

PROGRAM = str(TOOLS / "prometheus-3/prometheus")
DEMO = ("inferometer", "demo")
RULES = re.compile(r"rules    http://127\.0\.0\.1:(\d+)/alerts")
SLACK_SECONDS = 90.0


def children(pid: int) -> set[int]:
    """Processes that a process has started, and those that they have."""
    found_pids = {int(child) for task in Path(f"/proc/{pid}/task").glob("*/children")
                  for child in task.read_text().split()}
    return found_pids | {child for one in found_pids for child in children(one)}


def began(running: Exporter) -> int:
    """The port of its Prometheus, once it has told."""
    def port() -> int:
        assert running.process.poll() is None, "".join(running.lines)
        told_port = RULES.search("".join(running.printed))
        return int(told_port[1]) if told_port else 0
    return int(wait_for(port, 4 * START_SECONDS))


@pytest.fixture
def running() -> Iterator[Exporter]:
    with launched(*ANYWHERE, "--prometheus", PROGRAM, command=DEMO) as running:
        yield running


def test_all_alerts_of_the_story_fire_by_when_it_says(tmp_path: Path) -> None:
    with launched(*ANYWHERE, "--prometheus", PROGRAM, "--once", command=DEMO,
                  env={"TMPDIR": str(tmp_path)}) as running:
        rules = Prometheus(began(running))
        wait_for(lambda: "A calm day" in "".join(running.printed), 10)
        own = children(running.process.pid)
        assert [Path(f"/proc/{pid}/exe").resolve().name for pid in own] == ["prometheus"]
        firing: set[tuple[str, str]] = set()
        end = time.monotonic() + 60 * ROUND_MINUTES / 60 + SLACK_SECONDS
        while running.process.poll() is None and time.monotonic() < end:
            time.sleep(0.5)  # between two looks
            if "A budget that goes" not in "".join(running.printed):  # it ends soon after
                firing |= {(labels["alertname"], labels["severity"]) for labels, _ in
                           rules.query('ALERTS{alertstate="firing"}')}
        assert running.process.wait(10) == 0, "".join(running.printed)
        running.read_out()
    printed = "".join(running.printed)
    assert "LATE" not in printed
    for episode in STORY:
        for expected in episode.expected:
            line = f"fires: {expected.alert} ({expected.severity}), as expected"
            assert line in printed
            if not episode.budget_used:
                assert (expected.alert, expected.severity) in firing
    calm = printed.partition(STORY[0].title)[2].partition(STORY[1].title)[0]
    assert "fires" not in calm
    assert not any(Path(f"/proc/{pid}").exists() for pid in own)
    assert [*tmp_path.iterdir()] == []


def test_one_that_is_killed_leaves_no_process_either(running: Exporter) -> None:
    began(running)
    own = children(running.process.pid)
    running.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in own), 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_leaves_no_process(running: Exporter, number: int) -> None:
    rules = began(running)
    own = children(running.process.pid)
    assert own
    os.kill(running.process.pid, number)
    assert running.process.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in own)
    for port in (rules, announced_port(running)):
        with pytest.raises(OSError, match="refused"):
            get(port)


def test_prometheus_has_every_rule_and_every_exporter_and_shows_the_runbook(
        running: Exporter) -> None:
    rules = Prometheus(began(running))
    wait_for(lambda: len(rules.query("up == 1")) == 7, 30)
    bodies = [json.loads(get(rules.port, f"/api/v1/{path}").body) for path in (
        "rules", "targets?state=active")]
    assert all(rule["health"] in ("ok", "unknown") for group in bodies[0]["data"]["groups"]
               for rule in group["rules"])
    assert get(rules.port, "/user/runbook.md").status == 200
    wait_for(lambda: rules.query('model:gpus:count{model=~".*Coder.*"} == 2'), 30)
    assert len(rules.query("llm_server_up")) == 4  # each once, though two exporters read it
