"""Votes in the ledger: counted once, the last one of a person holds, joined before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inferometer.collector import Deadline
from inferometer.facts import Feedback
from inferometer.ledger.ballots import WAIT
from inferometer.ledger.counting import HOUR
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from inferometer.ledger.vote_ratios import ratios_of
from inferometer.sinks.feedback import FeedbackCollector
from inferometer.votes import BurntNonce, Casting, Vote, VoteOutcome
from tests.exporter.ledger.making import SECOND, TRACE, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")
SPAN = b"\x01" * 8
DAY = 24 * 3600


def vote(bench: Bench, kind: str = "thumbs_up", nonce: BurntNonce | None = None,
         **fields: object) -> VoteOutcome | None:
    """Cast it, and wait for it; what became of it."""
    defaults: dict[str, object] = {"trace_id": TRACE, "id": os.urandom(8).hex()}
    if {"response_id", "request_id", "span_id"} & fields.keys():
        defaults["trace_id"] = b""
    casting = Casting(Vote(kind, **defaults | fields), nonce)  # type: ignore[arg-type]  # any of its fields
    done = bench.ledger.commit((), {}, bench.now, votes=(casting,))
    bench.turn()
    done.result(0)
    return casting.outcome


def votes(bench: Bench) -> dict[tuple[str, ...], float]:
    """What a scrape has of llm_feedback_total, but for zeros."""
    families = FeedbackCollector(bench.ledger.reading, dict).collect(Deadline(5))
    family = next(one for one in families if one.metric.name == "llm_feedback_total")
    return {key: value for key, value in family.points.items() if value}  # type: ignore[misc]  # counts


def unmatched(bench: Bench) -> object:
    families = FeedbackCollector(bench.ledger.reading, dict).collect(Deadline(5))
    return next(one for one in families if one.metric.name
                == "inferometer_feedback_unmatched_total").points[()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path, takes_votes=True) as bench:
        bench.ledger.configure(30, 400)
        yield bench


SUBJECTS: list[dict[str, Any]] = [
    {"trace_id": TRACE}, {"span_id": SPAN}, {"span_id": SPAN, "trace_id": TRACE},
    {"response_id": "chatcmpl-1"}, {"request_id": "r-1"}]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: " ".join(one))
@pytest.mark.parametrize("passed", [10, 6 * DAY])
def test_a_vote_after_its_call_is_joined_with_it(bench: Bench, subject: dict[str, Any],
                                                 passed: int) -> None:
    bench.send(call(span_id=SPAN, response_id="chatcmpl-1", request_id="r-1"))
    bench.wait()
    bench.passed += passed
    assert vote(bench, **subject) == VoteOutcome.TAKEN
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: " ".join(one))
@pytest.mark.parametrize("passed", [10, 6 * DAY])
def test_a_vote_before_its_call_waits_for_it(bench: Bench, subject: dict[str, Any],
                                             passed: int) -> None:
    assert vote(bench, **subject) == VoteOutcome.TAKEN
    assert votes(bench) == {}
    bench.restart()
    bench.passed += passed
    bench.send(call(span_id=SPAN, response_id="chatcmpl-1", request_id="r-1"))
    bench.wait()
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}
    assert unmatched(bench) == 0.0


def test_a_vote_waits_seven_days_and_is_then_counted_as_unmatched_once(bench: Bench) -> None:
    vote(bench, span_id=SPAN, trace_id=TRACE)  # which waits for two things
    bench.passed += WAIT / SECOND - 60
    bench.ledger._purge()
    assert unmatched(bench) == 0.0
    bench.passed += 120
    for _ in range(2):
        bench.ledger._purge()
        bench.passed += 61
    bench.send(call(span_id=SPAN))
    bench.wait()
    assert unmatched(bench) == 1.0
    assert votes(bench) == {}
    assert bench.rows("SELECT count(*) FROM votes")[0][0] == 1


def test_the_same_id_again_is_the_same_vote(bench: Bench) -> None:
    bench.send(call())
    bench.wait()
    assert [vote(bench, id="one") for _ in range(3)] == ["taken", "repeated", "repeated"]
    assert vote(bench, "copy", id="one") == VoteOutcome.CONFLICT
    assert vote(bench, id="one", trace_id=os.urandom(16)) == VoteOutcome.CONFLICT
    bench.restart()
    assert vote(bench, id="one") == VoteOutcome.REPEATED
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}


def test_a_nonce_is_burnt_with_its_vote_and_stays_so(bench: Bench) -> None:
    nonce = BurntNonce("n" * 22, bench.now // SECOND + 3600)
    assert vote(bench, nonce=nonce, id="one") == VoteOutcome.TAKEN
    assert vote(bench, nonce=nonce, id="two") == VoteOutcome.BURNT
    bench.restart()
    assert vote(bench, nonce=nonce) == VoteOutcome.BURNT
    assert vote(bench, nonce=nonce, id="one") == VoteOutcome.REPEATED  # its answer was lost
    assert bench.rows("SELECT count(*) FROM votes")[0][0] == 1


def test_a_vote_that_cannot_be_written_leaves_its_nonce_unused(bench: Bench) -> None:
    nonce = BurntNonce("n" * 22, bench.now // SECOND + 3600)
    with bench.full("votes"), pytest.raises(Exception, match="full"):
        vote(bench, nonce=nonce)
    assert vote(bench, nonce=nonce) == VoteOutcome.TAKEN


def test_of_two_votes_with_one_nonce_that_come_together_one_is_taken(bench: Bench) -> None:
    nonce = BurntNonce("n" * 22, bench.now // SECOND + 3600)
    castings = [Casting(Vote("copy", str(i), trace_id=TRACE), nonce) for i in range(5)]
    for casting in castings:
        bench.ledger.commit((), {}, bench.now, votes=(casting,))
    bench.turn()
    assert sorted(str(one.outcome) for one in castings) == ["burnt"] * 4 + ["taken"]


@pytest.mark.parametrize("before", [True, False], ids=["before its call", "after it"])
def test_the_last_thumb_of_a_person_holds_and_the_other_one_is_a_change(bench: Bench,
                                                                        before: bool) -> None:
    if not before:
        bench.send(call())
        bench.wait()
    for kind in ("thumbs_up", "thumbs_up", "thumbs_down", "thumbs_up", "copy", "copy"):
        vote(bench, kind, user="alice")
    vote(bench, "thumbs_down", user="bob")
    if before:
        bench.send(call())
        bench.wait()
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0, ("shop", "m", "thumbs_changed"): 2.0,
                            ("shop", "m", "copy"): 2.0, ("shop", "m", "thumbs_down"): 1.0}
    assert sorted(bench.rows("SELECT kind FROM votes WHERE final = 1")) == [
        ("copy",), ("thumbs_down",), ("thumbs_up",)]


def test_a_trace_is_its_last_call_that_answers(bench: Bench) -> None:
    bench.send(call(span_id=b"a" * 8, request_model="rewriter"),
               call(span_id=b"b" * 8, request_model="writer", end=call().end + SECOND),
               call(span_id=b"c" * 8, request_model="embedder", operation="embeddings",
                    end=call().end + 2 * SECOND))
    vote(bench)
    bench.wait()
    vote(bench, "copy")
    vote(bench, "edit", span_id=b"a" * 8)
    vote(bench, "regenerate", span_id=b"z" * 8, trace_id=TRACE)  # of no call
    assert votes(bench) == {("shop", "writer", "thumbs_up"): 1.0, ("shop", "writer", "copy"): 1.0,
                            ("shop", "rewriter", "edit"): 1.0,
                            ("shop", "writer", "regenerate"): 1.0}


def test_a_vote_by_trace_finds_a_call_from_before_anybody_voted(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(span_id=SPAN, response_id="chatcmpl-1"))
        bench.wait()
        assert bench.rows("SELECT count(*) FROM call_subjects")[0][0] == 0
        vote(bench)
        assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}
        bench.send(call(other := os.urandom(16), response_id="chatcmpl-2"))  # noted from now on
        bench.wait()
        vote(bench, "copy", response_id="chatcmpl-2")
        assert votes(bench)["shop", "m", "copy"] == 1.0
        assert other != TRACE


def test_feedback_that_came_as_a_fact_is_a_vote_once(bench: Bench) -> None:
    bench.send(call(span_id=SPAN))
    fact = Feedback(trace_id=TRACE, span_id=b"f" * 8, parent_id=SPAN, kind="thumbs_up",
                    service_name="shop", user="alice")
    for _ in range(2):
        bench.send(fact)
    bench.wait()
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}
    assert vote(bench, "thumbs_down", user="alice", span_id=SPAN) == VoteOutcome.TAKEN
    assert votes(bench)["shop", "m", "thumbs_changed"] == 1.0


@pytest.mark.parametrize("response_id", ["", "chatcmpl-1"])
def test_what_names_a_response_and_a_span_finds_either(bench: Bench, response_id: str) -> None:
    bench.send(call(span_id=SPAN, response_id=response_id))
    bench.send(Feedback(trace_id=TRACE, span_id=b"f" * 8, parent_id=SPAN, kind="thumbs_up",
                        service_name="shop", response_id="chatcmpl-1"))
    bench.wait()
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}


def test_counters_of_votes_outlive_a_restart_and_verify_knows_them(bench: Bench) -> None:
    bench.send(call())
    bench.wait()
    vote(bench)
    bench.restart()
    vote(bench, "copy")
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0, ("shop", "m", "copy"): 1.0}
    assert verify(bench.file).differences == []


def test_who_is_forgotten_is_in_no_vote_and_nothing_that_was_said(bench: Bench) -> None:
    bench.send(call(user="alice"))
    bench.wait()
    vote(bench, "thumbs_up", user="alice", explanation="alice writes this")
    vote(bench, "edit", user="bob", explanation="bob writes that", trace_id=os.urandom(16))
    vote(bench, "copy", explanation="on a call of alice")
    assert b"writes this" in bench.content()
    assert forget(bench.file, "alice") > 0
    assert sorted(bench.rows('SELECT kind, "user" IS NULL, explanation FROM votes')) == [
        ("copy", 1, None), ("edit", 0, "bob writes that"), ("thumbs_up", 1, None)]
    assert votes(bench)["shop", "m", "thumbs_up"] == 1.0
    vote(bench, "thumbs_down", user="alice")  # somebody new, for all that is known
    assert ("shop", "m", "thumbs_changed") not in votes(bench)


def test_votes_and_nonces_are_deleted_in_their_time(bench: Bench) -> None:
    bench.ledger.configure(30, 400)
    vote(bench, nonce=BurntNonce("n" * 22, bench.now // SECOND + 3600), explanation="long ago")
    bench.send(call())
    bench.wait()
    bench.passed += 8 * DAY
    bench.ledger._purge()
    assert [bench.rows(f"SELECT count(*) FROM {table}")[0][0] for table in (
        "votes", "burnt_nonces", "call_subjects", "waiting_votes")] == [1, 0, 0, 0]
    bench.passed += 23 * DAY
    for _ in range(30):  # a little at a time
        bench.ledger._purge()
    assert bench.rows("SELECT count(*) FROM votes")[0][0] == 0
    assert votes(bench) == {("shop", "m", "thumbs_up"): 1.0}


def test_ratios_are_of_votes_that_hold_on_calls_of_complete_hours(bench: Bench) -> None:
    bench.began += HOUR - bench.began % HOUR  # an hour begins
    traces = [os.urandom(16) for _ in range(10)]
    bench.send(*(call(trace) for trace in traces))
    bench.send(call(os.urandom(16), request_model="e", operation="embeddings"),
               call(os.urandom(16), service_name="mute"))
    bench.wait()
    assert ratios_of(bench.file, bench.now + 2 * HOUR) == {}
    for i, kind in enumerate(("thumbs_up", "thumbs_up", "thumbs_up", "thumbs_down", "copy")):
        vote(bench, kind, trace_id=traces[i], user="alice")
    vote(bench, "thumbs_down", trace_id=traces[0], user="alice")  # changes her mind
    vote(bench, "copy", trace_id=traces[4], user="bob")  # one call, two people
    assert ratios_of(bench.file, bench.now) == {}  # the hour is not over
    assert ratios_of(bench.file, bench.began + HOUR + 119 * SECOND) == {}
    expected = {("shop", "m", "satisfaction"): 0.5, ("shop", "m", "copy"): 0.1}
    assert ratios_of(bench.file, bench.began + HOUR + 121 * SECOND) == expected
    assert ratios_of(bench.file, bench.began + 24 * HOUR + 121 * SECOND) == expected
    assert ratios_of(bench.file, bench.began + 25 * HOUR + 121 * SECOND) == {}
