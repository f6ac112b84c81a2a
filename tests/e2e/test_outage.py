"""A gateway that is away for 20 s: what an SDK alone loses, and that a Collector loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.outage import WAYS, measured

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_what_an_sdk_gives_up_in_a_longer_outage_is_lost_and_all_it_was_answered_is_kept(
        tmp_path: Path) -> None:
    outcome = measured(WAYS[0], 20.0, 20.0, tmp_path)
    assert outcome.is_explained, outcome
    assert outcome.given_up >= outcome.lost > 0, outcome


def test_behind_a_collector_with_a_queue_nothing_is_lost_in_it(tmp_path: Path) -> None:
    outcome = measured(WAYS[1], 20.0, 20.0, tmp_path)
    assert outcome.is_explained, outcome
    assert (outcome.lost, outcome.given_up) == (0, 0), outcome
