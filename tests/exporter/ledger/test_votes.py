"""Votes in the ledger: counted once, the last one of a person holds, joined before and after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inferometer.collector import Deadline
from inferometer.sinks.feedback import FeedbackCollector
from inferometer.votes import BurntNonce, Casting, Vote, VoteOutcome
from tests.exporter.ledger.making import TRACE, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")
SPAN = b"\x01" * 8
DAY = 24 * 3600


def vote(bench: Bench, kind: str = "thumbs_up", nonce: BurntNonce | None = None,
         **fields: object) -> VoteOutcome | None:
    """Cast it, and wait for it; what became of it."""
    defaults: dict[str, object] = {"trace_id": TRACE, "id": os.urandom(8).hex()}
    if {"response_id", "request_id", "span_id"} & fields.keys():
        defaults["trace_id"] = b""
    casting = Casting(Vote(kind, **defaults | fields), nonce)  # type: ignore[arg-type]
    done = bench.ledger.commit((), {}, bench.now, votes=(casting,))
    bench.turn()
    done.result(0)
    return casting.outcome


def votes(bench: Bench) -> dict[tuple[str, ...], float]:
    """What a scrape has of llm_feedback_total, but for zeros."""
    families = FeedbackCollector(bench.ledger.reading, dict).collect(Deadline(5))
    family = next(one for one in families if one.metric.name == "llm_feedback_total")
    return {key: value for key, value in family.points.items() if value}  # type: ignore[misc]


def unmatched(bench: Bench) -> object:
    families = FeedbackCollector(bench.ledger.reading, dict).collect(Deadline(5))
    return next(one for one in families if one.metric.name
                == "inferometer_feedback_unmatched_total").points[()]


@pytest.fixture
def bench(tmp_path: Path):  # type: ignore[no-untyped-def]
    with ledger_in(tmp_path, takes_votes=True) as bench:
        bench.ledger.configure(30, 400)
        yield bench


SUBJECTS = [{"trace_id": TRACE}, {"span_id": SPAN}, {"span_id": SPAN, "trace_id": TRACE},
            {"response_id": "chatcmpl-1"}, {"request_id": "r-1"}]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: " ".join(one))
@pytest.mark.parametrize("passed", [10, 6 * DAY])
def test_a_vote_after_its_call_is_joined_with_it(bench: Bench, subject: dict[str, object],
                                                 passed: int) -> None:
    bench.send(call(span_id=SPAN, response_id="chatcmpl-1", request_id="r-1"))
    bench.wait()
    bench.passed += passed
    assert vote(bench, **subject) == VoteOutcome.TAKEN
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: " ".join(one))
@pytest.mark.parametrize("passed", [10, 6 * DAY])
def test_a_vote_before_its_call_waits_for_it(bench: Bench, subject: dict[str, object],
                                             passed: int) -> None:
    assert vote(bench, **subject) == VoteOutcome.TAKEN
    assert votes(bench) == {}
    bench.restart()
    bench.passed += passed
    bench.send(call(span_id=SPAN, response_id="chatcmpl-1", request_id="r-1"))
    bench.wait()
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}
    assert unmatched(bench) == 0.0
