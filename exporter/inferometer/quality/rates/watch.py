"""What a judge's verdicts come to, answer by answer: rates of 28 days, and evidence of a change.

It is a function of the verdicts in the order of judging, of the labels and of the limits, and of
nothing else: who begins anew with the same rows comes to the same. What is re-read is re-read when
a day of UTC begins, by what was there before it: the labels each day, how many answers a year has
and what scores are held against each month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inferometer.evaluations import JudgedAnswer
from inferometer.quality.rates.estimates import LabelCounts
from inferometer.quality.rates.labels import AnswerStream, LabelledAnswer, counts_of
from inferometer.quality.rates.pace import YearlyAnswers, begins_month
from inferometer.quality.rates.sample import DAY, WINDOW
from inferometer.quality.rates.stream import NO_LABELS, QualityLimits, WatchedStream

FORGOTTEN = 40 * DAY  # after which a stream without answers begins anew


class QualityWatch:
    """All streams of one judge. `labels`: those that there are."""

    def __init__(self, limits: QualityLimits, labels: Sequence[LabelledAnswer] = ()) -> None:
        self.limits = limits
        self.streams: dict[AnswerStream, WatchedStream] = {}
        self.number = 0  # of the last verdict
        self.answers = 0  # that were looked at, those that could not be judged included
        self.since = 0  # when the first of them was judged; Unix nanoseconds
        self.day = 0  # since 1970, of UTC; 0 before the first answer
        self.expected = 0.0  # answers to one false alarm
        self._labels: Sequence[LabelledAnswer] = sorted(labels, key=_when)
        self._yearly = YearlyAnswers()

    def observe(self, answer: JudgedAnswer) -> None:
        """Take in the next verdict of the random sample."""
        self.advance(answer.judged)
        self.number = answer.number
        self.answers += 1
        self.since = self.since or answer.judged
        limit = self.limits.max_ratios.get(answer.evaluation)
        if limit is None:  # of another version's evaluation
            return
        stream = AnswerStream(answer.service_name, answer.model, answer.evaluation)
        watched = self.streams.get(stream)
        if watched is None:
            self.expected = self.expected or self._yearly.estimate(self.day)
            watched = self.streams[stream] = WatchedStream(
                limit, self.limits.max_score_drop, self.expected)
        self._count(watched.observe(answer))

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
        labels = sorted(labels, key=_when)
        if self._before_today(self._labels) != self._before_today(labels):
            return False
        self._labels = labels
        return True

    def labels_at(self, now: int) -> Mapping[AnswerStream, LabelCounts]:
        """Labels of the 28 days before a moment, in Unix nanoseconds."""
        return counts_of(label for label in self._labels if now - WINDOW <= label.labelled < now)

    def _before_today(self, labels: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
        return sorted(label for label in labels if label.labelled < self.day * DAY)

    def _count(self, looks: int) -> None:
        for _ in range(looks):
            self._yearly.add(self.day)
        if self._yearly.is_young(self.day):
            expected = self._yearly.estimate(self.day)
            if expected > 2 * self.expected:  # not at each answer: it is about a logarithm
                self._expect(expected, keep_ratio=False)

    def _begin_day(self) -> None:
        young, new_month = self._yearly.is_young(self.day), begins_month(self.day)
        if young or new_month:
            self._expect(self._yearly.estimate(self.day), keep_ratio=not young)
        now = self.day * DAY
        for stream in [stream for stream, watched in self.streams.items()
                       if watched.last < now - FORGOTTEN]:
            del self.streams[stream]  # names come from outside
        counts = self.labels_at(now)
        for stream, watched in self.streams.items():
            watched.begin_day(now, counts.get(stream, NO_LABELS), new_month)

    def _expect(self, answers: float, keep_ratio: bool) -> None:
        self.expected = answers
        for watched in self.streams.values():
            watched.expect(answers, keep_ratio)


def _when(label: LabelledAnswer) -> tuple[int, int, str]:
    return label.labelled, label.unit, label.reviewer
