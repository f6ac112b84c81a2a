"""What judges and people say of answers as families of the page.

All runners of one ledger say the same: who adds up exporters takes the largest, and no sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.quality.rates.estimates import Interval
from inferometer.quality.rates.figures import QualityFigures, StreamFigures
from inferometer.quality.rates.stream import AS_JUDGED, CORRECTED, MEAN, RATE
from inferometer.values import Key

JUDGED, LABELLED = c.SAMPLE_KIND.values


class EvaluationCollector:
    """Rates of answers that fail, what they are made of, and how near an alarm they are."""

    name = "evaluation"
    punctual = True

    def __init__(self, read: Callable[[], QualityFigures | None]) -> None:
        self._read = read

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """What is there of each service, model and evaluation."""
        figures = self._read() or QualityFigures()
        families = rate, size, unjudged, sensitivity, specificity, alarm, limit = [
            Family(metric) for metric in (
                c.EVALUATION_RATE, c.EVALUATION_SAMPLE_SIZE, c.UNJUDGED, c.JUDGE_SENSITIVITY,
                c.JUDGE_SPECIFICITY, c.QUALITY_ALARM, c.EVALUATION_LIMIT)]
        for one in figures.streams:
            for estimate, interval in _estimates(one):
                for bound, value in zip(c.BOUND.values, interval, strict=True):
                    rate.points[*one.stream, estimate, bound] = value
            size.points[*one.stream, JUDGED] = float(one.judged)
            size.points[*one.stream, LABELLED] = float(one.labelled)
            unjudged.points[one.stream] = one.unjudged
            if one.corrected is not None:
                _put(sensitivity, one.stream, one.corrected.sensitivity)
                _put(specificity, one.stream, one.corrected.specificity)
            for (detector, estimate), ratio in one.alarms.items():
                alarm.points[*one.stream, detector, estimate] = ratio
        if figures.limits is not None:
            for evaluation, most in figures.limits.max_ratios.items():
                limit.points[evaluation, RATE] = most
                limit.points[evaluation, MEAN] = figures.limits.max_score_drop
        return families


def _estimates(figures: StreamFigures) -> Iterable[tuple[str, Interval]]:
    if figures.rate is not None:
        yield AS_JUDGED, figures.rate
    if figures.corrected is not None:
        yield CORRECTED, figures.corrected.rate


def _put(family: Family, key: Key, value: float | None) -> None:
    if value is not None:
        family.points[tuple(key)] = value
