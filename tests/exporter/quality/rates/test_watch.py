"""Rates and detectors of judged answers: by the verdicts, the labels and the limits alone."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.evaluations import ANSWER_RELEVANCE, JudgedAnswer, JudgementResult
from inferometer.quality.rates.detector import RateDetector, carried_null
from inferometer.quality.rates.estimates import LabelCounts, corrected_rate
from inferometer.quality.rates.figures import StreamFigures, figures_of
from inferometer.quality.rates.labels import LabelledAnswer, counts_of, errors_of
from inferometer.quality.rates.pace import FIRST, LEAST, YearlyAnswers, begins_month
from inferometer.quality.rates.stream import CORRECTED, MEAN, RATE, QualityLimits
from inferometer.quality.rates.watch import QualityWatch
from tests.exporter.quality.verdicts import BEGIN, DAY, STREAM, verdict

LIMITS = QualityLimits()
RATE_ALARM, CORRECTED_ALARM, MEAN_ALARM = (RATE, "judged"), (RATE, CORRECTED), (MEAN, "judged")


def label(unit: int, flagged: bool, judged_flagged: bool, labelled: int, reviewer: str = "alice"
          ) -> LabelledAnswer:
    return LabelledAnswer(STREAM, unit, reviewer, flagged, judged_flagged, labelled)


def labels(counts: LabelCounts, labelled: int) -> list[LabelledAnswer]:
    """So many of each kind, one a moment."""
    kinds = [kind for kind, many in zip(
        ((True, True), (False, True), (True, False), (False, False)), counts, strict=True)
        for _ in range(many)]
    return [label(unit, *kind, labelled + unit) for unit, kind in enumerate(kinds, start=1)]


def seen(watch: QualityWatch, now: int) -> StreamFigures:
    """What is shown of the one stream."""
    (figures,) = figures_of(watch, now)
    return figures


def watched(answers: Iterable[JudgedAnswer], given_labels: Sequence[LabelledAnswer] = (),
            limits: QualityLimits = LIMITS) -> QualityWatch:
    watch = QualityWatch(limits, given_labels)
    for answer in answers:
        watch.observe(answer)
    return watch


def days(count: int, a_day: int, rate: float, begin: int = BEGIN, seed: int = 1,
         score: bool = False) -> list[JudgedAnswer]:
    """Verdicts of so many days, flagged by chance; a score goes with each if asked for."""
    chance = random.Random(seed)
    answers = []
    for i in range(count * a_day):
        flagged = chance.random() < rate
        answers.append(verdict(flagged, begin + i * DAY // a_day,
                               score=float(not flagged) if score else None))
    return answers


def test_an_answer_is_in_the_rate_for_28_days() -> None:
    watch = watched([verdict(True, BEGIN), verdict(False, BEGIN + DAY)])
    assert seen(watch, BEGIN + 28 * DAY - 1).rate == pytest.approx((0.5, 0.0945, 0.9055), abs=1e-3)
    assert seen(watch, BEGIN + 28 * DAY).rate == pytest.approx((0, 0, 0.7935), abs=1e-3)
    assert figures_of(watch, BEGIN + 29 * DAY) == []


def test_there_is_no_rate_where_more_than_a_tenth_could_not_be_judged() -> None:
    answers = [verdict(i < 4, BEGIN + i) for i in range(90)]
    lost = [verdict(None, BEGIN + 90 + i, result=JudgementResult.TIMEOUT) for i in range(11)]
    figures = seen(watched([*answers, *lost[:10]]), BEGIN + DAY)
    assert figures.unjudged == pytest.approx(0.1)
    assert figures.rate is not None
    figures = seen(watched([*answers, *lost]), BEGIN + DAY)
    assert (figures.rate, figures.corrected) == (None, None)
    assert figures.unjudged == pytest.approx(11 / 101)


def test_what_a_judge_left_open_is_neither_a_verdict_nor_a_failure_of_the_judge() -> None:
    figures = seen(watched([verdict(True, BEGIN), verdict(None, BEGIN), verdict(None, BEGIN)]),
                   BEGIN + 1)
    assert (figures.judged, figures.unjudged) == (1, 0)


def test_an_answer_counts_for_as_many_as_it_was_chosen_of() -> None:
    answers = [verdict(i < 10, BEGIN + i, probability=0.01) for i in range(100)]
    answers += [verdict(i < 10, BEGIN + i, probability=0.001) for i in range(10)]
    rate = seen(watched(answers), BEGIN + DAY).rate
    assert rate is not None
    assert rate.point == pytest.approx((10 * 100 + 10 * 1000) / (100 * 100 + 10 * 1000))


def test_a_corrected_rate_needs_labels_of_28_days_and_20_of_either_verdict() -> None:
    answers = [verdict(i < 80, BEGIN + i) for i in range(1000)]
    counts = LabelCounts(14, 6, 2, 18)
    watch = watched(answers, labels(counts, BEGIN + DAY))
    now = BEGIN + 2 * DAY
    figures = seen(watch, now)
    assert figures.corrected == corrected_rate(80, 1000, counts, 20)
    assert figures.labelled == 40
    assert seen(watched(answers, labels(counts, BEGIN + DAY)[1:]), now).corrected is None
    assert seen(watched(answers, labels(counts, now - 29 * DAY)), now).corrected is None


def test_an_answer_of_several_reviewers_is_what_most_of_them_say_and_else_the_last() -> None:
    one, other = [label(1, True, True, 5), label(1, False, True, 6, "bob")], label(
        1, False, True, 7, "carol")
    assert counts_of(one) == {STREAM: LabelCounts(0, 1, 0, 0)}
    assert counts_of([*one, label(1, True, True, 7, "carol")]) == {STREAM: LabelCounts(1, 0, 0, 0)}
    assert counts_of([*one, other]) == {STREAM: LabelCounts(0, 1, 0, 0)}


def test_errors_of_a_judge_are_those_that_the_corrected_rate_has() -> None:
    counts = LabelCounts(15, 5, 3, 37)
    corrected = corrected_rate(50, 400, counts, 1)
    assert corrected is not None
    assert errors_of(50 / 400, counts) == pytest.approx(corrected[1:])


def test_an_alarm_comes_where_more_fail_than_the_limit_and_clears_where_they_no_more_do() -> None:
    watch = watched(days(60, 100, 0.04))
    assert seen(watch, BEGIN + 60 * DAY).alarms[RATE_ALARM] < 1
    worse = days(10, 100, 0.15, BEGIN + 60 * DAY)
    while seen(watch, worse[0].judged).alarms[RATE_ALARM] < 1:
        watch.observe(worse.pop(0))
    assert len(worse) > 700  # within three days
    for answer in days(5, 100, 0.04, BEGIN + 70 * DAY):
        watch.observe(answer)
    assert seen(watch, BEGIN + 75 * DAY).alarms[RATE_ALARM] < 0.8


def test_labels_carry_the_limit_through_the_judge_from_the_next_day_on() -> None:
    counts = LabelCounts(10, 10, 0, 40)
    own = labels(counts, BEGIN + 20 * DAY)
    watch = watched(days(20, 100, 0.1), own)
    assert {*seen(watch, BEGIN + 20 * DAY).alarms} == {RATE_ALARM}
    watch.advance(BEGIN + 21 * DAY)
    figures = seen(watch, BEGIN + 21 * DAY)
    assert {*figures.alarms} == {CORRECTED_ALARM}
    assert figures.alarms[CORRECTED_ALARM] == 0  # the other limit is another claim
    assert figures.corrected is not None
    sensitivity, specificity = figures.corrected[1:]
    assert sensitivity is not None
    assert specificity is not None
    assert watch.streams[STREAM].rate.null == pytest.approx(
        carried_null(0.05, sensitivity, specificity))
    for answer in days(27, 100, 0.1, BEGIN + 21 * DAY):
        watch.observe(answer)
    assert seen(watch, BEGIN + 48 * DAY).alarms[CORRECTED_ALARM] < 1  # flagged falsely, all of it
    watch.advance(BEGIN + 49 * DAY)
    assert {*seen(watch, BEGIN + 49 * DAY).alarms} == {RATE_ALARM}


def test_a_score_that_falls_is_an_alarm_and_is_held_against_what_was_before_it() -> None:
    watch = watched(days(60, 100, 0.02, score=True))
    assert seen(watch, BEGIN + 60 * DAY).alarms[MEAN_ALARM] < 1
    mean = watch.streams[STREAM].mean
    assert mean is not None
    floor, alarms = mean.floor, set()
    for answer in days(40, 100, 0.2, BEGIN + 60 * DAY, score=True):
        watch.observe(answer)
        if mean.alarming:
            alarms.add(answer.judged // DAY - BEGIN // DAY)
    assert mean.floor == floor  # though a month began: it is no new normal
    assert any(begins_month(BEGIN // DAY + day) for day in range(70, 100))
    assert {60 + 1, 60 + 39} <= {*alarms}


def test_there_is_no_alarm_of_a_score_before_there_are_weeks_of_scores() -> None:
    answers = days(9, 100, 0.02, score=True)
    assert MEAN_ALARM not in seen(watched(answers[:700]), BEGIN + 7 * DAY).alarms
    assert MEAN_ALARM in seen(watched(answers), BEGIN + 9 * DAY).alarms


def test_an_evaluation_has_a_limit_and_a_stream_of_its_own() -> None:
    limits = QualityLimits({**LIMITS.max_ratios, ANSWER_RELEVANCE: 0.5})
    watch = watched([verdict(i % 3 == 0, BEGIN + i, evaluation=evaluation) for i in range(300)
                     for evaluation in (STREAM.evaluation, ANSWER_RELEVANCE, "of_later")],
                    limits=limits)
    alarms = {one.stream.evaluation: one.alarms[RATE_ALARM] > 1
              for one in figures_of(watch, BEGIN + DAY)}
    assert alarms == {STREAM.evaluation: True, ANSWER_RELEVANCE: False}


def test_a_false_alarm_is_one_of_a_year_of_all_streams_as_the_year_before_had() -> None:
    yearly = YearlyAnswers()
    assert yearly.estimate(100) == FIRST
    for day in range(100, 300):
        for _ in range(10):
            yearly.add(day)
    assert yearly.is_young(127)
    assert not yearly.is_young(128)
    assert yearly.estimate(300) == pytest.approx(3650)
    for day in range(300, 700):
        for _ in range(20):
            yearly.add(day)
    assert yearly.estimate(700) == pytest.approx(7300)
    assert yearly.estimate(1100) == LEAST


def test_on_a_first_day_with_many_answers_as_many_are_expected_of_each_day() -> None:
    watch = watched([verdict(False, BEGIN + i) for i in range(100)])
    assert watch.expected == FIRST
    for i in range(900):
        watch.observe(verdict(False, BEGIN + 100 + i))
    assert 1000 * 365 / 2 < watch.expected <= 1000 * 365


def test_how_many_a_year_has_is_read_again_each_month_and_the_ratio_stays() -> None:
    watch = watched(days(50, 100, 0.07))
    before = watch.expected
    day = next(day for day in range(50, 90) if begins_month(BEGIN // DAY + day))
    watch.advance(BEGIN + day * DAY - 1)
    ratio = watch.streams[STREAM].rate.ratio
    assert watch.expected == before
    watch.advance(BEGIN + day * DAY)
    assert watch.expected == pytest.approx(50 * 100 * 365 / day)
    assert watch.streams[STREAM].rate.ratio == pytest.approx(ratio)


def test_a_month_begins_on_its_first_in_utc() -> None:
    first = datetime(2026, 3, 1, tzinfo=UTC).timestamp() // 86_400
    assert [begins_month(int(first) + day) for day in (-1, 0, 1)] == [False, True, False]


def state(watch: QualityWatch) -> object:
    """All that shows of it, and what it goes on with."""
    return [(stream, one.alarms, one.rate.null, one.mean and one.mean.floor, watch.expected)
            for stream, one in sorted(watch.streams.items())]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 45 * 24), max_size=8), st.integers(0, 10**6))
def test_who_looks_now_and_then_and_who_begins_anew_come_to_the_same(
        looks: list[int], seed: int) -> None:
    """Also with labels that come meanwhile."""
    answers = days(45, 10, 0.2, seed=seed, score=True)
    own = labels(LabelCounts(15, 15, 5, 15), BEGIN + 14 * DAY)
    now_and_then = QualityWatch(LIMITS)
    rest = [*answers]
    for hour in [*sorted(looks), 45 * 24]:
        now = BEGIN + hour * DAY // 24
        assert now_and_then.relabel([one for one in own if one.labelled < now])
        while rest and rest[0].judged < now:
            now_and_then.observe(rest.pop(0))
        figures_of(now_and_then, now)
        if now_and_then.answers:
            now_and_then.advance(now)
    anew = watched(answers, own)
    anew.advance(BEGIN + 45 * DAY)
    assert state(now_and_then) == state(anew)
    assert figures_of(now_and_then, now) == figures_of(anew, now)


def test_a_stream_without_answers_for_weeks_is_forgotten() -> None:
    watch = watched([verdict(True, BEGIN, service_name=f"service-{i}") for i in range(100)])
    watch.observe(verdict(True, BEGIN + 30 * DAY))
    assert len(watch.streams) == 101
    watch.advance(BEGIN + 42 * DAY)
    assert [*watch.streams] == [STREAM]


def test_streams_with_most_answers_are_the_first_that_are_shown() -> None:
    watch = watched([verdict(False, BEGIN + i, service_name=name)
                     for i, name in enumerate(("a", "b", "b", "c", "c", "c"))])
    assert [one.stream.service_name for one in figures_of(watch, BEGIN + DAY)] == ["c", "b", "a"]


def test_labels_of_the_past_that_are_another_are_refused() -> None:
    own = labels(LabelCounts(1, 1, 1, 1), BEGIN + DAY)
    watch = watched(days(5, 10, 0.1), own)
    assert watch.relabel([*own, label(9, True, True, BEGIN + 5 * DAY)])
    assert not watch.relabel(own[1:])
    assert not watch.relabel([*own[1:], own[0]._replace(flagged=not own[0].flagged)])


def test_evidence_of_a_stream_is_that_of_a_detector_which_saw_the_same() -> None:
    answers = days(20, 100, 0.06)
    detector = RateDetector(0.05, 36_500)
    for answer in answers:
        detector.observe(bool(answer.flagged))
    watch = watched(answers)
    assert watch.expected == pytest.approx(FIRST, rel=0.06)
    assert watch.streams[STREAM].rate.ratio * watch.expected == pytest.approx(
        detector.ratio * 36_500)
