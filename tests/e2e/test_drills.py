"""Nothing acknowledged is lost, nothing counts twice; a faulty gateway is noticed by each drill."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.e2e.drills.__main__ import main
from tests.e2e.drills.drill import DRILLS

# As many as show the fault, where a drill has more or takes long.
ROUNDS: Mapping[str, int] = {"killed": 8, "drained": 3, "power-cut": 4, "logged": 50,
                             "disk-full": 1,
                             "read-only": 1, "file-removed": 1, "locked": 1, "clock-set-back": 1,
                             "repeated-later": 2, "a-year": 75, "restarted": 2, "cut": 2,
                             "given-to-both": 1, "frozen": 1}
LONGER = pytest.mark.timeout(900)


@LONGER
def test_a_killed_gateway_loses_nothing() -> None:
    assert main(["killed", "--rounds", "2", "--store", "sqlite"]) == 0


@LONGER
def test_a_gateway_without_power_loses_nothing_and_counts_on() -> None:
    assert main(["power-cut", "--rounds", "2", "--store", "sqlite"]) == 0


@LONGER
def test_a_killed_gateway_has_written_a_line_for_each_call() -> None:
    assert main(["logged", "--rounds", "3", "--store", "sqlite"]) == 0


@LONGER
def test_a_gateway_that_answers_before_it_has_committed_is_noticed() -> None:
    assert main(["killed", "--rounds", "1", "--store", "sqlite", "--sabotage"]) == 0


@LONGER
@pytest.mark.heavy
@pytest.mark.parametrize("name", DRILLS)
def test_nothing_is_lost_or_counted_twice(name: str) -> None:
    assert main([name, "--rounds", str(ROUNDS[name])]) == 0


@LONGER
@pytest.mark.heavy
@pytest.mark.parametrize("name", DRILLS)
def test_a_gateway_with_a_fault_is_noticed(name: str) -> None:
    assert main([name, "--rounds", str(ROUNDS[name]), "--sabotage"]) == 0
