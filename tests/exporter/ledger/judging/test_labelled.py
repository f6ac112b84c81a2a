"""A judge of known errors, labels that are the truth, and the rate on the page: from end to end."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from inferometer.collector import Deadline
from inferometer.evaluations import FAITHFULNESS
from inferometer.ledger.judging import counters
from inferometer.ledger.judging.labels import NewLabel, draw, write
from inferometer.ledger.judging.rates import JudgedRates
from inferometer.ledger.opening import open_beside
from inferometer.quality.rates.stream import QualityLimits
from inferometer.sinks.judged_rates import EvaluationCollector
from inferometer.sinks.judging import JudgeCollector
from tests.exporter.ledger.judging.judged import answered, judge_all, runner, settle
from tests.exporter.ledger.making import ledger_in, section
from tests.scripted_judge import MARKS, ScriptedJudge

ANSWERS, BAD = 240, 24
MARK = MARKS[FAITHFULNESS]
OF_SHOP = "shop", "m", FAITHFULNESS
BOUNDS = ("point", "lower", "upper")


def test_a_rate_that_is_corrected_by_labels_covers_the_truth_where_the_judges_own_does_not(
        tmp_path: Path) -> None:
    with ScriptedJudge(sensitivity=0.85, specificity=0.8) as judge, ledger_in(tmp_path) as bench:
        bench.send(*(fact for i in range(ANSWERS) for fact in answered(
            f"It is {MARK} that there are {i} cranes." if i < BAD else f"It has {i} cranes.")))
        settle(bench)
        with runner(bench, judge, evaluations=(FAITHFULNESS,)) as judging:
            assert judge_all(judging) == ANSWERS
        drawn = draw(bench.file, FAITHFULNESS, 100, "alice", bench.now, Random(1))
        assert len(drawn.answers) > 80
        bench.passed += 1
        write(bench.file, [NewLabel(one.unit, FAITHFULNESS, MARK in one.content.answer)
                           for one in drawn.answers], "alice", lambda: bench.now - 1)
        rates = JudgedRates(lambda: open_beside(section(tmp_path)), QualityLimits,
                            lambda: bench.now)
        rates.reckon()
        page = {family.metric.name: family.points for family in EvaluationCollector(
            rates.reading).collect(Deadline(1))}
        with bench.file.snapshot():
            counted = counters.read(bench.file)
    points = page["llm_evaluation_rate_ratio"]
    judged, corrected = ([float(str(points[*OF_SHOP, estimate, bound])) for bound in BOUNDS]
                         for estimate in ("judged", "corrected"))
    truth = BAD / ANSWERS
    assert not judged[1] < truth < judged[2]
    assert corrected[1] < truth < corrected[2]
    assert page["llm_judge_sensitivity_ratio"][OF_SHOP] == pytest.approx(0.85, abs=0.2)
    assert page["llm_judge_specificity_ratio"][OF_SHOP] == pytest.approx(0.8, abs=0.1)
    totals = next(family.points for family in JudgeCollector(
        lambda: counted, lambda: None).collect(Deadline(1))
        if family.metric.name == "llm_evaluation_sample_total")
    assert totals == {(*OF_SHOP, "judged"): ANSWERS,
                      (*OF_SHOP, "labelled"): len(drawn.answers)}
