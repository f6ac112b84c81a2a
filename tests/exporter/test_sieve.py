"""Values that cannot be, from any source: left out, counted by family, and without a trace."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.counters import SLACK_SECONDS, Pace
from inferometer.exposition import TEXT, render
from inferometer.families import Series
from inferometer.sieve import Refusals, Sieve
from inferometer.values import Histogram, Value

UNITS = ("_ratio", "_celsius", "_watts", "_hertz", "_bytes", "_seconds", "_tokens", "_total",
         "_joules_total", "_seconds_total", "_bytes_total")
ALL_ONES = (2.0**32 - 1, 2.0**64 - 1)
READ = tuple(metric for metric in (*c.GPU_METRICS, *c.SIGNAL_METRICS) if metric.kind != "histogram")


def series(metric: Metric) -> Series:
    return metric, ("x",)


def sifted(metric: Metric, value: float) -> float | None:
    return Sieve().sift({series(metric): value}, 0.0).get(series(metric))


@pytest.mark.parametrize("metric", READ, ids=lambda metric: metric.name)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -273.16, 1e300])
def test_no_family_shows_what_is_no_number_or_below_what_can_be(
        metric: Metric, value: float) -> None:
    assert sifted(metric, value) is None


@pytest.mark.parametrize(("metric", "value", "expected"), [
    (c.GPU_UTILIZATION, 1.0, 1.0), (c.GPU_UTILIZATION, 1.01, 1.0),
    (c.GPU_UTILIZATION, 1.02, None), (c.GPU_UTILIZATION, ALL_ONES[0] / 100, None),
    (c.SERVER_KV_USAGE, -0.005, 0.0), (c.SERVER_KV_USAGE, -0.02, None),
    (c.SERVER_KV_USAGE, 87.0, None), (c.SERVER_RUNNING, -1.0, None),
    (c.SERVER_START, 1.8e9, 1.8e9), (c.SERVER_START, 1.8e12, None),  # milliseconds
    (c.SERVER_RUNNING, ALL_ONES[1], None), (c.SERVER_OUTPUT, ALL_ONES[1], None),
    (c.GPU_TEMPERATURE, -5.0, -5.0), (c.GPU_TEMPERATURE, 255.0, None),
    (c.GPU_MEMORY_TOTAL, 0.0, None), (c.GPU_MEMORY_TOTAL, ALL_ONES[1], None),
    (c.GPU_POWER, ALL_ONES[0] / 1000, None), (c.GPU_POWER_LIMIT, 0.0, None),
    (c.GPU_CLOCK, ALL_ONES[0] * 1e6, None), (c.GPU_ENERGY, ALL_ONES[1] / 1000, None),
    (c.GPU_THROTTLED, ALL_ONES[1] / 1e9, None), (c.GPU_PCIE, ALL_ONES[1], None),
    (c.GPU_NVLINK, ALL_ONES[1] * 1024, None), (c.GPU_REMAP_PENDING, ALL_ONES[0], None),
    (c.GPU_REMAPPED, ALL_ONES[0], None), (c.GPU_ECC, ALL_ONES[1], None),
    (c.GPU_PROCESS_MEMORY, ALL_ONES[1], None),
])
def test_what_a_value_can_be_follows_from_its_unit_or_is_stated(
        metric: Metric, value: float, expected: float | None) -> None:
    assert sifted(metric, value) == expected


@pytest.mark.parametrize("metric", [metric for metric in c.METRICS if metric.under],
                         ids=lambda metric: metric.name)
def test_a_value_far_beyond_its_limit_is_left_out(metric: Metric) -> None:
    assert metric.under
    limit, multiple = metric.under
    sieve = Sieve()
    for share, shown in ((0.9, True), (1.1, False)):
        points = {series(metric): 1e3 * multiple * share, series(limit): 1e3}
        assert (series(metric) in sieve.sift(points, 0.0)) == shown
    assert dict(sieve.refusals.family([]).items()) == {(metric.name,): 1.0}


def test_a_limit_that_cannot_be_limits_nothing() -> None:
    points = {series(c.GPU_POWER): 312.0, series(c.GPU_POWER_LIMIT): 0.0}
    assert Sieve().sift(points, 0.0) == {series(c.GPU_POWER): 312.0}


def test_refused_values_are_counted_by_family_from_0_on() -> None:
    sieve = Sieve(Refusals())
    sieve.sift({series(c.GPU_UTILIZATION): math.nan, series(c.GPU_POWER): 300.0}, 0.0)
    sieve.sift_one(c.GPU_UTILIZATION, {("a",): 7.0, ("b",): 0.5}, 1.0)
    assert dict(sieve.refusals.family([c.GPU_POWER]).items()) == {
        (c.GPU_UTILIZATION.name,): 2.0, (c.GPU_POWER.name,): 0.0}


def test_where_nothing_is_live_the_page_has_no_empty_line() -> None:
    assert render([Refusals().family([])], TEXT) == b""


def counter(readings: list[float], seconds: float = 1.0) -> list[float | None]:
    """What is shown of a counter of seconds, read so often."""
    sieve = Sieve()
    return [sieve.sift({series(c.GPU_THROTTLED): value}, turn * seconds).get(
        series(c.GPU_THROTTLED)) for turn, value in enumerate(readings)]


def test_a_jump_that_is_taken_back_leaves_no_trace() -> None:
    assert counter([10, 11, 4e8, 12, 13]) == [10, 11, None, 12, 13]


def test_a_jump_that_stays_is_a_new_source_whose_growth_is_added() -> None:
    assert counter([10, 11, 4e8, 4e8 + 1, 4e8 + 2]) == [10, 11, None, 11, 12]


def test_after_a_reset_a_counter_counts_from_nothing() -> None:
    assert counter([1000, 1001, 0, 1, 2]) == [1000, 1001, 0, 1, 2]
    assert counter([10, 4e8, 4e8 + 1, 0, 1]) == [10, None, 10, 0, 1]


def test_a_dip_to_0_is_a_reset_and_its_end_no_growth() -> None:
    assert counter([1000, 0, 1002, 1003]) == [1000, 0, None, 0]


def test_a_counter_that_trembles_was_not_reset() -> None:
    assert counter([1000, 999.5, 1001, 1000.5, 1002]) == [1000, None, 1001, None, 1002]
    assert counter([1000, 800, 801, 802]) == [1000, None, 1000, 1001]


def test_a_counter_may_grow_for_as_long_as_nobody_looked() -> None:
    assert counter([0, 3600], seconds=3600.0) == [0, 3600]


def test_a_histogram_keeps_the_same_pace() -> None:
    def of(count: float) -> Histogram:
        return Histogram((1.0,), (count, count), count)

    pace: Pace[str] = Pace()
    shown = [pace.of("x", of(count), 1.0, turn)
             for turn, count in enumerate((5, 6, 1e9, 1e9 + 1, 1e9 + 2))]
    assert shown == [of(5), of(6), None, of(6), of(7)]


readings = st.lists(st.one_of(
    st.integers(0, 30).map(float), st.floats(0, 2.0**53), st.sampled_from(ALL_ONES)), max_size=30)


@given(readings)
def test_whatever_is_read_no_counter_grows_by_more_than_time_allows(values: list[float]) -> None:
    pace: Pace[str] = Pace()
    before: float | None = None
    seen_at = 0.0
    for turn, value in enumerate(values):
        shown: Value | None = pace.of("x", value, 1.0, float(turn))
        if isinstance(shown, float):
            if before is not None:
                assert shown - before <= turn - seen_at + SLACK_SECONDS
            before, seen_at = shown, float(turn)
