"""Votes over HTTP: who may cast one, what a vote is, and how it is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from inferometer.facts import ModelCall
from tests.exporter.intake.voting import (
    TRACE,
    VotingDoor,
    voting_door_in,
)
from tests.exporter.ledger.making import call, links
from tests.exporter.support import wait_for


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VotingDoor]:
    with voting_door_in(tmp_path_factory.mktemp("feedback")) as door:
        yield door


def send(door: VotingDoor, call: ModelCall) -> None:
    door.ledger.commit([call], links([call]), 1_700_000_000 * 10**9).result(30)


def test_a_vote_is_in_the_ledger_and_on_the_page_with_its_call(door: VotingDoor) -> None:
    trace = bytes.fromhex(TRACE)
    answer = door.post(explanation="just right", user_id="alice", id="vote-1")
    assert (answer.status, json.loads(answer.body)) == (202, {"id": "vote-1"})
    send(door, call(trace))
    assert wait_for(lambda: door.points("llm_feedback_total").get(
        ("shop", "m", "thumbs_up")) == 1.0, 30)
    assert door.post(id="vote-1").status == 200
    assert door.post(id="vote-1", name="copy").text == "id is that of another vote\n"
    assert door.points("llm_feedback_total")["shop", "m", "thumbs_up"] == 1.0
