"""Our rules in a second rule engine: VictoriaMetrics and vmalert, beside Prometheus."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from deploy.build.command import GENERATED
from tests.bundle.promtool import TOOLS
from tests.bundle.test_recorded_rules import RULES, everything
from tests.e2e.engines_of_rules import Minutes, Recorded, by_prometheus, by_victoriametrics

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

HOURS = 46  # the ratio over three days asks for 42 of them, and a midnight is among them
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
    print(len(one), "series; nothing of", sorted({rule.name for rule in RULES} - largest.keys()))


@pytest.mark.parametrize("name", ["recording", "alerts"])
def test_vmalert_takes_the_file(name: str) -> None:
    rules = GENERATED / "prometheus" / f"{name}.rules.yml"
    subprocess.run([TOOLS / "vmalert" / "vmalert", "-dryRun", f"-rule={rules}"],
                   capture_output=True, check=True, timeout=60)
