"""Intervals of proportions, against what is published and what defines them."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.quality.rates.intervals import (
    DRAWS,
    beta_below,
    beta_quantile,
    clopper_pearson,
    possible_parts,
    wilson,
)

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_and_clopper_pearson_give_what_is_published() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I: methods 3 and 5."""
    for (x, n), score, exact in (
            ((81, 263), (0.2553, 0.3662), (0.2527, 0.3676)),
            ((15, 148), (0.0624, 0.1605), (0.0578, 0.1617)),
            ((0, 20), (0.0, 0.1611), (0.0, 0.1684)),
            ((1, 29), (0.0061, 0.1718), (0.0009, 0.1776))):
        assert wilson(x, n) == pytest.approx(score, abs=5e-5)
        assert clopper_pearson(x, n) == pytest.approx(exact, abs=5e-5)


def test_nothing_seen_leaves_everything_open() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)


@settings(max_examples=100, deadline=None, database=None)
@given(COUNTS)
def test_an_interval_has_its_proportion_and_mirrors_that_of_the_others(
        counts: tuple[int, int]) -> None:
    x, n = counts
    for interval in (wilson, clopper_pearson):
        lower, upper = interval(x, n)
        assert 0 <= lower <= x / n <= upper <= 1
        assert interval(n - x, n) == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
       st.floats(0.01, 0.99))
def test_the_beta_distribution_is_the_tail_of_the_binomial(
        counts: tuple[int, int], value: float) -> None:
    x, n = counts
    tail = sum(comb(n, k) * value**k * (1 - value)**(n - k) for k in range(x, n + 1))
    assert beta_below(value, x, n - x + 1) == pytest.approx(tail, abs=1e-11)


@settings(max_examples=100, deadline=None, database=None)
@given(st.floats(0.5, 3000), st.floats(0.5, 3000), st.floats(0.001, 0.999))
def test_a_quantile_has_its_probability_below_it(alpha: float, beta: float, part: float) -> None:
    assert beta_below(beta_quantile(part, alpha, beta), alpha, beta) == pytest.approx(
        part, abs=1e-6)


@pytest.mark.parametrize(("x", "n", "lower", "upper"), [
    (1, 100, (1.5, 99.5), (1.5, 99.5)), (150, 3000, (150.5, 2850.5), (150.5, 2850.5)),
    (12.5, 99.5, (13.0, 87.5), (13.0, 87.5)), (0, 20, None, (1, 20)), (20, 20, (20, 1), None)])
def test_draws_fall_as_their_distribution_does(
        x: float, n: float, lower: tuple[float, float] | None, upper: tuple[float, float] | None
        ) -> None:
    for draws, shape, edge in zip(possible_parts(x, n, "7"), (lower, upper), (0, 1), strict=True):
        assert len(draws) == DRAWS
        if shape is None:
            assert set(draws) == {edge}
            continue
        steps = [abs(beta_below(value, *shape) - (place + 0.5) / DRAWS)
                 for place, value in enumerate(sorted(draws))]
        assert max(steps) < 1.95 / DRAWS**0.5  # Kolmogorov and Smirnov, one in a thousand


def test_draws_repeat_with_their_seed() -> None:
    assert possible_parts(3, 40, "7") == possible_parts(3, 40, "7") != possible_parts(3, 40, "8")


@pytest.mark.parametrize(("x", "n"), [(0, 20), (0, 100), (100, 100)])
def test_where_none_or_all_were_seen_the_ends_are_those_of_clopper_and_pearson(
        x: int, n: int) -> None:
    lower, upper = (sorted(draws) for draws in possible_parts(x, n, "7"))
    assert (lower[249], upper[-250]) == pytest.approx(clopper_pearson(x, n), abs=0.01)
