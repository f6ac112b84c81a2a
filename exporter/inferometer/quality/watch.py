"""What a judge's verdicts come to, answer by answer: rates of 28 days, and evidence of a change.

It is a function of the verdicts in the order of judging, of the labels and of the limits, and of
nothing else: who begins anew with the same rows comes to the same. What is re-read is re-read when
a day of UTC begins, by what was there before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    REFUSAL,
    SELF_CONTRADICTION,
    JudgedAnswer,
)
from inferometer.quality.detector import RateDetector, carried_null
from inferometer.quality.labelled import AnswerStream, LabelledAnswer, counts_of, errors_of
from inferometer.quality.pace import YearlyAnswers, begins_month
from inferometer.quality.rates import LabelCounts, effective
from inferometer.quality.recent import DAY, WINDOW, RecentAnswers

AS_JUDGED, CORRECTED = "judged", "corrected"  # how a limit is meant
RATE, MEAN = "rate", "mean"  # what a detector looks at
NO_LABELS = LabelCounts(0, 0, 0, 0)


class QualityLimits(NamedTuple):
    """What the mission demands of answers, where nobody says otherwise."""

    max_ratios: Mapping[str, float] = {  # of answers that fail, by evaluation
        FAITHFULNESS: 0.05, ANSWER_RELEVANCE: 0.05, REFUSAL: 0.05, SELF_CONTRADICTION: 0.05}
    max_score_drop: float = 0.05  # of the mean score, 0 to 1


class WatchedStream:
    """Answers of one service and model, judged for one evaluation."""

    def __init__(self, limit: float, answers: float) -> None:
        self.recent = RecentAnswers()
        self.judged = 0  # verdicts, ever
        self.estimate = AS_JUDGED
        self.rate = RateDetector(limit, answers)
        self._limit, self._answers = limit, answers

    @property
    def alarms(self) -> Mapping[tuple[str, str], float]:
        """Evidence by detector and estimate, as a part of what an alarm takes."""
        return {(RATE, self.estimate): self.rate.ratio} if self.judged else {}

    def expect(self, answers: float, keep_ratio: bool) -> None:
        """Have a false alarm in as many answers."""
        self._answers = answers
        (self.rate.rescale if keep_ratio else self.rate.demand)(answers)

    def hold_against(self, labels: LabelCounts, day: int) -> None:
        """Carry the limit through the judge, as far as labels say how it errs.

        What is evidence against the one limit is none against the other: it begins anew when
        another one holds.
        """
        self.recent.forget(day * DAY)
        estimate, null = AS_JUDGED, self._limit
        flags, size = effective(self.recent.verdicts) if labels.enough else (0.0, 0.0)
        if size:
            sensitivity, specificity = errors_of(flags / size, labels)
            estimate, null = CORRECTED, carried_null(
                self._limit, 1.0 if sensitivity is None else sensitivity,
                0.0 if specificity is None else specificity)
        if estimate != self.estimate:
            self.rate, self.estimate = RateDetector(null, self._answers), estimate
        else:
            self.rate.hold_against(null)


class QualityWatch:
    """All streams of one judge. `labels`: those that there are."""

    def __init__(self, limits: QualityLimits, labels: Sequence[LabelledAnswer] = ()) -> None:
        self.limits = limits
        self.streams: dict[AnswerStream, WatchedStream] = {}
        self.number = 0  # of the last verdict
        self.answers = 0  # that were looked at, those that could not be judged included
        self.day = 0  # since 1970, of UTC; 0 before the first answer
        self._labels: Sequence[LabelledAnswer] = sorted(labels, key=lambda label: label.labelled)
        self._yearly = YearlyAnswers()
        self._expected = self._yearly.estimate(0)

    def observe(self, answer: JudgedAnswer) -> None:
        """Take in the next verdict of the random sample."""
        self.advance(answer.judged)
        self.number = answer.number
        self.answers += 1
        limit = self.limits.max_ratios.get(answer.evaluation)
        if limit is None:  # of another version's evaluation
            return
        stream = AnswerStream(answer.service_name, answer.model, answer.evaluation)
        watched = self.streams.get(stream)
        if watched is None:
            watched = self.streams[stream] = WatchedStream(limit, self._expected)
        watched.recent.add(answer)
        if answer.flagged is None:
            return
        self._count()
        watched.judged += 1
        watched.rate.observe(answer.flagged)

    def advance(self, now: int) -> None:
        """Begin the days up to this moment, in Unix nanoseconds; never an earlier one."""
        self.day = self.day or now // DAY
        while self.day < now // DAY:
            self.day += 1
            self._begin_day()

    def relabel(self, labels: Sequence[LabelledAnswer]) -> bool:
        """Take labels that are new; False where what there was before this day is another.

        Then whoever has the rows begins anew.
        """
        labels = sorted(labels, key=lambda label: label.labelled)
        if self._before(self._labels) != self._before(labels):
            return False
        self._labels = labels
        return True

    def labels_at(self, now: int) -> Mapping[AnswerStream, LabelCounts]:
        """Labels of the 28 days before a moment, in Unix nanoseconds."""
        return counts_of(label for label in self._labels if now - WINDOW < label.labelled < now)

    def _before(self, labels: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
        """Those that were looked at when a day began."""
        return sorted(label for label in labels if label.labelled < self.day * DAY)

    def _count(self) -> None:
        self._yearly.add(self.day)
        if self._yearly.is_young(self.day):
            expected = self._yearly.estimate(self.day)
            if expected > 2 * self._expected:  # not at each answer: it is about a logarithm
                self._expect(expected, keep_ratio=False)

    def _begin_day(self) -> None:
        young = self._yearly.is_young(self.day)
        if young or begins_month(self.day):
            self._expect(self._yearly.estimate(self.day), keep_ratio=not young)
        counts = self.labels_at(self.day * DAY)
        for stream, watched in self.streams.items():
            watched.hold_against(counts.get(stream, NO_LABELS), self.day)

    def _expect(self, answers: float, keep_ratio: bool) -> None:
        self._expected = answers
        for watched in self.streams.values():
            watched.expect(answers, keep_ratio)
