"""How many answers fail: as a judge has it, and corrected by what people say of some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from inferometer.quality.rates.intervals import DRAWS, LEVEL, possible_parts, wilson

ENOUGH_LABELS = 20  # of flagged answers, and as many of the others
TAIL = round((1 - LEVEL) / 2 * DRAWS)  # draws beyond either end of an interval


class Interval(NamedTuple):
    """A part of the answers, 0 to 1, with the ends of its interval of 95 %."""

    point: float
    lower: float
    upper: float


class LabelCounts(NamedTuple):
    """Judged answers that people labelled: by the judge's verdict, and by the people's."""

    flagged_bad: int
    flagged_good: int
    unflagged_bad: int
    unflagged_good: int

    @property
    def enough(self) -> bool:
        """Whether they correct a rate: there are ENOUGH_LABELS on either side."""
        return min(self.flagged_bad + self.flagged_good,
                   self.unflagged_bad + self.unflagged_good) >= ENOUGH_LABELS


class Corrected(NamedTuple):
    """A rate of answers that fail, and how well the judge sees them.

    None where no answer is of the kind that the judge should have seen.
    """

    rate: Interval
    sensitivity: float | None  # of the answers that fail, the part that is flagged
    specificity: float | None  # of the good ones, the part that is not


def judged_rate(flagged: Sequence[tuple[bool, float]]) -> Interval | None:
    """Which part of the answers a judge flags: of its verdicts, and the probability of each.

    The probability is that with which the answer came into the sample, above 0. Where they differ,
    an answer weighs what it stands for, and the sample counts as the smaller one that it is worth
    (Kish). It says nothing of the judge's errors. None without an answer.
    """
    flags, size = effective(flagged)
    if not size:
        return None
    lower, upper = wilson(flags, size)
    return Interval(flags / size, lower, upper)


def effective(flagged: Sequence[tuple[bool, float]]) -> tuple[float, float]:
    """How many flags of how many answers a sample is worth: the very counts of an even one."""
    flags, weights = sum(flag for flag, _ in flagged), [1 / part for _, part in flagged]
    if len(set(weights)) <= 1:
        return float(flags), float(len(flagged))
    total = math.fsum(weights)
    size = total * total / math.fsum(weight * weight for weight in weights)
    of_flagged = math.fsum(weight for weight, (flag, _) in zip(weights, flagged, strict=True)
                           if flag)
    return of_flagged / total * size, size


def corrected_rate(judged_flagged: float, judged: float, labels: LabelCounts, seed: int
                   ) -> Corrected | None:
    """Which part of the answers fail, of what a judge flagged and of what people labelled.

    Of `judged` answers, `judged_flagged` were flagged; the labels are of answers of the same
    sample, drawn at random of the flagged and of the others. An answer fails if it is flagged and
    truly bad, or not flagged and bad nevertheless: p = q * PPV + (1 - q) * FOR, each part drawn
    10,000 times from what it may be, with the seed; the ends are percentiles of that. None while
    there are not enough labels.
    """
    if not labels.enough or judged <= 0:
        return None
    ratio = judged_flagged / judged
    flagged, unflagged = labels[0] + labels[1], labels[2] + labels[3]
    precision, omission = labels.flagged_bad / flagged, labels.unflagged_bad / unflagged
    caught, missed = ratio * precision, (1 - ratio) * omission
    cleared, alarmed = (1 - ratio) * (1 - omission), ratio * (1 - precision)
    ends = [
        sorted(q * ppv + (1 - q) * omitted for q, ppv, omitted in zip(*parts, strict=True))
        for parts in zip(possible_parts(judged_flagged, judged, f"{seed} flagged"),
                         possible_parts(labels.flagged_bad, flagged, f"{seed} precision"),
                         possible_parts(labels.unflagged_bad, unflagged, f"{seed} omission"),
                         strict=True)]
    point = caught + missed
    return Corrected(
        Interval(point, min(ends[0][TAIL], point), max(ends[1][-1 - TAIL], point)),
        _part(caught, missed), _part(cleared, alarmed))


def _part(some: float, others: float) -> float | None:
    return some / (some + others) if some + others > 0 else None
