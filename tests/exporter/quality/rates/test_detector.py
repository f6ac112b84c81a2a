"""The detector of a rate: what it rests on, and what it does for years."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.quality.rates.detector import (
    CAP,
    CLEAR,
    LASTING,
    RateDetector,
    carried_null,
    likelihood_ratios,
    quiet_answers,
)

NULLS = st.floats(1e-4, 0.99)


@settings(max_examples=100, deadline=None, database=None)
@given(NULLS, st.floats(0, 1))
def test_an_answer_is_no_evidence_on_the_average_while_the_rate_is_not_above_the_null(
        null: float, part: float) -> None:
    """What the guarantee rests on: no expected factor is above 1, at the null and below it."""
    rate = part * null
    for flagged, unflagged in zip(*likelihood_ratios(null), strict=True):
        assert rate * flagged + (1 - rate) * unflagged <= 1 + 1e-12
        assert flagged > 1 > unflagged > 0


@settings(max_examples=100, deadline=None, database=None)
@given(NULLS, st.floats(2, 1e7), st.lists(st.booleans(), max_size=200))
def test_evidence_is_what_shiryaev_and_roberts_sum_up(
        null: float, answers: float, verdicts: list[bool]) -> None:
    """M <- (1 + M) * LR, of an LR averaged over what the rate may be, weighed by evidence."""
    detector, sums = RateDetector(null, answers), [0.0, 0.0, 0.0]
    for verdict in verdicts:
        before = detector.evidence * answers
        factors = likelihood_ratios(null)[0 if verdict else 1]
        weights = [1 + total for total in sums]
        averaged = sum(weight * factor for weight, factor in zip(weights, factors, strict=True)
                       ) / sum(weights)
        detector.observe(verdict)
        expected = min((1 + before) * averaged, CAP * answers)
        assert detector.evidence * answers == pytest.approx(expected, rel=1e-6)
        sums = [weight * factor for weight, factor in zip(weights, factors, strict=True)]
        excess = max(1.0, sum(sums) / 3 / (CAP * answers))
        sums = [total / excess for total in sums]


@settings(max_examples=100, deadline=None, database=None)
@given(NULLS, st.floats(2, 200), st.lists(st.tuples(st.booleans(), st.integers(1, 60)),
                                          max_size=12))
def test_an_alarm_begins_at_its_evidence_and_ends_after_enough_answers_without_it(
        null: float, answers: float, runs: list[tuple[bool, int]]) -> None:
    detector, quiet, alarming = RateDetector(null, answers), 0, False
    for verdict in (verdict for verdict, count in runs for _ in range(count)):
        detector.observe(verdict)
        assert 0 <= detector.evidence <= CAP * (1 + 1e-9)
        quiet = quiet + 1 if detector.evidence < CLEAR else 0
        alarming = detector.evidence >= 1 or (alarming and quiet < quiet_answers(null))
        assert detector.alarming == alarming
        assert detector.ratio == max(detector.evidence, LASTING if alarming else 0)
        assert alarming or detector.ratio < 1


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.booleans(), max_size=200), st.floats(10, 1e6), st.floats(0.1, 10))
def test_another_number_of_answers_in_a_year_leaves_the_ratio_as_it_is(
        verdicts: list[bool], answers: float, factor: float) -> None:
    detector = RateDetector(0.05, answers)
    for verdict in verdicts:
        detector.observe(verdict)
    before = detector.ratio
    detector.rescale(answers * factor)
    assert detector.ratio == pytest.approx(before, rel=1e-9)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.booleans(), max_size=300))
def test_the_same_verdicts_replayed_come_to_the_same(verdicts: list[bool]) -> None:
    first, second = RateDetector(0.07, 3000), RateDetector(0.07, 3000)
    for verdict in verdicts:
        first.observe(verdict)
    for verdict in verdicts:
        second.observe(verdict)
    assert first.ratio == second.ratio


def test_a_worse_rate_alarms_and_a_better_one_clears_it() -> None:
    detector, random = RateDetector(0.05, 36500), Random(3)
    seen = _answers(detector, random, 0.15, alarming=True)
    assert seen < 300
    assert _answers(detector, random, 0.02, alarming=False) < 200


def _answers(detector: RateDetector, random: Random, rate: float, alarming: bool) -> int:
    for number in range(100_000):
        if detector.alarming == alarming:
            return number
        detector.observe(random.random() < rate)
    raise AssertionError("it came to no other state")


@pytest.mark.parametrize("null", [0.02, 0.05, 0.3])
def test_the_first_alarm_at_the_null_comes_after_as_many_answers_as_there_may_be(
        null: float) -> None:
    random, waits = Random(4), []
    for _ in range(400):
        detector = RateDetector(null, 300)
        waits.append(_answers(detector, random, null, alarming=True))
    assert sum(waits) / len(waits) >= 300


@pytest.mark.parametrize("verdict", [False, True])
def test_years_of_one_verdict_overflow_and_underflow_nothing(verdict: bool) -> None:
    detector = RateDetector(0.05, 365_000)
    for _ in range(200_000):
        detector.observe(verdict)
    assert math.isfinite(detector.ratio)
    assert detector.ratio == pytest.approx(CAP if verdict else 0, abs=1e-3)


def test_what_is_rare_is_quiet_for_longer() -> None:
    assert (quiet_answers(0.3), quiet_answers(0.05), quiet_answers(0.01)) == (100, 100, 500)


def test_a_judge_that_errs_has_the_limit_carried_through_its_errors() -> None:
    assert carried_null(0.05, 1, 1) == 0.05
    assert carried_null(0.05, 0.85, 0.95) == pytest.approx(0.05 * 0.85 + 0.95 * 0.05)
    assert 0 < carried_null(0.05, 0, 1) < carried_null(0.05, 1, 0) < 1


def test_a_null_or_a_number_of_answers_that_cannot_be_is_refused() -> None:
    for null in (0, 1, -1, math.nan):
        with pytest.raises(ValueError, match="a null is above 0"):
            RateDetector(null, 1000)
    for answers in (0, math.inf, math.nan):
        with pytest.raises(ValueError, match="1 or more"):
            RateDetector(0.05, answers)


def test_another_null_counts_from_the_next_answer_on() -> None:
    detector = RateDetector(0.05, 1000)
    detector.observe(True)
    before = detector.ratio
    detector.hold_against(0.5)
    assert detector.ratio == before
    detector.observe(True)
    assert detector.ratio < (1 / 1000 + before) * 1.6
