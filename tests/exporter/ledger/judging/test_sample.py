"""Which answers are chosen: the same everywhere, each once, and whatever people vote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer.ledger.counting import BILLION
from inferometer.ledger.judging.days import DailyLimits
from inferometer.ledger.keys import KeyRing
from inferometer.votes import Casting, Vote
from tests.exporter.ledger.judging.judged import (
    ALL,
    BAD,
    GOOD,
    answered,
    counted,
    judge_all,
    runner,
    send,
    settle,
)
from tests.exporter.ledger.making import Bench, Stores, ledger_in, ledger_in_place
from tests.exporter.ledger.shared import gateways
from tests.scripted_judge import ScriptedJudge

pytestmark = pytest.mark.timeout(120)
HALF = replace(ALL, ratio=0.5)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


@pytest.fixture(scope="module")
def judge() -> Iterator[ScriptedJudge]:
    with ScriptedJudge() as judge:
        yield judge


def chosen(bench: Bench, stratum: str = "random") -> set[bytes]:
    rows = bench.rows(f"SELECT trace FROM judged_units WHERE stratum = '{stratum}'")
    return {bytes(trace) for (trace,) in rows if isinstance(trace, bytes | memoryview)}


def choose(bench: Bench, judge: ScriptedJudge, limits: DailyLimits = ALL,
           gateway: str = "gateway") -> None:
    with runner(bench, judge, limits, gateway=gateway) as running:
        running.choose()


def vote(bench: Bench, trace: bytes, kind: str, user: str = "") -> None:
    bench.ledger.commit((), {}, bench.now, votes=(Casting(Vote(
        kind=kind, id=os.urandom(8).hex(), trace_id=trace, user=user)),))
    bench.turn()


def test_a_smaller_part_of_all_traces_is_among_a_larger_one() -> None:
    keys = KeyRing.of(bytes(32))
    traces = [number.to_bytes(16, "big") for number in range(4000)]
    tenth, half = ({trace for trace in traces if keys.judged_place(trace) < ratio}
                   for ratio in (0.1, 0.5))
    assert tenth < half
    assert 320 < len(tenth) < 480
    stored = {trace for trace in traces if keys.samples(trace, 0.1)}
    assert 10 < len(tenth & stored) < 80  # of its own: whose content is kept tells nothing of it


def test_two_gateways_with_files_of_their_own_choose_the_same(tmp_path: Path, judge: ScriptedJudge
                                                              ) -> None:
    traces = [os.urandom(16) for _ in range(30)]
    samples = []
    for name in "ab":
        (tmp_path / name).mkdir()
        with ledger_in(tmp_path / name) as bench:
            for number, trace in enumerate(traces):
                bench.send(*answered(f"{GOOD} {number}", trace_id=trace))
            settle(bench)
            choose(bench, judge, HALF)
            samples.append(chosen(bench))
    assert samples[0] == samples[1] == {
        trace for trace in traces if bench.ledger._database.keys.judged_place(trace) < 0.5}
    assert 3 < len(samples[0]) < 27


@pytest.mark.usefixtures("in_postgres")
def test_two_gateways_of_one_database_choose_each_answer_once(tmp_path: Path, judge: ScriptedJudge
                                                              ) -> None:
    traces = [os.urandom(16) for _ in range(20)]
    with gateways(tmp_path, "a", "b") as benches:
        for number, trace in enumerate(traces):
            benches[number % 2].send(*answered(f"{GOOD} {number}", trace_id=trace))
        for bench in benches:
            bench.wait()
        for bench in benches:
            bench.passed += 61.0
        for name in "ab":
            choose(benches[0], judge, HALF, gateway=name)
        keys = benches[0].file.keys
        assert chosen(benches[0]) == {
            trace for trace in traces if keys.judged_place(trace) < 0.5}
        with runner(benches[0], judge, HALF, gateway="a") as one, \
                runner(benches[1], judge, HALF, gateway="b") as other:
            judged = 0
            while one.judge_next() | other.judge_next():
                judged += 1
        assert benches[0].rows("SELECT count(*) FROM judgements") == [
            (3 * len(chosen(benches[0])),)]


@pytest.mark.usefixtures("each_store")
def test_of_a_trace_a_conversation_and_equal_answers_one_a_day_is_chosen(
        bench: Bench, judge: ScriptedJudge) -> None:
    first = send(bench, GOOD, conversation="c")
    send(bench, BAD, conversation="c")  # of one conversation
    settle(bench)
    equal = send(bench, BAD)
    send(bench, BAD)  # equal
    send(bench, BAD, question="Has it cranes?")  # is another unit: it was asked something else
    bench.send(*answered(GOOD + " Two.", trace_id=first.trace_id))  # of a trace that is one
    settle(bench)
    choose(bench, judge)
    assert len(chosen(bench)) == 3
    assert {first.trace_id} < chosen(bench)
    assert len(chosen(bench) & {equal.trace_id}) <= 1
    assert bench.rows("SELECT DISTINCT probability FROM judged_units") == [(BILLION,)]
    bench.passed += 86_400
    send(bench, BAD, conversation="c")
    settle(bench)
    choose(bench, judge)
    assert len(chosen(bench)) == 4  # on another day both are


@pytest.mark.usefixtures("each_store")
def test_votes_choose_in_a_stratum_of_their_own_and_move_no_figure(
        bench: Bench, judge: ScriptedJudge) -> None:
    traces = [os.urandom(16) for _ in range(24)]
    for number, trace in enumerate(traces):
        bench.send(*answered(f"{BAD if number % 4 == 0 else GOOD} {number}", trace_id=trace))
    settle(bench)
    choose(bench, judge, HALF)
    before = chosen(bench)
    for number in range(0, 24, 4):  # a campaign against all that is bad
        vote(bench, traces[number], "thumbs_down", f"user {number}")
    vote(bench, traces[1], "report_hallucination")
    vote(bench, traces[2], "thumbs_up")
    bench.turn()
    bench.ledger.settle_due()
    with runner(bench, judge, HALF) as running:
        judge_all(running)
    assert chosen(bench) == before
    assert chosen(bench, "voted") == {traces[number] for number in (0, 1, 4, 8, 12, 16, 20)}
    of_random = [trace in before for trace in traces]
    sums = counted(bench)
    assert sums["evaluation", "faithfulness", "evaluated", "fail"] == sum(of_random[::4])
    assert sums["evaluation", "faithfulness", "evaluated", "pass"] == sum(of_random) - sum(
        of_random[::4])
    assert sums["judgements", "", "judged", "judged"] == 3 * len(before)
    # Those of the other one are judged all the same, for review.
    assert bench.rows("SELECT count(*) FROM judgements JOIN judged_units ON id = unit "
                      "WHERE stratum = 'voted'") == [(21,)]


def test_what_has_no_content_is_no_unit_and_what_has_not_settled_waits(
        bench: Bench, judge: ScriptedJudge) -> None:
    bench.send(answered(GOOD)[0])
    bench.send(*(replace(one, content={}) for one in answered(GOOD)))
    settle(bench)
    later = send(bench, GOOD)
    bench.ledger._pending.tidy()
    choose(bench, judge)
    assert chosen(bench) == set()
    settle(bench)
    choose(bench, judge)
    assert chosen(bench) == {later.trace_id}


def test_what_came_a_day_before_anybody_judged_is_left_alone(bench: Bench, judge: ScriptedJudge
                                                             ) -> None:
    old = send(bench, GOOD)
    settle(bench)
    bench.passed += 90_000
    new = send(bench, BAD)
    settle(bench)
    choose(bench, judge)
    assert chosen(bench) == {new.trace_id} != {old.trace_id}


def test_a_restart_goes_on_where_it_was(tmp_path: Path, judge: ScriptedJudge) -> None:
    Stores.make(tmp_path)
    with ledger_in_place(tmp_path) as bench:
        one = send(bench, GOOD)
        settle(bench)
        choose(bench, judge)
        bench.file.connection.execute("DELETE FROM judged_units")  # who looks again finds it again
        two = send(bench, BAD)
        settle(bench)
        choose(bench, judge)
        assert chosen(bench) == {two.trace_id} != {one.trace_id}
