"""Derived counters under any order of readings, resets and delays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.counters import Growth, Remainder, SummedCounters, Sums
from inferometer.values import Histogram, Value, growth, sum_of

Reading = tuple[str, Value, float]  # source, value, when it was taken

BOUNDS = (0.1, 0.5, 1.0, 2.5, 10.0)
SOURCES = st.sampled_from(["a", "b", "c"])
COUNTS = st.integers(0, 2**40).map(float)


@st.composite
def histograms(draw: st.DrawFn, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    steps = draw(st.lists(st.integers(0, 50), min_size=len(bounds) + 1,
                          max_size=len(bounds) + 1))
    counts = tuple(float(sum(steps[: i + 1])) for i in range(len(steps)))
    return Histogram(bounds, counts, float(draw(st.integers(0, 1000))))


KINDS: list[st.SearchStrategy[Value]] = [COUNTS, histograms()]


@st.composite
def any_readings(draw: st.DrawFn) -> list[Reading]:
    """Values that rise, fall and come late, in any order."""
    values = draw(st.sampled_from(KINDS))
    return draw(st.lists(st.tuples(SOURCES, values, st.integers(0, 20).map(float)), max_size=40))


@st.composite
def growing(draw: st.DrawFn) -> list[Reading]:
    """Sources that only grow, read in the order of time."""
    last: dict[str, Value] = {}
    read: list[Reading] = []
    values = draw(st.sampled_from(KINDS))
    steps = draw(st.lists(st.tuples(SOURCES, values), max_size=40))
    for read_at, (source, more) in enumerate(steps):
        last[source] = sum_of(last[source], more) if source in last else more
        read.append((source, last[source], float(read_at)))
    return read


def parts(value: Value) -> tuple[float, ...]:
    if isinstance(value, Histogram):
        assert value.total is not None
        return (*value.counts, value.total)
    return (value,)


def rises(earlier: Value, later: Value) -> bool:
    return all(a <= b for a, b in zip(parts(earlier), parts(later), strict=True))


def totals(readings: Sequence[Reading], sums: Sums[str] | None = None) -> list[Value]:
    sums = sums or Sums()
    return [sums.add("total", source, value, read_at) for source, value, read_at in readings]


def is_late(readings: Sequence[Reading], index: int) -> bool:
    source, _, read_at = readings[index]
    return any(s == source and t > read_at for s, _, t in readings[:index])


@settings(deadline=None, database=None, max_examples=300)
@given(any_readings())
def test_a_sum_never_falls_whatever_its_sources_do(readings: list[Reading]) -> None:
    assert all(rises(a, b) for a, b in pairwise(totals(readings)))


@settings(deadline=None, database=None, max_examples=300)
@given(growing())
def test_a_sum_without_resets_is_what_its_sources_add_up_to(readings: list[Reading]) -> None:
    last: dict[str, Value] = {}
    for (source, value, _), total in zip(readings, totals(readings), strict=True):
        last[source] = value
        first, *others = last.values()
        for other in others:
            first = sum_of(first, other)
        assert total == first


@settings(deadline=None, database=None, max_examples=300)
@given(any_readings())
def test_a_late_reading_changes_no_sum(readings: list[Reading]) -> None:
    in_order = [r for i, r in enumerate(readings) if not is_late(readings, i)]
    kept = [total for i, total in enumerate(totals(readings)) if not is_late(readings, i)]
    assert kept == totals(in_order)


@settings(deadline=None, database=None)
@given(growing(), st.integers(0, 40))
def test_what_is_lost_in_a_reset_is_only_what_nobody_read(readings: list[Reading],
                                                          cut: int) -> None:
    before, after = readings[:cut], readings[cut:]
    lost: dict[str, Value] = {source: value for source, value, _ in before}
    restarted = [(s, growth(lost.get(s), v), read_at) for s, v, read_at in after]
    exact, seen = totals(readings), totals([*before, *restarted])
    assert all(rises(a, b) for a, b in pairwise(seen))
    if exact:
        assert rises(seen[-1], exact[-1])


@pytest.mark.parametrize(("values", "total"), [
    ([5, 7, 9], 9), ([5, 2], 7), ([5, 0, 3], 8), ([5, 5, 5], 5), ([0, 0], 0), ([9, 4, 1, 2], 15),
])
def test_a_source_that_fell_counts_from_nothing_again(values: list[int], total: int) -> None:
    readings = [("a", float(value), float(read_at)) for read_at, value in enumerate(values)]
    assert totals(readings)[-1] == total


@settings(deadline=None, database=None)
@given(any_readings())
def test_growth_is_never_negative_and_nothing_for_a_late_reading(readings: list[Reading]) -> None:
    seen: Growth[str] = Growth()
    for index, (source, value, read_at) in enumerate(readings):
        grown = seen.of(source, value, read_at)
        assert (grown is None) == is_late(readings, index)
        assert grown is None or min(parts(grown)) >= 0


def test_no_source_of_the_present_reading_is_forgotten_however_many_there_are() -> None:
    sums: Sums[int] = Sums(most=10)
    for read_at in range(3):
        read = [sums.add(key, "source", float(key + read_at), float(read_at)) for key in range(100)]
        assert read == [key + read_at for key in range(100)]


def test_sources_longest_unseen_are_forgotten_above_the_cap() -> None:
    sums: Sums[int] = Sums(most=10)
    for key in range(1000):
        sums.add(key, "source", 1.0, float(key))
    assert len(sums._totals) <= 12
    assert len(sums._growth._last) <= 12


def test_a_late_reading_of_something_forgotten_starts_it_anew() -> None:
    sums: Sums[int] = Sums(most=1)
    for key, read_at in ((1, 5.0), (2, 5.0), (2, 6.0), (2, 7.0)):
        sums.add(key, "source", 3.0, read_at)
    assert sums.add(1, "source", 4.0, 1.0) == 4.0


Step = tuple[int, int, int]  # unexplained events, explained at once, explained one reading early


@settings(deadline=None, database=None, max_examples=500)
@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=30))
def test_a_remainder_is_exact_if_parts_show_with_the_overall_count_or_one_reading_before(
        steps: list[Step]) -> None:
    remainder = Remainder()
    overall = part = unexplained = 0
    early = 0  # counted in the part, not yet in the overall count
    for read_at, (alone, together, next_time) in enumerate([*steps, (0, 0, 0)]):
        overall += alone + together + early
        part += together + next_time
        early = next_time
        unexplained += alone
        total = remainder.add({"a": overall}, {"a": part}, read_at)
        assert total <= unexplained
    assert total == unexplained


@settings(deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9),
                          st.integers(0, 20)), max_size=40))
def test_a_remainder_never_falls_and_ignores_what_comes_late(
        readings: list[tuple[int, int, int, int]]) -> None:
    remainder, in_order = Remainder(), Remainder()
    newest, last = -1, 0.0
    for overall, one, other, read_at in readings:
        total = remainder.add({"a": overall}, {"a": one, "b": other}, read_at)
        assert total >= last
        if read_at < newest:
            assert total == last
        else:
            assert total == in_order.add({"a": overall}, {"a": one, "b": other}, read_at)
        newest, last = max(newest, read_at), total


def test_a_remainder_forgives_a_part_that_never_shows_in_the_overall_count() -> None:
    remainder = Remainder()
    for read_at, part in enumerate((0, 1, 1)):  # the overall count never has this part
        remainder.add({"a": 0}, {"a": part}, read_at)
    assert remainder.add({"a": 1}, {"a": 1}, 3) == 1


def test_a_remainder_takes_growth_child_by_child() -> None:
    """One child reset must not hide what another grew, nor count what it had before again."""
    remainder = Remainder()
    assert remainder.add({"a": 100, "b": 0}, {}, 0) == 100
    assert remainder.add({"a": 10, "b": 95}, {}, 1) == 205
    assert remainder.add({"a": 10, "b": 5}, {}, 2) == 210


def test_many_sources_of_one_reading_are_all_remembered_until_the_next() -> None:
    sums: Sums[str] = Sums(most=10)
    for read_at in range(4):
        for source in range(1000):
            total = sums.add("key", source, 5.0 * (read_at + 1), float(read_at))
        assert total == 5000.0 * (read_at + 1)


Children = dict[int, float]


@settings(deadline=None, database=None)
@given(st.lists(st.dictionaries(st.integers(0, 3), st.integers(0, 20).map(float), min_size=1),
                min_size=1, max_size=20))
def test_a_sum_of_children_falls_only_if_all_it_had_were_lost(pages: list[Children]) -> None:
    summed: SummedCounters[str] = SummedCounters()
    before: Children = {}
    last = 0.0
    for read_at, page in enumerate(pages):
        overall = summed.total_of("key", page, float(read_at))
        assert isinstance(overall, float)
        stayed = [child for child in before if page.get(child, -1.0) >= before[child]]
        if stayed or not before:
            assert overall >= last
        else:
            assert overall == sum(page.values())
        before, last = page, overall


def test_a_single_child_is_passed_on_as_it_is() -> None:
    summed: SummedCounters[str] = SummedCounters()
    passed_on = [summed.total_of("key", {"a": value}, read_at)
                 for read_at, value in enumerate((5.0, 9.0, 2.0, 3.0))]
    assert passed_on == [5.0, 9.0, 2.0, 3.0]


@st.composite
def bounds(draw: st.DrawFn) -> tuple[float, ...]:
    return tuple(sorted(draw(st.sets(st.integers(1, 2000), min_size=1, max_size=60))))


@settings(deadline=None, database=None)
@given(st.data(), bounds(), st.integers(1, 70))
def test_a_coarsened_histogram_keeps_some_bounds_with_their_counts_and_the_last(
        data: st.DataObject, fine: tuple[float, ...], most: int) -> None:
    histogram = data.draw(histograms(fine))
    coarse = histogram.coarsened(most)
    assert len(coarse.bounds) == min(most, len(fine))
    assert coarse.bounds[-1] == fine[-1]
    assert list(coarse.bounds) == sorted(set(coarse.bounds))
    count = dict(zip((*fine, None), histogram.counts, strict=True))
    assert coarse.counts == tuple(count[bound] for bound in (*coarse.bounds, None))
    assert coarse.total == histogram.total


@settings(deadline=None, database=None)
@given(st.data(), bounds(), bounds())
def test_two_histograms_are_added_over_the_bounds_they_share(
        data: st.DataObject, first: tuple[float, ...], second: tuple[float, ...]) -> None:
    one, other = data.draw(histograms(first)), data.draw(histograms(second))
    both = one.plus(other)
    assert both.bounds == tuple(sorted(set(first) & set(second)))
    assert both == other.plus(one)
    assert both.counts[-1] == one.counts[-1] + other.counts[-1]
    for bound, count in zip(both.bounds, both.counts, strict=False):
        assert count == one.counts[first.index(bound)] + other.counts[second.index(bound)]


def test_a_sum_with_an_unknown_total_has_none() -> None:
    with_total, without_total = Histogram((1.0,), (1, 2), 3.0), Histogram((1.0,), (1, 2), None)
    assert with_total.plus(without_total) == Histogram((1.0,), (2, 4), None)


def test_a_histogram_whose_bounds_changed_counts_from_nothing_again() -> None:
    sums: Sums[str] = Sums()
    sums.add("total", "a", Histogram((1.0, 2.0), (1, 2, 3), 4.0), 0)
    total = sums.add("total", "a", Histogram((2.0, 3.0), (5, 6, 7), 8.0), 1)
    assert total == Histogram((2.0,), (7, 10), 12.0)
