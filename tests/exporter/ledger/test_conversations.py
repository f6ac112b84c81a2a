"""Turns of conversations: each conversation observed once, whatever is sent again or restarted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import AgentRun
from inferometer.ledger import conversations
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from inferometer.values import Histogram
from inferometer.votes import Casting, Vote, VoteOutcome
from tests.exporter.ledger.making import BEGIN, SECOND, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")
REST = conversations.REST_SECONDS


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def turn(bench: Bench, conversation: str, number: int = 1) -> None:
    """So many traces of a conversation, each with two calls, counted."""
    for _ in range(number):
        trace = os.urandom(16)
        first = call(trace_id=trace, conversation=conversation)
        bench.send(first, call(trace_id=trace, conversation=conversation, start=BEGIN + SECOND,
                               end=BEGIN + 2 * SECOND))
    bench.wait()


def observed(bench: Bench) -> tuple[float, float]:
    """How many conversations of the shop, and how many turns they had together."""
    for family in CallsCollector(bench.ledger.reading).collect(Deadline(10)):
        if family.metric is c.CONVERSATION_TURNS and family.points:
            histogram = family.points["shop",]
            assert isinstance(histogram, Histogram)
            return histogram.counts[-1], histogram.total or 0.0
    return 0, 0


def test_a_conversation_is_observed_once_after_it_has_rested(bench: Bench) -> None:
    turn(bench, "talk", 3)
    bench.wait(REST / 2)
    turn(bench, "talk")
    assert observed(bench) == (0, 0)
    bench.restart()
    bench.wait(REST + 60)
    bench.wait()
    assert observed(bench) == (1, 4)
    bench.restart()
    bench.wait(REST + 60)
    assert observed(bench) == (1, 4)
    assert not verify(bench.file).differences
    assert not bench.rows("SELECT * FROM conversations")


def test_what_comes_after_its_end_is_another_conversation(bench: Bench) -> None:
    turn(bench, "talk", 2)
    bench.wait(REST + 60)
    turn(bench, "talk")
    bench.wait(REST + 60)
    bench.wait()
    assert observed(bench) == (2, 3)


def test_it_ends_where_a_vote_on_one_of_its_answers_says_so(bench: Bench) -> None:
    turn(bench, "talk", 2)
    trace = os.urandom(16)
    bench.send(call(trace_id=trace, conversation="talk"))
    vote = Casting(Vote("conversation_end", "v1", trace_id=trace))
    bench.ledger.commit((), {}, bench.now, votes=(vote,))
    bench.turn()
    bench.wait()
    bench.wait(conversations.LOOK_SECONDS + 1)
    bench.wait()
    assert vote.outcome == VoteOutcome.TAKEN
    assert observed(bench) == (1, 3)
    assert not bench.rows("SELECT * FROM conversations")
    assert not verify(bench.file).differences


def test_a_trace_that_is_settled_again_is_no_other_turn(bench: Bench) -> None:
    trace = os.urandom(16)
    run = AgentRun(trace_id=trace, span_id=os.urandom(8), service_name="shop", agent="a",
                   conversation="talk", start=BEGIN, end=BEGIN + 9 * SECOND)
    bench.send(run)
    bench.wait()
    bench.send(call(trace_id=trace, conversation="talk", parent_id=run.span_id))
    bench.wait()
    bench.wait(REST + 60)
    bench.wait()
    assert observed(bench) == (1, 1)


def test_a_conversation_that_is_said_to_have_ended_is_observed_at_once(bench: Bench) -> None:
    turn(bench, "talk", 2)
    with bench.file.transaction() as connection:
        conversations.end(connection, bench.file.statements, bench.file.keys.veil("talk"))
    bench.wait(60)
    assert observed(bench) == (1, 2)


def test_a_forgotten_conversation_leaves_its_turns_and_no_hash(bench: Bench) -> None:
    turn(bench, "talk", 2)
    forget(bench.file, "talk")
    bench.wait(60)
    assert observed(bench) == (1, 2)
    assert not bench.rows("SELECT * FROM conversations")


def test_of_too_many_those_that_rest_longest_have_ended(bench: Bench) -> None:
    bench.ledger._conversations._most = 2
    for name in "abcd":
        turn(bench, name)
    bench.wait(60)
    bench.wait(60)
    assert observed(bench) == (2, 2)
    assert len(bench.rows("SELECT * FROM conversations")) == 2
