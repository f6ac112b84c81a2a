"""How often the detectors are wrong, how soon they are right, and how soon it is over again.

Days are of streams that run beside each other, each alone: one false alarm a year is theirs. An
answer is one unit: a conversation gives one a day at most, however many answers it has.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from bench.quality_streams import (
    Counts,
    Cusum,
    EvidenceStreams,
    Flags,
    Floats,
    MeanStreams,
    RateStreams,
    references,
)
from inferometer.quality.rates.intervals import wilson

DAYS = 365
LIMIT, WORSE_RATE, BETTER_RATE = 0.05, 0.10, 0.025
DROP, USUAL_MEAN = 0.05, 0.9
FALLEN, DEEPER = USUAL_MEAN - 2 * DROP, USUAL_MEAN - 3 * DROP
VALUES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # parts of five statements that are supported
ALIKE = 10  # how much the statements of one answer are so: its part is Beta(ALIKE * mean, ...)
FIVE = 5  # answers of a conversation
SAMPLED = 0.5  # of the answers, where conversations have five
REFERENCE_DAYS = 28
ALARMED_DAYS = 28  # of a worse rate, before it is back
_SETTLED_ANSWERS = 1000  # after which a detector has forgotten that it began


class Alarms(NamedTuple):
    """What a year at the limit gives, by the alarms that begin in it; and the CUSUM for it."""

    detector: float
    naive: float
    cusum: float  # the threshold that it reaches once a year


class World(ABC):
    """Streams of judged answers, so many a day each."""

    def __init__(self, a_day: int, streams: int, random: np.random.Generator) -> None:
        self.a_day, self.streams, self._random = a_day, streams, random

    @abstractmethod
    def detector(self) -> EvidenceStreams:
        """New detectors."""

    @abstractmethod
    def draw(self, level: float, count: int) -> Floats:
        """So many answers of each stream at a rate or mean: flagged ones are 1; or scores."""

    @abstractmethod
    def observe(self, detector: EvidenceStreams, answers: Floats) -> None:
        """Show each detector its answer."""

    @abstractmethod
    def steps(self, answers: Floats) -> Floats:
        """What a cumulative sum adds for each answer, from the limit to what is worse."""

    @abstractmethod
    def naive(self, day: Floats) -> Flags:
        """Which streams a day's interval of 95 % has beyond the limit."""

    def morning(self, detector: EvidenceStreams, day: int) -> None:  # noqa: B027 - most do nothing
        """What is done before a day's answers."""

    def year(self, level: float) -> Alarms:
        """A year at a level, after the detectors have settled."""
        detector, cusum = self.detector(), Cusum(self.streams)
        for answers in self.draw(level, _SETTLED_ANSWERS):
            self.observe(detector, answers)
        detector.begun[:] = 0
        pages, paging = 0, np.zeros(self.streams, dtype=np.bool_)
        for day in range(DAYS):
            self.morning(detector, day)
            seen = self.draw(level, self.a_day)
            for answers, steps in zip(seen, self.steps(seen), strict=True):
                self.observe(detector, answers)
                cusum.add(steps)
            beyond = self.naive(seen)
            pages += int((beyond & ~paging).sum())
            paging = beyond
        return Alarms(float(detector.begun.mean()), pages / self.streams, cusum.threshold())

    def delays(self, level: float, before: float | None = None) -> Floats:
        """Days until an alarm, of streams that become worse: after a quiet time, or from nothing.

        A stream that was alarming already does not count.
        """
        detector = self.detector()
        if before is not None:
            for answers in self.draw(before, _SETTLED_ANSWERS):
                self.observe(detector, answers)
        waiting = ~detector.alarming
        days = np.full(self.streams, np.nan)
        for day in range(DAYS):
            for number, answers in enumerate(self.draw(level, self.a_day), 1):
                self.observe(detector, answers)
                days[waiting & detector.alarming] = day + number / self.a_day
                waiting &= ~detector.alarming
            if not waiting.any():
                break
        return days

    def cusum_delay(self, level: float, threshold: float) -> float:
        """Days until a calibrated cumulative sum sees it, from nothing, on the average."""
        cusum, days = Cusum(self.streams), np.full(self.streams, np.nan)
        for day in range(DAYS):
            for number, steps in enumerate(self.steps(self.draw(level, self.a_day)), 1):
                cusum.add(steps)
                days[np.isnan(days) & (cusum.highest >= threshold)] = day + number / self.a_day
            if not np.isnan(days).any():
                break
        return float(np.nanmean(days))

    def clearing(self, worse: float, after: float) -> float:
        """Days until half of the alarms have ended, when what was worse for a month is over."""
        detector = self.detector()
        for answers in self.draw(worse, ALARMED_DAYS * self.a_day):
            self.observe(detector, answers)
        began = detector.alarming.copy()
        alarming = began.copy()
        for day in range(DAYS):
            for number, answers in enumerate(self.draw(after, self.a_day), 1):
                self.observe(detector, answers)
                alarming &= detector.alarming
                if alarming.sum() * 2 <= began.sum():
                    return day + number / self.a_day
        return math.inf


class RateWorld(World):
    """Verdicts, held against a limit."""

    def __init__(self, a_day: int, streams: int, random: np.random.Generator,
                 limit: float = LIMIT) -> None:
        super().__init__(a_day, streams, random)
        self.limit = limit

    def detector(self) -> RateStreams:
        """New detectors of the limit."""
        return RateStreams(self.streams, self.limit, DAYS * self.a_day)

    def draw(self, level: float, count: int) -> Floats:
        """Verdicts of which a part of `level` are flags."""
        flags: Floats = (self._random.random((count, self.streams)) < level).astype(np.float64)
        return flags

    def observe(self, detector: EvidenceStreams, answers: Floats) -> None:
        """Show each detector a verdict."""
        assert isinstance(detector, RateStreams)
        detector.observe(answers > 0)

    def steps(self, answers: Floats) -> Floats:
        """Logarithms of how much likelier a verdict is at twice the limit."""
        steps: Floats = np.where(answers > 0, math.log(2),
                                 math.log((1 - 2 * self.limit) / (1 - self.limit)))
        return steps

    def naive(self, day: Floats) -> Flags:
        """Whose interval of Wilson is above the limit."""
        lowers = np.array([wilson(x, self.a_day)[0] for x in range(self.a_day + 1)])
        beyond: Flags = lowers[day.sum(axis=0).astype(np.int64)] > self.limit
        return beyond

    def fives(self, level: float) -> float:
        """Alarms of a year of conversations: all five answers of one fail, or none does.

        Of each the first answer that comes into the sample is judged, as units are made.
        """
        detector, settled = self.detector(), math.ceil(_SETTLED_ANSWERS / self.a_day)
        for day in range(settled + DAYS):
            if day == settled:
                detector.begun[:] = 0
            fails = self.draw(level, self.a_day) > 0
            sampled = self._random.random((FIVE, *fails.shape)) < SAMPLED
            for verdicts, judged in zip(*first_sampled(np.stack([fails] * FIVE), sampled),
                                        strict=True):
                detector.observe(verdicts, judged)
        return float(detector.begun.mean())

    def all_five(self, level: float) -> float:
        """The same, if all five were judged: as many answers a day, a fifth as many fates."""
        detector = self.detector()
        for _ in range(DAYS):
            for fails in self.draw(level, self.a_day // FIVE):
                for _ in range(FIVE):
                    self.observe(detector, fails)
        return float(detector.begun.mean())


def first_sampled(verdicts: Flags, sampled: Flags) -> tuple[Flags, Flags]:
    """Of answers by place in their conversation: the verdict of its unit, and if it has one."""
    judged: Flags = np.logical_or.reduce(sampled, axis=0)
    first = np.expand_dims(sampled.argmax(axis=0), 0)
    units: Flags = np.take_along_axis(verdicts, first, axis=0)[0]
    return units, judged


class MeanWorld(World):
    """Scores, held against DROP below a reference whose true mean is USUAL_MEAN."""

    def detector(self) -> MeanStreams:
        """New detectors, each with a reference of its own."""
        return MeanStreams(*self._references(), DROP, DAYS * self.a_day)

    def draw(self, level: float, count: int) -> Floats:
        """Scores of this mean."""
        cumulative = np.cumsum(score_parts(level))[:-1]
        places = np.searchsorted(cumulative, self._random.random((count, self.streams)))
        scores: Floats = np.array(VALUES)[places]
        return scores

    def observe(self, detector: EvidenceStreams, answers: Floats) -> None:
        """Show each detector a score."""
        assert isinstance(detector, MeanStreams)
        detector.observe(answers)

    def morning(self, detector: EvidenceStreams, day: int) -> None:
        """Each month another reference, as if the usual time had been before it: the worst."""
        assert isinstance(detector, MeanStreams)
        if day % REFERENCE_DAYS == 0:
            detector.hold_against(*self._references())

    def steps(self, answers: Floats) -> Floats:
        """How far a score is below the middle of what is allowed and FALLEN: the mean known."""
        return (USUAL_MEAN - DROP + FALLEN) / 2 - answers

    def naive(self, day: Floats) -> Flags:
        """Whose interval of a day's mean is below what is allowed."""
        half = 1.96 * day.std(axis=0, ddof=1) / math.sqrt(self.a_day)
        beyond: Flags = day.mean(axis=0) + half < USUAL_MEAN - DROP
        return beyond

    def _references(self) -> tuple[Floats, Floats]:
        counts: Counts = self._random.multinomial(
            REFERENCE_DAYS * self.a_day, score_parts(USUAL_MEAN), self.streams)
        return references(VALUES, counts)


def score_parts(mean: float) -> list[float]:
    """How often each of VALUES is, at a mean: the beta-binomial distribution."""
    statements = len(VALUES) - 1

    def log_beta(alpha: float, beta: float) -> float:
        return math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)

    alpha, beta = ALIKE * mean, ALIKE * (1 - mean)
    return [math.comb(statements, k)
            * math.exp(log_beta(k + alpha, statements - k + beta) - log_beta(alpha, beta))
            for k in range(statements + 1)]
