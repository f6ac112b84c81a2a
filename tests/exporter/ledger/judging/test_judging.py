"""Answers that settle are chosen, judged once, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.evaluations import FAITHFULNESS, JudgementResult
from inferometer.ledger.verification import verify
from tests.exporter.ledger.judging.judged import (
    BAD,
    GOOD,
    counted,
    judge_all,
    runner,
    send,
    settle,
)
from tests.exporter.ledger.making import Bench, ledger_in
from tests.scripted_judge import ScriptedJudge

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def judge() -> Iterator[ScriptedJudge]:
    with ScriptedJudge() as judge:
        yield judge


@pytest.mark.usefixtures("each_store")
def test_a_settled_answer_is_judged_and_its_verdict_counted(bench: Bench, judge: ScriptedJudge
                                                            ) -> None:
    send(bench, BAD)
    settle(bench)
    send(bench, GOOD)
    settle(bench)
    with runner(bench, judge) as running:
        assert judge_all(running) == 2
        assert judge_all(running) == 0
    assert bench.rows("SELECT unit, flagged FROM judgements WHERE evaluation = 'faithfulness' "
                      "ORDER BY unit") == [(1, 1), (2, 0)]
    sums = counted(bench)
    assert sums["evaluation", FAITHFULNESS, "evaluated", "fail"] == 1
    assert sums["evaluation", FAITHFULNESS, "evaluated", "pass"] == 1
    assert sums["judgements", "", "judged", str(JudgementResult.JUDGED)] == 6
    assert sums["judge", "", "cost", ""] == 1000 * len(judge.asked)
    assert verify(bench.file).differences == []
