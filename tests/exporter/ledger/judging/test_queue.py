"""What becomes of an answer that is judged: whatever fails, it is paid for and judged once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from inferometer.evaluations import REFUSAL, JudgementResult
from inferometer.ledger.judging.days import DAY, DailyLimits
from inferometer.ledger.judging.queue import (
    MOST_TRIES,
    PAUSES,
    BudgetSpentError,
    JudgeQueue,
    RequestPrice,
    UnitLostError,
)
from inferometer.ledger.opening import open_beside
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from inferometer.quality.judge.interface import (
    AnswerVerdict,
    Ask,
    JudgeReply,
    JudgeRequest,
    JudgeUnit,
    JudgeVersion,
)
from inferometer.quality.judge.prompted import PromptedJudge
from tests.exporter.ledger.judging.judged import (
    ALL,
    BAD,
    GOOD,
    counted,
    judge_all,
    runner,
    send,
    settle,
)
from tests.exporter.ledger.making import Bench, ledger_in, section
from tests.exporter.ledger.shared import at_once
from tests.scripted_judge import DROP, NONSENSE, RATE_LIMIT, SLOW, ScriptedJudge

pytestmark = pytest.mark.timeout(120)
STEPS = 4  # requests for an answer: two for its faithfulness
NANO = 10**9


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def judge() -> Iterator[ScriptedJudge]:
    with ScriptedJudge() as judge:
        yield judge


def queue_of(bench: Bench, limits: DailyLimits = ALL) -> JudgeQueue:
    return JudgeQueue(open_beside(section(bench.folder)), JudgeVersion("judge-model", "p"), limits,
                      lambda tokens, output, now: RequestPrice(1000, True), 5.0,
                      lambda: bench.now)


def results(bench: Bench) -> list[str]:
    return sorted(str(one) for (one,) in bench.rows("SELECT result FROM judgements"))


def spent(bench: Bench) -> object:
    return bench.rows("SELECT sum(calls) FROM judge_days")[0][0]


class Killed(BaseException):
    """As the process would end: nobody catches it."""


@pytest.mark.usefixtures("each_store")
@pytest.mark.parametrize("step", range(STEPS))
def test_who_dies_with_a_request_on_its_way_pays_for_that_one_twice_and_for_no_other(
        bench: Bench, judge: ScriptedJudge, step: int) -> None:
    send(bench, BAD)
    settle(bench)
    with runner(bench, judge) as dying:
        original, sent = dying._terms.send, 0

        def send_and_die(request: JudgeRequest) -> JudgeReply:
            nonlocal sent
            reply = original(request)
            sent += 1
            if sent > step:
                raise Killed
            return reply

        dying._terms = dying._terms._replace(send=send_and_die)
        with pytest.raises(Killed):
            judge_all(dying)
    with runner(bench, judge) as other:
        assert judge_all(other) == 0  # as long as the one that died may be at it
        bench.passed += 26.0
        assert judge_all(other) == 1
    assert len(judge.asked) == STEPS + 1
    assert spent(bench) == STEPS + 1
    assert results(bench) == ["judged"] * 3
    sums = counted(bench)
    assert sums["judgements", "", "judged", "judged"] == 3
    assert sums["judge", "", "cost", ""] == 1000 * STEPS
    assert bench.rows("SELECT count(*) FROM judge_requests WHERE result IS NULL") == [(1,)]
    assert bench.rows("SELECT count(*) FROM judge_requests WHERE answer IS NOT NULL") == [(0,)]
    assert verify(bench.file).differences == []


def test_what_was_lost_twice_is_not_sent_a_third_time(bench: Bench, judge: ScriptedJudge) -> None:
    send(bench, GOOD)
    settle(bench)

    def die(_: JudgeRequest) -> JudgeReply:
        raise Killed

    for _ in range(2):
        with runner(bench, judge, evaluations=[REFUSAL]) as dying:
            dying._terms = dying._terms._replace(send=die)
            with pytest.raises(Killed):
                judge_all(dying)
        bench.passed += 26.0
    with runner(bench, judge, evaluations=[REFUSAL]) as other:
        for seconds in (*PAUSES, 1):
            judge_all(other)
            bench.passed += seconds + 1
    assert judge.asked == []
    assert spent(bench) == 2
    assert results(bench) == ["failed"]


@pytest.mark.usefixtures("each_store")
def test_one_that_was_frozen_writes_nothing_once_another_has_its_answer(
        bench: Bench, judge: ScriptedJudge) -> None:
    send(bench, BAD)
    settle(bench)
    with runner(bench, judge) as running:
        running.choose()
        frozen, other = queue_of(bench), queue_of(bench)
        unit = frozen.take()
        assert unit is not None
        sent = frozen.begin(unit, "refusal")
        assert other.take() is None
        bench.passed += 26.0
        theirs = other.take()
        assert theirs is not None
        assert (theirs.id, theirs.tries) == (unit.id, 2)
        frozen.end(unit, sent, JudgeReply("late", input_tokens=10, output_tokens=1))
        for write in (lambda: frozen.finish(unit, []), lambda: frozen.begin(unit, "more"),
                      lambda: frozen.leave_out(unit), lambda: frozen.put_back(unit, 0.0)):
            with pytest.raises(UnitLostError):
                write()
        other.finish(theirs, [])
        frozen.close()
        other.close()
    assert counted(bench)["judge", "", "input", ""] == 10  # it was paid for
    assert bench.rows("SELECT answer FROM judge_requests") == [(None,)]
    assert bench.rows("SELECT state FROM judged_units") == [(1,)]


@pytest.mark.usefixtures("each_store")
def test_several_that_judge_at_a_time_judge_each_answer_once(bench: Bench) -> None:
    for number in range(12):
        send(bench, f"{BAD if number % 2 else GOOD} {number}")
    settle(bench)
    with ScriptedJudge(latency=0.02) as judge, ExitStack() as stack:
        runners = [stack.enter_context(runner(bench, judge)) for _ in range(3)]
        assert at_once(*(partial(judge_all, one) for one in runners)) == []
        assert len(judge.asked) == spent(bench) == 12 * STEPS
    assert results(bench) == ["judged"] * 36
    assert bench.rows("SELECT min(number), max(number) FROM judgements") == [(1, 36)]
    assert counted(bench)["evaluation", "faithfulness", "evaluated", "fail"] == 6


@pytest.mark.parametrize(("fault", "result"), [(SLOW, "timeout"), (DROP, "failed"),
                                               (RATE_LIMIT, "failed")])
def test_a_judge_that_does_not_reply_is_asked_again_and_then_given_up(
        bench: Bench, judge: ScriptedJudge, fault: str, result: str) -> None:
    send(bench, GOOD)
    settle(bench)
    judge.fault = fault
    with runner(bench, judge, evaluations=[REFUSAL], seconds=0.3) as running:
        judge_all(running)
        for seconds in PAUSES:
            assert results(bench) == []
            bench.passed += seconds - 1
            assert judge_all(running) == 0
            bench.passed += 2
            assert judge_all(running) == 1
    assert len(judge.asked) == MOST_TRIES
    assert results(bench) == [result]
    sums = counted(bench)
    assert sums["judgements", "", "judged", result] == 1
    assert not any(kind == "evaluation" for kind, *_ in sums)


def test_a_judge_that_comes_back_is_asked_only_what_is_missing(bench: Bench, judge: ScriptedJudge
                                                               ) -> None:
    send(bench, BAD)
    settle(bench)
    with runner(bench, judge) as running:
        original = running._terms.send
        running._terms = running._terms._replace(
            send=lambda request: JudgeReply(result=JudgementResult.FAILED) if (
                request.step == "refusal") else original(request))
        judge_all(running)
        assert results(bench) == []
        running._terms = running._terms._replace(send=original)
        bench.passed += 61
        assert judge_all(running) == 1
    assert len(judge.asked) == STEPS
    assert results(bench) == ["judged"] * 3


def test_nonsense_is_no_verdict_and_is_not_paid_for_again(bench: Bench, judge: ScriptedJudge
                                                          ) -> None:
    send(bench, GOOD)
    settle(bench)
    judge.fault = NONSENSE
    with runner(bench, judge, evaluations=[REFUSAL]) as running:
        judge_all(running)
        bench.passed += 10_000
        assert judge_all(running) == 0
    assert results(bench) == ["nonsense"]
    assert counted(bench)["judgements", "", "judged", "nonsense"] == 1


class BrokenJudge(PromptedJudge):
    """A fault of ours, of one answer alone."""

    def judge(self, unit: JudgeUnit, evaluations: Collection[str], ask: Ask
              ) -> Sequence[AnswerVerdict]:
        if "nine" in unit.answer:
            raise ValueError("by script")
        return super().judge(unit, evaluations, ask)


def test_a_fault_of_ours_costs_one_answer_alone(bench: Bench, judge: ScriptedJudge) -> None:
    send(bench, BAD)
    send(bench, GOOD)
    settle(bench)
    with runner(bench, judge, evaluations=[REFUSAL]) as running:
        running._terms = running._terms._replace(judge=BrokenJudge("judge-model"))
        assert judge_all(running) == 2
        assert results(bench) == ["judged"]
        for seconds in PAUSES:
            bench.passed += seconds + 1
            assert judge_all(running) == 1
    assert results(bench) == ["failed", "judged"]
    assert len(judge.asked) == 1


def test_a_judge_that_is_away_is_asked_seldom(bench: Bench, judge: ScriptedJudge) -> None:
    for number in range(5):
        send(bench, f"{GOOD} {number}")
    settle(bench)
    judge.fault = DROP
    with runner(bench, judge, evaluations=[REFUSAL]) as running:
        running.choose()
        pauses = []
        for _ in range(5):
            running._work(0)
            pauses.append(running._pauses[0])
        assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0]
        judge.fault = ""
        bench.passed += 100
        running._work(0)
        assert running._pauses == [0.0]


@pytest.mark.usefixtures("each_store")
def test_no_call_more_than_a_day_may_have_and_the_next_day_goes_on(bench: Bench,
                                                                    judge: ScriptedJudge) -> None:
    for number in range(4):
        send(bench, f"{GOOD} {number}")
    settle(bench)
    limits = DailyLimits(1.0, 100.0, 6)
    with runner(bench, judge, limits) as running:
        judge_all(running)
        assert len(judge.asked) == 6
        assert results(bench) == ["judged"] * 3
        bench.passed += 86_400 - bench.now % DAY / NANO
        judge_all(running)
    assert len(judge.asked) <= 12
    assert bench.rows("SELECT calls FROM judge_days ORDER BY day")[0] == (6,)
    assert len({(unit, step) for unit, step in bench.rows(
        "SELECT unit, step FROM judge_requests")}) == len(judge.asked)


def test_no_dearer_than_a_day_may_be(bench: Bench, judge: ScriptedJudge,
                                     caplog: pytest.LogCaptureFixture) -> None:
    for number in range(4):
        send(bench, f"{GOOD} {number}")
    settle(bench)
    caplog.set_level(logging.WARNING)
    with runner(bench, judge, DailyLimits(1.0, 0.005, 1000),
                price=lambda tokens, output, now: RequestPrice(NANO // 1000, True)) as running:
        judge_all(running)
        judge_all(running)
    assert len(judge.asked) == 5
    (line,) = [one for one in caplog.records if "budget" in one.message]
    assert line.__dict__["usd"] == 0.005


def test_votes_take_a_quarter_of_a_day_at_most(bench: Bench) -> None:
    limits = DailyLimits(1.0, 100.0, 8)
    queue = queue_of(bench, limits)
    send(bench, GOOD)
    settle(bench)
    with ScriptedJudge() as judge, runner(bench, judge, limits) as running:
        running.choose()
    unit = queue.take()
    assert unit is not None
    voted = unit._replace(stratum="voted")
    queue.begin(voted, "a")
    queue.begin(voted, "b")
    with pytest.raises(BudgetSpentError):
        queue.begin(voted, "c")
    queue.begin(unit, "d")
    queue.close()


def test_where_the_budget_would_not_last_fewer_are_chosen_for_the_rest_of_the_day(
        bench: Bench, judge: ScriptedJudge) -> None:
    bench.passed += 86_400 + 3600 - bench.now % DAY / NANO  # an hour into a day
    limits = DailyLimits(1.0, 100.0, 4000)
    ratios = []
    with runner(bench, judge, limits) as running:
        for minute in range(30):
            for number in range(20):
                send(bench, f"{GOOD} {minute} {number}")
            settle(bench)
            running.choose()
            ratios.append(queue_of(bench, limits).day().ratio)
    assert ratios == sorted(ratios, reverse=True)
    # 20 every 72 seconds are 1,000 an hour; 4,000 calls are 1,000 answers, for 23 hours.
    assert ratios[0] == 1.0
    assert 0.02 < ratios[-1] < 0.06
    assert bench.rows("SELECT count(DISTINCT probability) FROM judged_units")[0][0] != 1
    # What each stands for comes to what there was.
    ((traces,),) = bench.rows(f"SELECT sum({NANO}.0 / probability) FROM judged_units")
    assert isinstance(traces, float)
    assert 300 < traces < 1200
    bench.passed += 86_400
    assert queue_of(bench, limits).day().ratio == 1.0


@pytest.mark.usefixtures("each_store")
def test_who_is_forgotten_has_no_words_left_and_is_judged_no_more(bench: Bench,
                                                                  judge: ScriptedJudge) -> None:
    send(bench, BAD, user="ada", conversation="c")
    settle(bench)
    with runner(bench, judge) as running:
        judge_all(running)
        bench.file.connection.execute(
            "INSERT INTO answer_labels VALUES (1, 'faithfulness', 'bo', 1, 1, 'nine cranes')")
        send(bench, GOOD, user="ada")
        settle(bench)
        running.choose()
        queue = queue_of(bench)
        unit = queue.take()
        assert unit is not None
        sent = queue.begin(unit, "refusal")
        forget(bench.file, "ada")
        queue.end(unit, sent, JudgeReply("two cranes"))
        with pytest.raises(UnitLostError):
            queue.finish(unit, [])
        queue.close()
        assert judge_all(running) == 0
    assert bench.rows("SELECT count(*) FROM judgements") == [(3,)]  # verdicts stay
    content = bench.content()
    assert b"nine cranes" not in content
    assert b"two cranes" not in content
    forget(bench.file, "c")
    assert bench.rows("SELECT DISTINCT conversation FROM judged_units") == [("",)]


@pytest.mark.usefixtures("each_store")
def test_words_go_with_content_and_verdicts_with_sums(bench: Bench, judge: ScriptedJudge) -> None:
    bench.ledger.configure(30, 40, 0, content_days=7)
    send(bench, BAD)
    settle(bench)
    with runner(bench, judge) as running:
        judge_all(running)

    def left(days: float) -> tuple[object, ...]:
        bench.passed += days * 86_400
        for _ in range(30):
            bench.passed += 11
            bench.turn()
        return bench.rows("SELECT count(*), count(reasons) FROM judgements")[0]

    assert left(6) == (3, 3)
    assert left(3) == (3, 0)
    assert left(23) == (3, 0)
    assert bench.rows("SELECT count(*) FROM judge_requests") == [(0,)]
    assert left(20) == (0, 0)
    assert bench.rows("SELECT count(*) FROM judged_units") == [(0,)]
    assert counted(bench)["judgements", "", "judged", "judged"] == 3
    assert verify(bench.file).differences == []
