"""Rates of a sample: as judged, and corrected by labels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.quality.rates.estimates import (
    ENOUGH_LABELS,
    Interval,
    LabelCounts,
    corrected_rate,
    effective,
    judged_rate,
)
from inferometer.quality.rates.intervals import wilson

FLAGS = st.lists(st.booleans(), min_size=1, max_size=300)
SAMPLE = st.lists(st.tuples(st.booleans(), st.floats(0.0001, 1)), min_size=1, max_size=100)
LABELS = st.builds(LabelCounts, *(st.integers(0, 60),) * 4)


@settings(max_examples=100, deadline=None, database=None)
@given(FLAGS, st.floats(0.0001, 1))
def test_an_even_sample_is_what_was_counted(flags: list[bool], probability: float) -> None:
    rate = judged_rate([(flag, probability) for flag in flags])
    x, n = sum(flags), len(flags)
    assert rate == Interval(x / n, *wilson(x, n))


@settings(max_examples=100, deadline=None, database=None)
@given(SAMPLE)
def test_an_uneven_sample_is_worth_no_more_than_its_answers(
        flagged: list[tuple[bool, float]]) -> None:
    flags, size = effective(flagged)
    rate = judged_rate(flagged)
    assert rate is not None
    assert 1 - 1e-9 <= size <= len(flagged) * (1 + 1e-9)
    assert -1e-9 <= flags <= size * (1 + 1e-9)
    assert 0 <= rate.lower <= rate.point + 1e-12
    assert rate.point - 1e-12 <= rate.upper <= 1


def test_an_answer_weighs_what_it_stands_for() -> None:
    full, thin = [(False, 1.0)] * 90 + [(True, 1.0)] * 10, [(True, 0.1)] * 10
    rate = judged_rate(full + thin)
    assert rate is not None
    assert rate.point == pytest.approx((10 + 100) / 200)
    assert effective(full + thin)[1] == pytest.approx(200**2 / (100 + 10 * 100))


def test_without_an_answer_there_is_no_rate() -> None:
    assert judged_rate([]) is None
    assert corrected_rate(0, 0, LabelCounts(20, 20, 20, 20), 1) is None


def test_a_rate_is_corrected_from_twenty_labels_of_either_side_on() -> None:
    assert ENOUGH_LABELS == 20
    for labels in (LabelCounts(10, 9, 1, 99), LabelCounts(10, 90, 0, 19)):
        assert corrected_rate(300, 3000, labels, 1) is None
    assert corrected_rate(300, 3000, LabelCounts(10, 10, 0, 20), 1) is not None


def test_a_rate_is_corrected_by_what_a_judge_misses_and_invents() -> None:
    """3,000 answers of which 5 % fail; a judge that catches 85 % of those, and lets 95 % pass."""
    corrected = corrected_rate(270, 3000, LabelCounts(47, 53, 1, 99), 1)
    assert corrected is not None
    assert corrected.rate.point == pytest.approx(0.09 * 0.47 + 0.91 * 0.01)
    assert corrected.rate.lower < 0.05 < corrected.rate.upper
    assert corrected.rate.upper - corrected.rate.lower < 0.06
    assert corrected.sensitivity == pytest.approx(0.0423 / 0.0514)
    assert corrected.specificity == pytest.approx(0.9009 / 0.9486)


def test_nobody_says_how_well_a_judge_sees_what_there_is_not() -> None:
    corrected = corrected_rate(300, 3000, LabelCounts(0, 20, 0, 20), 1)
    assert corrected is not None
    assert corrected.sensitivity is None
    assert corrected.specificity == pytest.approx(0.9)
    assert corrected.rate.point == corrected.rate.lower == 0


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 3000), LABELS, st.integers(0, 2**32))
def test_a_corrected_rate_lies_within_its_interval_and_repeats_with_its_seed(
        flagged: int, labels: LabelCounts, seed: int) -> None:
    corrected = corrected_rate(flagged, 3000, labels, seed)
    assert (corrected is None) == (not labels.enough)
    if corrected is None:
        return
    assert 0 <= corrected.rate.lower <= corrected.rate.point <= corrected.rate.upper <= 1
    for part in (corrected.sensitivity, corrected.specificity):
        assert part is None or 0 <= part <= 1
    assert corrected_rate(flagged, 3000, labels, seed) == corrected


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 3000), LABELS)
def test_a_judge_carries_the_corrected_rate_back_to_what_it_flags(
        flagged: int, labels: LabelCounts) -> None:
    corrected = corrected_rate(flagged, 3000, labels, 1)
    if corrected is None or corrected.sensitivity is None or corrected.specificity is None:
        return
    fails = corrected.rate.point
    carried = corrected.sensitivity * fails + (1 - corrected.specificity) * (1 - fails)
    assert carried == pytest.approx(flagged / 3000, abs=1e-9)
