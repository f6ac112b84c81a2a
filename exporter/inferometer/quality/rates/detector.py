"""Whether answers fail more often than they may, asked after every answer: an e-detector.

Shiryaev and Roberts' statistic M, averaged over what the rate may have become: Shin, Ramdas and
Rinaldo, "E-detectors", New England Journal of Statistics in Data Science 2 (2023). After n answers
its expectation is n at most while no expected factor is above 1, so that the first alarm at M >= A
comes after A answers or later, on the average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CLEAR = 0.8  # of what an alarm takes; below it one may end
QUIET_ANSWERS = 100  # after as many below it one ends,
QUIET_FLAGS = 5  # and after as many as have so many flags at the null
LASTING = 0.9  # as what evidence is given until then
CAP = 3.0  # of what an alarm takes: as much evidence is remembered
WORSE = (1.5, 2.0, 3.0)  # times the null: what the rate may have become
_LEAST_NULL, _MOST_NULL = 1e-4, 0.99


class EvidenceDetector:
    """Evidence against a null, as a part of what an alarm takes: `ratio`.

    An alarm begins where the ratio comes to 1. The evidence of a rate that is twice its limit
    often falls below CLEAR for a while, so that an alarm ends only when it stays there for
    `quiet_answers`. `false_alarm_answers` is A, in how many answers there may be one false alarm:
    those of all streams in a year, for one a year anywhere.
    """

    def __init__(self, alternatives: int, false_alarm_answers: float) -> None:
        self._sums = [0.0] * alternatives  # M by each alternative; M is their mean
        self._false_alarm_answers = _positive(false_alarm_answers)
        self.quiet_answers = QUIET_ANSWERS
        self._quiet = 0  # answers since the evidence was CLEAR last
        self.alarming = False

    @property
    def evidence(self) -> float:
        """M / A: 0 to CAP."""
        return sum(self._sums) / len(self._sums) / self._false_alarm_answers

    @property
    def ratio(self) -> float:
        """The evidence, and at least LASTING until an alarm ends."""
        return max(self.evidence, LASTING) if self.alarming else self.evidence

    def rescale(self, false_alarm_answers: float) -> None:
        """Have a false alarm in as many answers from now on; the ratio stays what it is."""
        factor = _positive(false_alarm_answers) / self._false_alarm_answers
        self._sums = [total * factor for total in self._sums]
        self._false_alarm_answers = false_alarm_answers

    def demand(self, false_alarm_answers: float) -> None:
        """The same where it was a guess before how many there are: the evidence stays as it is."""
        self._false_alarm_answers = _positive(false_alarm_answers)

    def take_in(self, factors: Sequence[float]) -> None:
        """Take in one answer: how much likelier it is by each alternative than by the null.

        This is M <- (1 + M) * LR, with an LR that is averaged over the alternatives, each weighed
        by the evidence for it so far.
        """
        self._sums = [(1.0 + total) * factor
                      for total, factor in zip(self._sums, factors, strict=True)]
        evidence = self.evidence
        if evidence > CAP:
            self._sums = [total * (CAP / evidence) for total in self._sums]
        self._quiet = self._quiet + 1 if evidence < CLEAR else 0
        self.alarming = evidence >= 1 or (self.alarming and self._quiet < self.quiet_answers)


class RateDetector(EvidenceDetector):
    """Evidence that more answers are flagged than a part of `null`, 0 to 1, both excluded."""

    def __init__(self, null: float, false_alarm_answers: float) -> None:
        super().__init__(len(WORSE), false_alarm_answers)
        self.hold_against(null)

    def hold_against(self, null: float) -> None:
        """Take another null from the next answer on; what was seen by the former one counts on."""
        if not 0 < null < 1:
            raise ValueError(f"a null is above 0 and below 1, not {null}")
        self.null = null
        self._flagged, self._unflagged = likelihood_ratios(null)
        self.quiet_answers = quiet_answers(null)

    def observe(self, flagged: bool) -> None:
        """Take in the verdict on one answer of the random sample, in the order of judging."""
        self.take_in(self._flagged if flagged else self._unflagged)


def likelihood_ratios(null: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How much likelier an answer is by each alternative: if it is flagged, and if it is not."""
    worse = [min(times * null, (1 + null) / 2) for times in WORSE]
    return (tuple(rate / null for rate in worse),
            tuple((1 - rate) / (1 - null) for rate in worse))


def quiet_answers(null: float) -> int:
    """How long the evidence stays small before an alarm ends: what is rare takes its time."""
    return max(QUIET_ANSWERS, math.ceil(QUIET_FLAGS / null))


def carried_null(limit: float, sensitivity: float, specificity: float) -> float:
    """The part of answers that a judge flags if a part of `limit` fails.

    Kept within what a detector can be held against. A judge who flags good answers as often as
    bad ones shows nothing; then no detector sees anything either.
    """
    flagged = sensitivity * limit + (1 - specificity) * (1 - limit)
    return min(max(flagged, _LEAST_NULL), _MOST_NULL)


def _positive(false_alarm_answers: float) -> float:
    if not 1 <= false_alarm_answers < float("inf"):
        raise ValueError(f"answers to a false alarm are 1 or more, not {false_alarm_answers}")
    return float(false_alarm_answers)
