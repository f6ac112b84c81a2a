"""What an hour is expected to be: medians, floors, chance, and weeks that lack an hour."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from inferometer.bands import WEEK, ExpectedBand, HourMean, band, chance_of, comparable

NOW = 500_000  # hours of Unix time


def weeks(*means: float, requests: int = 1000) -> Mapping[int, HourMean]:
    """The same hour of the weeks before, the last one first."""
    return {NOW - (place + 1) * WEEK: HourMean(mean, requests)
            for place, mean in enumerate(means)}


def expected(*means: float, requests: int = 1000, chance: float = 0.0) -> ExpectedBand | None:
    past = comparable(weeks(*means), NOW)
    return band(past, requests, chance)


def has_edges(one: ExpectedBand | None, *edges: float) -> bool:
    return one is not None and [*one] == pytest.approx(edges)


@pytest.mark.parametrize(("means", "band_"), [
    ((100, 100, 100, 100), (80, 100, 120)),  # a MAD of 0
    ((100, 102, 98, 100), (80, 100, 120)),  # 4 MAD are less than the floor
    ((90, 110, 80, 120), (40, 100, 160)),  # deviations of 10, 10, 20, 20: a MAD of 15
    ((100, 104, 1000, 96), (81.6, 102, 122.4)),  # an hour with an anomaly: a MAD of 4
    ((100, 200), (0, 150, 350)),  # of two that differ nobody says which is right
    ((100, 100, 110), (80, 100, 120)),
], ids=str)
def test_a_band_is_the_median_and_4_mad_to_each_side_or_a_fifth_of_it(
        means: tuple[float, ...], band_: tuple[float, float, float]) -> None:
    assert has_edges(expected(*means), *band_)


def test_a_band_needs_two_comparable_hours_of_the_last_four_weeks() -> None:
    assert expected() is None
    assert expected(100) is None  # a service that began last week
    assert expected(100, 100) is not None
    six = comparable(weeks(1, 2, 3, 4, 5, 6), NOW)
    assert [one.mean for one in six] == [1, 2, 3, 4]


def test_an_hour_of_fewer_than_30_requests_is_not_compared_with() -> None:
    past = {**weeks(100, 100), NOW - 3 * WEEK: HourMean(900, 29),
            NOW - 4 * WEEK: HourMean(0, 5000)}
    assert [one.mean for one in comparable(past, NOW)] == [100, 100]
    assert len(comparable({**past, NOW - 3 * WEEK: HourMean(900, 30)}, NOW)) == 3


def test_few_requests_have_a_wider_band_by_what_all_hours_of_four_weeks_stray() -> None:
    many, few = (expected(100, 100, 100, 100, requests=requests, chance=0.5)
                 for requests in (10_000, 36))
    assert has_edges(many, 80, 100, 120)
    room = 6 * 0.5 * 100 * (1 / 36 + 1 / 4000) ** 0.5
    assert room > 50
    assert has_edges(few, 100 - room, 100, 100 + room)


def test_chance_is_what_a_request_strays_and_hangs_neither_on_season_nor_on_traffic() -> None:
    dice = random.Random(1)
    chances = []
    for busy in (1, 20):
        means = {}
        for hour in range(NOW - 4 * WEEK, NOW):
            requests = busy * (40 + 20 * (hour % 24))
            season = 1000 * (1 + hour % 24)
            means[hour] = HourMean(season * dice.gauss(1, 0.5 / requests ** 0.5), requests)
        chances.append(chance_of(means, NOW))
    assert chances == pytest.approx([0.35] * 2, rel=0.1)  # of a normal one of 0.5


def test_chance_is_not_reckoned_from_a_handful_of_hours() -> None:
    means = {NOW - week * WEEK - hour: HourMean(100.0 + 10 * week, 1000)
             for week in range(1, 5) for hour in range(1, 6)}
    assert chance_of(means, NOW - WEEK + 1) == 0
    means |= {hour - 10: one for hour, one in means.items()}
    assert chance_of(means, NOW - WEEK + 1) > 0


def test_a_value_is_above_below_or_within() -> None:
    assert [ExpectedBand(80, 100, 120).side(value) for value in (79, 80, 120, 121)] == [-1, 0, 0, 1]
