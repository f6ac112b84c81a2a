"""The detector of a mean score: what it rests on, and what it does for years."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.quality.rates.detector import CAP, LASTING
from inferometer.quality.rates.score_detector import (
    DOUBT,
    ENOUGH_SCORES,
    MeanDetector,
    Reference,
    bets,
    reference_of,
)

SCORES = st.floats(0, 1)
REFERENCES = st.builds(Reference, SCORES, SCORES, st.floats(0, 0.5), st.just(1000))


@settings(max_examples=60, deadline=None, database=None)
@given(REFERENCES, st.floats(0.01, 0.2), st.lists(SCORES, min_size=1, max_size=20))
def test_an_answer_is_no_evidence_on_the_average_while_the_mean_is_not_below_the_floor(
        reference: Reference, drop: float, scores: list[float]) -> None:
    """What the guarantee rests on, for any distribution: here for each of some equal scores."""
    floor, mean = reference.lower - drop, math.fsum(scores) / len(scores)
    for bet in bets(floor, reference.deviation):
        factors = [1 + bet * (floor - score) for score in scores]
        assert floor <= 0 or min(factors) > 0
        assert mean < floor or math.fsum(factors) / len(factors) <= 1 + 1e-12


@settings(max_examples=60, deadline=None, database=None)
@given(REFERENCES, st.floats(2, 1e7), st.lists(SCORES, max_size=200))
def test_evidence_stays_within_its_bounds_and_lasts_as_long_as_an_alarm(
        reference: Reference, answers: float, scores: list[float]) -> None:
    detector = MeanDetector(reference, 0.05, answers)
    for score in scores:
        detector.observe(score)
        assert 0 <= detector.evidence <= CAP * (1 + 1e-9)
        assert detector.ratio >= LASTING if detector.alarming else detector.ratio < 1


@settings(max_examples=20, deadline=None, database=None)
@given(st.lists(SCORES, min_size=ENOUGH_SCORES, max_size=ENOUGH_SCORES + 100))
def test_a_reference_is_its_mean_and_a_bound_below_it(scores: list[float]) -> None:
    reference = reference_of(scores)
    assert reference is not None
    assert reference.mean == pytest.approx(math.fsum(scores) / len(scores))
    assert 0 <= reference.lower <= reference.mean + 1e-12
    assert reference == reference_of(reversed(scores))


def test_a_true_mean_is_seldom_below_the_bound_of_its_reference() -> None:
    random, misses, trials = Random(5), 0, 400
    for _ in range(trials):
        reference = reference_of(_scores(random, 0.9, 300))
        assert reference is not None
        misses += reference.lower > 0.9
        assert reference.mean - reference.lower < 0.05
    assert misses <= DOUBT * trials


def _scores(random: Random, mean: float, answers: int) -> list[float]:
    """Parts of five statements that are supported."""
    return [sum(random.random() < mean for _ in range(5)) / 5 for _ in range(answers)]


def test_few_scores_are_no_reference() -> None:
    assert reference_of([0.9] * (ENOUGH_SCORES - 1)) is None
    assert reference_of([0.9] * ENOUGH_SCORES) is not None


def test_a_mean_that_fell_by_more_than_it_may_alarms_and_clears_when_it_is_back() -> None:
    random = Random(2)
    reference = reference_of(_scores(random, 0.9, 2800))
    assert reference is not None
    detector = MeanDetector(reference, 0.05, 36_500)
    assert _answers(detector, random, 0.75, alarming=True) < 500
    assert _answers(detector, random, 0.9, alarming=False) < 200


def _answers(detector: MeanDetector, random: Random, mean: float, alarming: bool) -> int:
    for number in range(100_000):
        if detector.alarming == alarming:
            return number
        detector.observe(_scores(random, mean, 1)[0])
    raise AssertionError("it came to no other state")


def test_the_first_alarm_at_the_allowed_fall_comes_after_as_many_answers_as_there_may_be() -> None:
    random, waits = Random(6), []
    for _ in range(200):
        detector = MeanDetector(Reference(0.9, 0.9, 0.15, 1000), 0.05, 300)
        waits.append(_answers(detector, random, 0.85, alarming=True))
    assert sum(waits) / len(waits) >= 300


@pytest.mark.parametrize(("score", "end"), [(0.0, CAP), (1.0, 0)])
def test_years_of_one_score_overflow_and_underflow_nothing(score: float, end: float) -> None:
    reference = reference_of([0.9] * 500 + [0.5] * 50)
    assert reference is not None
    detector = MeanDetector(reference, 0.05, 365_000)
    for _ in range(100_000):
        detector.observe(score)
    assert detector.ratio == pytest.approx(end, abs=1e-3)


def test_no_mean_falls_below_a_floor_of_nothing() -> None:
    detector = MeanDetector(Reference(0.04, 0.02, 0.1, 1000), 0.05, 100)
    for _ in range(1000):
        detector.observe(0.0)
    assert detector.ratio == 0


def test_what_is_no_score_is_refused() -> None:
    detector = MeanDetector(Reference(0.9, 0.88, 0.1, 1000), 0.05, 100)
    for score in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="0 to 1"):
            detector.observe(score)
