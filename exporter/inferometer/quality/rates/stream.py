"""Answers of one service and model, judged for one evaluation: their sample, and two detectors."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from inferometer.evaluations import (
    ANSWER_RELEVANCE,
    FAITHFULNESS,
    REFUSAL,
    SELF_CONTRADICTION,
    JudgedAnswer,
)
from inferometer.quality.rates.detector import RateDetector, carried_null
from inferometer.quality.rates.estimates import LabelCounts, effective
from inferometer.quality.rates.labels import errors_of
from inferometer.quality.rates.sample import DAY, WINDOW, RecentAnswers
from inferometer.quality.rates.score_detector import MeanDetector, reference_of

AS_JUDGED, CORRECTED = "judged", "corrected"  # how a limit is meant
RATE, MEAN = "rate", "mean"  # what a detector looks at
NO_LABELS = LabelCounts(0, 0, 0, 0)
SETTLED = 7 * DAY  # by which the end of a reference lies before what is held against it


class QualityLimits(NamedTuple):
    """What the mission demands of answers, where nobody says otherwise."""

    max_ratios: Mapping[str, float] = {  # of answers that fail, by evaluation
        FAITHFULNESS: 0.05, ANSWER_RELEVANCE: 0.05, REFUSAL: 0.05, SELF_CONTRADICTION: 0.05}
    max_score_drop: float = 0.05  # of the mean score, 0 to 1


class WatchedStream:
    """`limit`: of answers that fail. `answers`: to one false alarm."""

    def __init__(self, limit: float, max_drop: float, answers: float) -> None:
        self.recent = RecentAnswers()
        self.judged = 0  # verdicts, ever
        self.last = 0  # when the last answer was judged; Unix nanoseconds
        self.estimate = AS_JUDGED
        self.rate = RateDetector(limit, answers)
        self.mean: MeanDetector | None = None  # once there is a reference
        self._limit, self._max_drop, self._answers = limit, max_drop, answers
        self._scores: deque[tuple[int, float]] = deque()  # with when they were given
        self._alarmed_at = -SETTLED - WINDOW  # when the mean was an alarm last

    @property
    def alarms(self) -> Mapping[tuple[str, str], float]:
        """Evidence by detector and estimate, as a part of what an alarm takes."""
        alarms = {(RATE, self.estimate): self.rate.ratio} if self.judged else {}
        if self.mean is not None:
            alarms[MEAN, AS_JUDGED] = self.mean.ratio
        return alarms

    def observe(self, answer: JudgedAnswer) -> int:
        """Take in the next verdict; how many detectors looked at it."""
        self.recent.add(answer)
        self.last = answer.judged
        looks = 0
        if answer.flagged is not None:
            self.judged += 1
            self.rate.observe(answer.flagged)
            looks += 1
        if answer.score is not None:
            self._scores.append((answer.judged, answer.score))
            if self.mean is not None:
                self.mean.observe(answer.score)
                looks += 1
                if self.mean.alarming:
                    self._alarmed_at = answer.judged
        return looks

    def expect(self, answers: float, keep_ratio: bool) -> None:
        """Have a false alarm in as many answers."""
        self._answers = answers
        for detector in (self.rate, self.mean):
            if detector is not None:
                (detector.rescale if keep_ratio else detector.demand)(answers)

    def begin_day(self, now: int, labels: LabelCounts, new_reference: bool) -> None:
        """Hold what comes against what is known when a day begins, in Unix nanoseconds."""
        self.recent.forget(now)
        self._carry_limit(now, labels)
        while self._scores and self._scores[0][0] < now - SETTLED - WINDOW:
            self._scores.popleft()
        # Scores that were an alarm are none to hold others against.
        if self.mean is None or (new_reference and self._alarmed_at < now - SETTLED - WINDOW):
            self._take_reference(now)

    def _carry_limit(self, now: int, labels: LabelCounts) -> None:
        """Through the judge, as far as labels say how it errs.

        What is evidence against the one limit is none against the other: it begins anew when
        another one holds.
        """
        estimate, null = AS_JUDGED, self._limit
        flags, size = effective(self.recent.verdicts(now)) if labels.enough else (0.0, 0.0)
        if size:
            sensitivity, specificity = errors_of(flags / size, labels)
            estimate, null = CORRECTED, carried_null(
                self._limit, 1.0 if sensitivity is None else sensitivity,
                0.0 if specificity is None else specificity)
        if estimate != self.estimate:
            self.rate, self.estimate = RateDetector(null, self._answers), estimate
        else:
            self.rate.hold_against(null)

    def _take_reference(self, now: int) -> None:
        """Scores of 28 days that ended 7 days ago."""
        reference = reference_of(
            score for given, score in self._scores if given < now - SETTLED)
        if reference is None:
            return
        if self.mean is None:
            self.mean = MeanDetector(reference, self._max_drop, self._answers)
        else:
            self.mean.hold_against(reference)
