"""Intervals of a proportion of which a sample was seen: x of n. Counts may be effective ones.

Wilson: E. B. Wilson, JASA 22 (1927). Clopper-Pearson: Biometrika 26 (1934). Jeffreys: Brown, Cai
and DasGupta, Statistical Science 16 (2001).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from statistics import NormalDist

LEVEL = 0.95
DRAWS = 10_000
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_TINY = 1e-300
_STEPS = 300  # of a continued fraction, which takes some ten where n is a few thousand
_HALVINGS = 60


def wilson(x: float, n: float) -> tuple[float, float]:
    """Both ends of Wilson's interval of 95 %; everything where nothing was seen."""
    if n <= 0:
        return 0.0, 1.0
    ratio, shrink = x / n, 1 + _Z * _Z / n
    middle = (ratio + _Z * _Z / (2 * n)) / shrink
    half = _Z / shrink * math.sqrt(max(0.0, ratio * (1 - ratio)) / n + (_Z / (2 * n)) ** 2)
    return (0.0 if x <= 0 else max(0.0, middle - half),
            1.0 if x >= n else min(1.0, middle + half))


def clopper_pearson(x: float, n: float) -> tuple[float, float]:
    """Both ends of the exact interval, which covers in 95 % of cases at the least."""
    tail = (1 - LEVEL) / 2
    lower = 0.0 if x <= 0 else beta_quantile(tail, x, n - x + 1)
    upper = 1.0 if x >= n else beta_quantile(1 - tail, x + 1, n - x)
    return lower, upper


def possible_parts(x: float, n: float, seed: str) -> tuple[Sequence[float], Sequence[float]]:
    """What the proportion may be, as draws for a lower and as draws for an upper end."""
    lower, upper = possible_shapes(x, n)
    return beta_draws(*lower, seed), beta_draws(*upper, seed)


def possible_shapes(x: float, n: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The beta distributions of both ends: one and the same, by the prior of Jeffreys.

    But where none or all of n were x, that prior says too much of what was never seen, so that it
    is the two of Clopper and Pearson (Fay, Proschan and Brittain, Biometrics 71 (2015)).
    """
    if 0 < x < n:
        return ((x + 0.5, n - x + 0.5),) * 2
    return (x, n - x + 1), (x + 1, n - x)


@lru_cache(maxsize=64)  # of 80 kB
def beta_draws(alpha: float, beta: float, seed: str) -> Sequence[float]:
    """DRAWS values of a beta distribution, the same for the same seed on every machine.

    Nothing but 0, or but 1, where its weight on the other side is 0.
    """
    if alpha <= 0 or beta <= 0:
        return array("d", (float(beta <= 0),)) * DRAWS
    variate = Random(seed).betavariate
    return array("d", (variate(alpha, beta) for _ in range(DRAWS)))


def beta_quantile(probability: float, alpha: float, beta: float) -> float:
    """The value below which a beta distribution has this probability."""
    lower, upper = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        if beta_below(middle, alpha, beta) < probability:
            lower = middle
        else:
            upper = middle
    return (lower + upper) / 2


def beta_below(value: float, alpha: float, beta: float) -> float:
    """The probability of less than a value: the regularized incomplete beta function."""
    if value <= 0 or value >= 1:
        return float(value >= 1)
    front = math.exp(math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta)
                     + alpha * math.log(value) + beta * math.log1p(-value))
    if value < (alpha + 1) / (alpha + beta + 2):
        return front * _fraction(value, alpha, beta) / alpha
    return 1 - front * _fraction(1 - value, beta, alpha) / beta


def _fraction(value: float, alpha: float, beta: float) -> float:
    """Its continued fraction, by Lentz: Numerical Recipes, section 6.4."""
    top, bottom = 1.0, 1 / _off_zero(1 - (alpha + beta) * value / (alpha + 1))
    result = bottom
    for m in range(1, _STEPS):
        for step in (m * (beta - m) * value / ((alpha + 2 * m - 1) * (alpha + 2 * m)),
                     -(alpha + m) * (alpha + beta + m) * value
                     / ((alpha + 2 * m) * (alpha + 2 * m + 1))):
            bottom = 1 / _off_zero(1 + step * bottom)
            top = _off_zero(1 + step / top)
            result *= top * bottom
        if abs(top * bottom - 1) < 1e-15:
            break
    return result


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
