"""A gateway that is killed loses nothing acknowledged; one that answers early is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kills import rounds

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


def test_what_was_acknowledged_outlives_kills(tmp_path: Path) -> None:
    assert [*rounds(tmp_path, 8)] == [""] * 8


def test_a_gateway_that_answers_before_it_has_committed_is_noticed(tmp_path: Path) -> None:
    assert any("lost" in line for line in rounds(tmp_path, 4, "early-ack"))
