"""A judge of known errors, over HTTP: each evaluation comes out as it was planted."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    JUDGED,
    REFUSAL,
    SELF_CONTRADICTION,
    JudgementResult,
)
from inferometer.quality.judge.client import JudgeClient, JudgeEndpoint
from inferometer.quality.judge.interface import AnswerVerdict, JudgeUnit
from inferometer.quality.judge.prompted import PromptedJudge
from tests.exporter.quality.judge.asking import unit
from tests.scripted_judge import MARKS, ScriptedJudge

GOOD = "The archive is in Ghent. It was opened in 1911."


def judged(server: ScriptedJudge, one: JudgeUnit, evaluations: Sequence[str] = JUDGED
           ) -> dict[str, AnswerVerdict]:
    client = JudgeClient(JudgeEndpoint(server.url, "m", timeout=30), lambda: os.urandom(16))
    return {verdict.evaluation: verdict
            for verdict in PromptedJudge("m").judge(one, evaluations, client.send)}


def test_a_good_answer_passes_in_all_that_it_is_asked_for() -> None:
    with ScriptedJudge() as server:
        verdicts = judged(server, unit(GOOD))
        assert [*verdicts] == [*JUDGED]
        assert {one.flagged for one in verdicts.values()} == {False}
        assert {one.result for one in verdicts.values()} == {JudgementResult.JUDGED}
        assert [verdicts[name].score for name in JUDGED] == [1.0, 1.0, None, None]
        assert [one.step for one in server.asked] == [
            "faithfulness.statements", "faithfulness.verdicts", ANSWER_RELEVANCE, REFUSAL,
            SELF_CONTRADICTION]


@pytest.mark.parametrize("evaluation", JUDGED)
def test_what_is_bad_in_one_way_is_flagged_for_that_alone(evaluation: str) -> None:
    with ScriptedJudge() as server:
        verdicts = judged(server, unit(f"The archive is in Ghent. This is {MARKS[evaluation]}."))
        assert [name for name, one in verdicts.items() if one.flagged] == [evaluation]


def test_only_what_is_asked_for_is_paid_for() -> None:
    with ScriptedJudge() as server:
        assert [*judged(server, unit(GOOD), [REFUSAL])] == [REFUSAL]
        assert len(server.asked) == 1


@pytest.mark.parametrize(("one", "evaluations"), [
    (unit(documents=()), [ANSWER_RELEVANCE, REFUSAL, SELF_CONTRADICTION]),
    (unit(documents=(" ",), question=""), [REFUSAL, SELF_CONTRADICTION]),
    (unit("One sentence."), [FAITHFULNESS, ANSWER_RELEVANCE, REFUSAL]), (unit(" \n"), [])])
def test_nothing_is_asked_of_what_an_answer_lacks(one: JudgeUnit, evaluations: list[str]) -> None:
    with ScriptedJudge() as server:
        assert PromptedJudge("m").applicable(one, JUDGED) == evaluations
        assert [*judged(server, one)] == evaluations


@pytest.mark.parametrize("evaluation", [FAITHFULNESS, REFUSAL])
def test_its_errors_are_those_that_were_set(evaluation: str) -> None:
    with ScriptedJudge(0.8, 0.9, seed=7) as server:
        answers = [f"Answer {i} is in Ghent. It is {MARKS[evaluation]}." if i % 2 else
                   f"Answer {i} is in Ghent. It was opened in 1911." for i in range(120)]
        flagged = [judged(server, unit(answer), [evaluation])[evaluation].flagged
                   for answer in answers]
        assert flagged == [server.flags(evaluation, answer) for answer in answers]
        assert 0.65 < sum(map(bool, flagged[1::2])) / 60 < 0.95
        assert 0 < sum(map(bool, flagged[::2])) / 60 < 0.25


def test_the_same_answer_has_the_same_verdict_and_the_same_requests() -> None:
    with ScriptedJudge(0.5, 0.5) as server:
        first, second = judged(server, unit(GOOD)), judged(server, unit(GOOD))
        assert first == second
        half = len(server.asked) // 2
        assert [one.body for one in server.asked[:half]] == [
            one.body for one in server.asked[half:]]


def test_a_part_of_the_requests_fails_where_that_is_set() -> None:
    with ScriptedJudge() as server:
        server.fault, server.fault_ratio = "error", 0.5
        results = [judged(server, unit(f"{GOOD} Number {i}."), [REFUSAL])[REFUSAL].result
                   for i in range(40)]
        assert 8 < results.count(JudgementResult.FAILED) < 32
        assert 8 < results.count(JudgementResult.JUDGED) < 32


def test_one_that_went_away_and_came_back_goes_on_as_before() -> None:
    with ScriptedJudge(0.5, 0.5) as server:
        before, port = judged(server, unit(GOOD)), server.port
    gone = judged(server, unit(GOOD), [REFUSAL])
    assert gone[REFUSAL].result is JudgementResult.FAILED
    with ScriptedJudge(0.5, 0.5, port=port) as server:
        assert judged(server, unit(GOOD)) == before


def test_versions_differ_by_model_and_by_what_is_asked() -> None:
    one, other = PromptedJudge("m").version, PromptedJudge("n").version
    assert one != other
    assert one.prompts == other.prompts != ""
