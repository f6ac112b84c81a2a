"""How often the interval of a corrected rate has the truth in it, judge by judge."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from bench.quality_streams import Counts, Floats
from inferometer.quality.rates.estimates import ENOUGH_LABELS, TAIL
from inferometer.quality.rates.intervals import DRAWS, possible_shapes, wilson

JUDGED = 3000
TRUTHS = (0.01, 0.02, 0.05, 0.12, 0.30)
SENSITIVITIES = (0.6, 0.85, 1.0)
SPECIFICITIES = (0.9, 0.95, 1.0)
LABELS = (40, 100, 200)
_SPARE = 4  # times the runs that are drawn, as some cannot be labelled


class Cell(NamedTuple):
    """What came of one truth, one judge, and one number of labels."""

    truth: float
    sensitivity: float
    specificity: float
    labels: int
    possible: float  # part of the runs in which 20 of each could be labelled
    covered: float  # part of those in which the interval has the truth in it
    width: float  # of the interval, on the average
    judged_covered: float  # in which the interval of what the judge says has it


def cells(runs: int, random: np.random.Generator) -> Iterator[Cell]:
    """All of the table; each with as many runs that could be labelled, if a quarter could."""
    ends = CorrectedEnds(random)
    for truth, sensitivity, specificity in product(TRUTHS, SENSITIVITIES, SPECIFICITIES):
        ends.forget()
        for labels in LABELS:
            outcomes, possible = _outcomes(
                truth, sensitivity, specificity, labels, runs, random)
            if not len(outcomes):
                yield Cell(truth, sensitivity, specificity, labels, possible, *(np.nan,) * 3)
                continue
            kinds, times = np.unique(outcomes, axis=0, return_counts=True)
            intervals = np.array([ends.interval(*kind) for kind in kinds.tolist()])
            judged = np.array([wilson(int(kind[0]), JUDGED) for kind in kinds])
            yield Cell(truth, sensitivity, specificity, labels, possible,
                       _covered(intervals, truth, times),
                       float(np.average(intervals[:, 1] - intervals[:, 0], weights=times)),
                       _covered(judged, truth, times))


def _covered(intervals: Floats, truth: float, times: Counts) -> float:
    inside = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    return float(np.average(inside, weights=times))


def _outcomes(truth: float, sensitivity: float, specificity: float, labels: int, runs: int,
              random: np.random.Generator) -> tuple[Counts, float]:
    """Flagged answers; flagged ones labelled, bad of those; the same of the others: run by run.

    Half of the labels are of flagged answers, or as many as there are; the rest of the others.
    """
    bad = random.binomial(JUDGED, truth, runs * _SPARE)
    caught = random.binomial(bad, sensitivity)
    invented = random.binomial(JUDGED - bad, 1 - specificity)
    flagged = caught + invented
    of_flagged = np.minimum(labels // 2, flagged)
    of_others = np.minimum(labels - of_flagged, JUDGED - flagged)
    possible = np.minimum(of_flagged, of_others) >= ENOUGH_LABELS
    outcomes = np.stack([
        flagged, of_flagged, random.hypergeometric(caught, invented, of_flagged), of_others,
        random.hypergeometric(bad - caught, JUDGED - flagged - (bad - caught), of_others)], 1)
    return outcomes[possible][:runs], float(possible.mean())


class CorrectedEnds:
    """The ends of corrected rates, by draws of numpy's."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._draws: dict[tuple[float, float, int], Floats] = {}

    def forget(self) -> None:
        """Draw anew from now on."""
        self._draws.clear()

    def interval(self, flagged: int, of_flagged: int, bad: int, of_others: int, missed: int
                 ) -> tuple[float, float]:
        """The ends of one rate."""
        parts = [[self._drawn(*shape, place) for shape in possible_shapes(x, n)]
                 for place, (x, n) in enumerate((
                     (flagged, JUDGED), (bad, of_flagged), (missed, of_others)))]
        ratio = flagged / JUDGED
        point = ratio * (bad / of_flagged) + (1 - ratio) * (missed / of_others)
        return interval_of([(lower, upper) for lower, upper in parts], point)

    def _drawn(self, alpha: float, beta: float, place: int) -> Floats:
        key = (alpha, beta, place)
        if key not in self._draws:
            edge = alpha <= 0 or beta <= 0
            self._draws[key] = (np.full(DRAWS, float(beta <= 0)) if edge
                                else self._random.beta(alpha, beta, DRAWS))
        return self._draws[key]


def interval_of(parts: list[tuple[Floats, Floats]], point: float) -> tuple[float, float]:
    """Both ends, of draws of q, PPV and FOR for either; a test holds it against corrected_rate."""
    ends: list[float] = []
    for (q, precision, omission), place in zip(zip(*parts, strict=True), (TAIL, DRAWS - 1 - TAIL),
                                               strict=True):
        rates = q * precision + (1 - q) * omission
        ends.append(float(np.partition(rates, place)[place]))
    return min(ends[0], point), max(ends[1], point)
