"""Whether the mean of a score fell, asked after every answer: a detector that bets on it.

By betting on bounded means: Waudby-Smith and Ramdas, JRSS B 86 (2024). The mean is held against a
reference, less what it may fall; the reference is itself a sample, so that its lower bound counts.
Nothing is supposed of scores but that they are 0 to 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from inferometer.quality.rates.detector import EvidenceDetector

ENOUGH_SCORES = 100  # of a reference
DOUBT = 0.05  # the probability that a reference's mean is below its lower bound
DEVIATIONS = (0.05, 0.1, 0.2, 0.4)  # of scores: for each there is a bet on the reference
DROPS = (0.025, 0.05, 0.1)  # below what is allowed: for each there is a bet on what came since
BOLDEST = 0.9  # part of what one has that one answer may cost
_HALVINGS = 40


class Reference(NamedTuple):
    """Scores of an earlier time, 0 to 1."""

    mean: float
    lower: float  # below which their true mean is in DOUBT of all cases at most
    deviation: float
    answers: int


def reference_of(scores: Iterable[float]) -> Reference | None:
    """What later scores are held against; None of fewer than ENOUGH_SCORES."""
    counts = Counter(scores)
    answers = counts.total()
    if answers < ENOUGH_SCORES:
        return None
    mean = math.fsum(score * count for score, count in counts.items()) / answers
    variance = math.fsum((score - mean) ** 2 * count for score, count in counts.items()) / answers
    return Reference(mean, _lower_bound(counts, mean, answers), math.sqrt(variance), answers)


def reference_bets(answers: int) -> tuple[float, ...]:
    """What is staked on each answer of a reference, for each of DEVIATIONS."""
    return tuple(min(math.sqrt(2 * math.log(1 / DOUBT) / answers) / deviation, BOLDEST)
                 for deviation in DEVIATIONS)


def _lower_bound(counts: Counter[float], mean: float, answers: int) -> float:
    """The least mean against which betting that it is more did not win 1 / DOUBT."""
    bets = reference_bets(answers)
    lower, upper = 0.0, mean
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        won = sum(math.exp(min(math.fsum(count * math.log1p(bet * (score - middle))
                                         for score, count in counts.items()), 600))
                  for bet in bets)
        if won / len(bets) >= 1 / DOUBT:
            lower = middle
        else:
            upper = middle
    return lower


class MeanDetector(EvidenceDetector):
    """Evidence that the mean score is more than `drop` below that of a reference."""

    def __init__(self, reference: Reference, drop: float, false_alarm_answers: float) -> None:
        super().__init__(len(DROPS), false_alarm_answers)
        self._drop = drop
        self.hold_against(reference)

    def hold_against(self, reference: Reference) -> None:
        """Take another reference from the next answer on; what was seen counts on."""
        self.floor = reference.lower - self._drop
        self._bets = bets(self.floor, reference.deviation)

    def observe(self, score: float) -> None:
        """Take in the score of one answer, 0 to 1, in the order of judging."""
        if not 0 <= score <= 1:
            raise ValueError(f"a score is 0 to 1, not {score}")
        self.take_in([1 + bet * (self.floor - score) for bet in self._bets]
                     if self.floor > 0 else _NOTHING)


def bets(floor: float, deviation: float) -> Sequence[float]:
    """What is staked on each answer being below a floor, for each of DROPS."""
    boldest = BOLDEST / (1 - floor)
    return [min(drop / (deviation * deviation + drop * drop), boldest) for drop in DROPS]


_NOTHING = (0.0,) * len(DROPS)  # no mean is below a floor of 0
