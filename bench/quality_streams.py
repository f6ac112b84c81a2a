"""Detectors of many streams at once: what the product's classes do, answer by answer, in arrays.

Tests hold each against the product's own on random answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inferometer.quality.rates.detector import (
    CAP,
    CLEAR,
    QUIET_ANSWERS,
    WORSE,
    likelihood_ratios,
    quiet_answers,
)
from inferometer.quality.rates.score_detector import BOLDEST, DOUBT, DROPS, reference_bets

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.int64]
_HALVINGS = 40


class EvidenceStreams:
    """EvidenceDetector, of many streams; `begun` counts the alarms of each."""

    def __init__(self, streams: int, alternatives: int, false_alarm_answers: float) -> None:
        self._sums: Floats = np.zeros((alternatives, streams))
        self._false_alarm_answers = false_alarm_answers
        self._quiet_answers = QUIET_ANSWERS
        self._quiet: Counts = np.zeros(streams, dtype=np.int64)
        self.alarming: Flags = np.zeros(streams, dtype=np.bool_)
        self.begun: Counts = np.zeros(streams, dtype=np.int64)

    @property
    def evidence(self) -> Floats:
        """M / A of each stream."""
        evidence: Floats = (self._sums.sum(axis=0) / len(self._sums)
                            / self._false_alarm_answers)
        return evidence

    def take_in(self, factors: Floats, judged: Flags | None = None) -> None:
        """Take in an answer of each stream, or of those alone where one is judged."""
        sums, quiet = (1.0 + self._sums) * factors, self._quiet + 1
        if judged is not None:
            sums, quiet = np.where(judged, sums, self._sums), np.where(judged, quiet, self._quiet)
        self._sums = sums
        evidence = self.evidence
        if evidence.max() > CAP:
            self._sums = np.where(
                evidence > CAP, self._sums * (CAP / np.maximum(evidence, CAP)), self._sums)
        self._quiet = np.where(evidence < CLEAR, quiet, 0)
        alarming = (evidence >= 1) | (self.alarming & (self._quiet < self._quiet_answers))
        self.begun += alarming & ~self.alarming
        self.alarming = alarming


class RateStreams(EvidenceStreams):
    """RateDetector, of many streams."""

    def __init__(self, streams: int, null: float, false_alarm_answers: float) -> None:
        super().__init__(streams, len(WORSE), false_alarm_answers)
        self._quiet_answers = quiet_answers(null)
        flagged, unflagged = likelihood_ratios(null)
        self._flagged, self._unflagged = np.array([flagged]).T, np.array([unflagged]).T

    def observe(self, flagged: Flags, judged: Flags | None = None) -> None:
        """Take in a verdict of each stream."""
        self.take_in(np.where(flagged, self._flagged, self._unflagged), judged)


class MeanStreams(EvidenceStreams):
    """MeanDetector, of many streams, each with a reference of its own."""

    def __init__(self, lower: Floats, deviation: Floats, drop: float, false_alarm_answers: float
                 ) -> None:
        super().__init__(len(lower), len(DROPS), false_alarm_answers)
        self._drop = drop
        self.hold_against(lower, deviation)

    def hold_against(self, lower: Floats, deviation: Floats) -> None:
        """Take other references from the next answer on."""
        self._floor: Floats = lower - self._drop
        drops = np.array([DROPS]).T
        self._bets: Floats = np.minimum(drops / (deviation * deviation + drops * drops),
                                        BOLDEST / (1 - self._floor))

    def observe(self, scores: Floats) -> None:
        """Take in a score of each stream."""
        self.take_in(np.where(self._floor > 0, 1 + self._bets * (self._floor - scores), 0.0))


def references(values: Sequence[float], counts: Counts) -> tuple[Floats, Floats]:
    """The lower bound and the deviation of many references: counts by reference and value."""
    scores, answers = np.array(values), int(counts[0].sum())
    mean: Floats = counts @ scores / answers
    deviation: Floats = np.sqrt((counts * (scores - mean[:, None]) ** 2).sum(axis=1) / answers)
    lower, upper = np.zeros(len(mean)), mean.copy()
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        won = sum(np.exp(np.minimum(
            (counts * np.log1p(bet * (scores - middle[:, None]))).sum(axis=1), 600))
            for bet in reference_bets(answers))
        enough = won / len(reference_bets(answers)) >= 1 / DOUBT
        lower, upper = np.where(enough, middle, lower), np.where(enough, upper, middle)
    return lower, deviation


class Cusum:
    """Page's cumulative sum, of many streams: the anchor; its threshold has to be calibrated."""

    def __init__(self, streams: int) -> None:
        self._sums: Floats = np.zeros(streams)
        self.highest: Floats = np.zeros(streams)

    def add(self, steps: Floats) -> None:
        """Take in an answer of each stream."""
        self._sums = np.maximum(self._sums + steps, 0.0)
        self.highest = np.maximum(self.highest, self._sums)

    def threshold(self) -> float:
        """What is reached once in the time that was seen, on the average.

        In that time it is not reached at all in a part of 1 / e of the streams.
        """
        return float(np.quantile(self.highest, math.exp(-1)))
