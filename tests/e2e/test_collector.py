"""A Collector with a queue on disk before a gateway: what either's end loses or doubles is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.senders.collector import survived

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.mark.parametrize("victim", ["gateway", "collector"])
def test_what_was_sent_through_a_collector_is_counted_once_whatever_is_killed(
        victim: str, tmp_path: Path) -> None:
    compared = [*survived(victim, 5, tmp_path)]
    assert all(one.sent for one in compared)
    assert {one.sender: one.wrong for one in compared if one.wrong} == {}
