"""The streams of `python -m bench quality` are the product's detectors, many at once."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from bench import quality_alarms as alarms
from bench import quality_coverage as coverage
from bench import quality_streams as streams
from inferometer.quality.rates.detector import RateDetector
from inferometer.quality.rates.estimates import LabelCounts, corrected_rate
from inferometer.quality.rates.intervals import possible_parts
from inferometer.quality.rates.score_detector import (
    MeanDetector,
    Reference,
    reference_of,
)

STREAMS = 20
ANSWERS = 2000
YEAR = 500.0  # answers, so few that alarms begin and end


@pytest.mark.parametrize("null", [0.01, 0.05, 0.4])
def test_streams_of_verdicts_are_detectors_of_a_rate(null: float) -> None:
    random = np.random.default_rng(1)
    many = streams.RateStreams(STREAMS, null, YEAR)
    ones = [RateDetector(null, YEAR) for _ in range(STREAMS)]
    began = [0] * STREAMS
    for number in range(ANSWERS):
        flagged = random.random(STREAMS) < null * (2 if number // 300 % 2 else 0.8)
        judged = random.random(STREAMS) < 0.9
        many.observe(flagged, judged)
        for place, one in enumerate(ones):
            if judged[place]:
                before = one.alarming
                one.observe(bool(flagged[place]))
                began[place] += one.alarming and not before
        assert many.evidence == pytest.approx([one.evidence for one in ones], rel=1e-9)
        assert many.alarming.tolist() == [one.alarming for one in ones]
    assert many.begun.tolist() == began
    assert sum(began) > STREAMS / 2


def test_streams_of_scores_are_detectors_of_a_mean() -> None:
    random = np.random.default_rng(2)
    counts = random.multinomial(800, alarms.score_parts(0.9), STREAMS)
    lower, deviation = streams.references(alarms.VALUES, counts)
    own = [reference_of(np.repeat(alarms.VALUES, row).tolist()) for row in counts]
    references = [reference for reference in own if reference is not None]
    assert lower == pytest.approx([reference.lower for reference in references], abs=1e-9)
    assert deviation == pytest.approx([reference.deviation for reference in references])
    lower[0] = 0.01  # a floor below 0
    references[0] = Reference(0.02, 0.01, references[0].deviation, 800)
    many = streams.MeanStreams(lower, deviation, 0.05, YEAR)
    ones = [MeanDetector(reference, 0.05, YEAR) for reference in references]
    for number in range(ANSWERS):
        parts = alarms.score_parts(0.75 if number // 300 % 2 else 0.9)
        scores = random.choice(alarms.VALUES, STREAMS, p=np.array(parts) / sum(parts))
        many.observe(scores)
        for one, score in zip(ones, scores.tolist(), strict=True):
            one.observe(score)
        assert many.evidence == pytest.approx([one.evidence for one in ones], rel=1e-9)
    assert many.begun[0] == 0 < many.begun[1:].min()


def test_the_ends_of_the_table_are_those_of_the_corrected_rate() -> None:
    random, drawn = Random(3), coverage.CorrectedEnds(np.random.default_rng(3))
    for _ in range(40):
        flagged, of_flagged, of_others = (random.randint(100, 1500), random.choice((20, 50, 100)),
                                          random.choice((20, 50, 100)))
        bad, missed = random.randint(0, of_flagged), random.choice((0, 1, 2, of_others))
        corrected = corrected_rate(flagged, coverage.JUDGED, LabelCounts(
            bad, of_flagged - bad, missed, of_others - missed), 4)
        assert corrected is not None
        parts = [possible_parts(x, n, f"4 {role}") for x, n, role in (
            (flagged, coverage.JUDGED, "flagged"), (bad, of_flagged, "precision"),
            (missed, of_others, "omission"))]
        same = coverage.interval_of([(np.array(lower), np.array(upper))
                                     for lower, upper in parts], corrected.rate.point)
        assert same == corrected.rate[1:]
        assert drawn.interval(flagged, of_flagged, bad, of_others, missed) == pytest.approx(
            same, abs=0.012)


def test_a_conversation_is_judged_by_its_first_answer_of_the_sample() -> None:
    verdicts = np.array([[True, True, False], [False, True, True], [False, False, True]])
    sampled = np.array([[False, True, False], [True, True, False], [False, False, False]])
    unit, judged = alarms.first_sampled(verdicts, sampled)
    assert judged.tolist() == [True, True, False]
    assert unit.tolist()[:2] == [False, True]


def test_scores_have_the_mean_that_they_are_made_for() -> None:
    for mean in (0.75, 0.85, 0.9):
        parts = alarms.score_parts(mean)
        assert sum(parts) == pytest.approx(1)
        assert sum(part * value for part, value in zip(parts, alarms.VALUES, strict=True)
                   ) == pytest.approx(mean)


def test_a_cumulative_sum_is_calibrated_to_one_alarm_in_what_was_seen() -> None:
    random = np.random.default_rng(5)
    steps = random.normal(-0.5, 1, (4, 1000, 4000))
    sums = streams.Cusum(4000)
    for step in steps[0]:
        sums.add(step)
    threshold = sums.threshold()
    alarmed, level = np.zeros(4000), np.zeros(4000)
    for step in steps[1:].reshape(3000, 4000):
        level = np.maximum(level + step, 0)
        alarmed += level >= threshold
        level[level >= threshold] = 0
    assert alarmed.mean() / 3 == pytest.approx(1, abs=0.1)
