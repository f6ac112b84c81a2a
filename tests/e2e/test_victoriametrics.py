"""Our rules in a second rule engine: VictoriaMetrics and vmalert, beside Prometheus."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.build.command import GENERATED
from tests.bundle.test_recorded_rules import IN_TROUBLE, RULES, everything, troubles
from tests.e2e.engines_of_rules import (
    Minutes,
    Recorded,
    by_prometheus,
    by_victoriametrics,
    victoriametrics,
)
from tests.exporter.support import free_port, get, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

HOURS = 46  # the ratio over three days asks for 42 of them, and a midnight is among them
HOURS_OF_TROUBLE = 6
BEGIN_OR_END = ("west", "old", "new")  # the clusters whose series do
EXACT = 1e-9
# By how much a rule's values may differ, with the reason and what was measured.
BOUNDS = {
    # Of 5 min and 60 ms VictoriaMetrics gives what came between scrapes, which is 5 min; Prometheus
    # extends it by 60 ms: 2.0e-4.
    "model:llm_server_requests:increase5m": 2.1e-4,
}


def differences(one: Recorded, other: Recorded) -> dict[str, float]:
    """The largest relative one of each rule's values, infinite where either has none."""
    largest: dict[str, float] = {}
    for identity in one.keys() | other.keys():
        values, others = one.get(identity, {}), other.get(identity, {})
        gap = max(map(_apart, values.values(), others.values()), default=0.0)
        if [*values] != [*others]:
            gap = math.inf
        largest[identity[0]] = max(gap, largest.get(identity[0], 0.0))
    return largest


def _apart(value: float, other: float) -> float:
    return abs(value - other) / max(abs(value), abs(other)) if value != other else 0.0


def test_of_straight_lines_both_engines_record_the_same(tmp_path: Path) -> None:
    minutes = Minutes.of(everything(), HOURS)
    one, other = by_prometheus(minutes, tmp_path), by_victoriametrics(minutes, tmp_path)
    largest = differences(one, other)
    assert {name: gap for name, gap in largest.items() if gap > BOUNDS.get(name, EXACT)} == {}
    assert {rule.name for rule in RULES} - largest.keys() == {*map(str, IN_TROUBLE)}


def test_of_troubles_both_engines_record_the_same_rules(tmp_path: Path) -> None:
    """Where a series begins or ends rates differ: there it is compared which rules record."""
    minutes = Minutes.of([*everything(), *troubles()], HOURS_OF_TROUBLE)
    one, other = by_prometheus(minutes, tmp_path), by_victoriametrics(minutes, tmp_path)
    assert one.keys() == other.keys()
    assert {*map(str, IN_TROUBLE)} <= {name for name, _ in one}
    largest = differences(*map(_of_lasting, (one, other)))
    assert {name: gap for name, gap in largest.items() if gap > BOUNDS.get(name, EXACT)} == {}


def _of_lasting(recorded: Recorded) -> Recorded:
    return {identity: values for identity, values in recorded.items()
            if dict(identity[1]).get("cluster") not in BEGIN_OR_END}


def test_vmalert_takes_both_files_and_evaluates_every_rule(tmp_path: Path) -> None:
    port, files = free_port(), GENERATED / "prometheus"
    with victoriametrics(tmp_path) as server, (tmp_path / "vmalert.log").open("w") as log:
        process = subprocess.Popen(server.command(
            f"-rule={files}/*.rules.yml", "-notifier.blackhole", "-group.maxStartDelay=1ms",
            f"-httpListenAddr=127.0.0.1:{port}"), stdout=log, stderr=log)

        def evaluated() -> list[dict[str, Any]] | None:
            with contextlib.suppress(OSError):
                groups = json.loads(get(port, "/api/v1/rules").body)["data"]["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                if all(rule["lastEvaluation"] > "0001-01-02" for rule in rules):
                    return rules
            return None
        try:
            rules = wait_for(evaluated, 120, every=0.5)
        finally:
            process.kill()
            process.wait()
    assert {rule.name for rule in RULES} < {rule["name"] for rule in rules}
    assert {"alerting", "recording"} == {rule["type"] for rule in rules}
    assert [rule for rule in rules if rule["health"] != "ok"] == []
