"""Each bucket of a call's times has an exemplar: the last call in it that was counted."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import CLIENT_SEATS, Metric
from inferometer.facts import Outcome
from inferometer.ledger.counting import BOUNDS
from inferometer.values import Exemplar, Histogram
from tests.exporter.ledger.making import BEGIN, SECOND, Bench, call, ledger_in
from tests.exporter.ledger.test_agreement import FOLDER
from tests.exporter.ledger.test_seats import shown

pytestmark = pytest.mark.usefixtures("each_store")

KEY = ("openai", "m", "chat", "shop")
FIRST, SECOND_TRACE = b"1" * 16, b"2" * 16


def histogram(bench: Bench, metric: Metric = c.CLIENT_DURATION) -> Histogram:
    """Of the seat of the calls that `making` makes, as a page has it."""
    value = shown(bench)[metric].points[KEY]
    assert isinstance(value, Histogram)
    return value


def exemplars(bench: Bench, metric: Metric = c.CLIENT_DURATION) -> dict[float, Exemplar]:
    """By the bound of their bucket."""
    value = histogram(bench, metric)
    return {bound: one for bound, one in zip(
        (*value.bounds, float("inf")), value.exemplars, strict=True) if one is not None}


def test_the_exemplar_is_the_trace_of_the_call_with_what_it_took_and_when_it_came(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        arrived = bench.now
        bench.send(call(FIRST, end=BEGIN + 25 * SECOND, time_to_first_token=0.3))
        bench.wait()
        moment = arrived // 10**6 / 1000
        assert exemplars(bench) == {30.0: Exemplar("31" * 16, 25.0, moment)}
        assert exemplars(bench, c.CLIENT_TTFT) == {0.3: Exemplar("31" * 16, 0.3, moment)}
        assert histogram(bench, c.CLIENT_TPOT).exemplars == ()


def test_a_later_call_takes_the_place_of_an_earlier_one_in_its_bucket_alone(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(FIRST, end=BEGIN + 25 * SECOND))
        bench.send(call(FIRST))
        bench.wait()
        bench.send(call(SECOND_TRACE))
        bench.wait()
        assert {bound: one.trace_id for bound, one in exemplars(bench).items()} == {
            0.5: "32" * 16, 30.0: "31" * 16}


def test_a_call_that_came_before_and_settles_later_takes_nobodys_place(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(FIRST))
        bench.wait(1)
        bench.send(call(SECOND_TRACE))
        bench.wait(7)
        bench.send(call(FIRST, operation="embeddings", start=BEGIN + SECOND))  # it goes on
        bench.wait(4)
        assert histogram(bench).counts[-1] == 1.0
        bench.wait(7)
        assert histogram(bench).counts[-1] == 2.0
        assert [one.trace_id for one in exemplars(bench).values()] == ["32" * 16]


def test_of_calls_that_came_together_the_slowest_is_shown(tmp_path: Path) -> None:
    slow, fast = (call(trace, end=BEGIN + took * SECOND // 10)
                  for trace, took in ((FIRST, 5), (SECOND_TRACE, 3)))
    with ledger_in(tmp_path) as bench:
        bench.send(slow, fast)
        bench.wait()
        assert exemplars(bench)[0.5].trace_id == "31" * 16


def test_after_a_restart_a_bucket_has_none_until_its_next_call(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(FIRST))
        bench.wait()
        bench.restart()
        assert histogram(bench).exemplars == ()
        bench.send(call(SECOND_TRACE, end=BEGIN + 25 * SECOND))
        bench.wait()
        assert [*exemplars(bench)] == [30.0]
        assert histogram(bench).counts[-1] == 2.0


def test_models_beyond_the_cap_share_the_exemplars_of_what_is_folded(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for number in range(CLIENT_SEATS + 5):
            bench.send(call(number.to_bytes(16), request_model=f"m{number:04}",
                            time_to_first_token=0.3))
        bench.wait()
        kept = bench.ledger.reading().exemplars
        assert len(kept) == 2 * CLIENT_SEATS  # a row of buckets for each histogram and seat
        assert {len(of_buckets) for of_buckets in kept.values()} == {
            len(BOUNDS[name]) + 1 for name in ("duration", "first_token")}
        value = shown(bench)[c.CLIENT_DURATION].points[("_other",) * 4]
        assert isinstance(value, Histogram)
        (one,) = filter(None, value.exemplars)
        assert int(one.trace_id, 16) >= CLIENT_SEATS - 1


times = st.one_of(st.none(), st.integers(0, 700 * SECOND), st.sampled_from(
    [round(bound * SECOND) + more for bounds in BOUNDS.values() for bound in bounds
     for more in (-1, 0, 1)]))
outcomes = st.sampled_from([Outcome.SUCCESS, Outcome.SUCCESS, Outcome.ERROR])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(times, times, outcomes), max_size=12))
def test_a_bucket_has_an_exemplar_if_it_counts_a_call_and_the_value_is_in_the_bucket(
        calls: list[tuple[int | None, int | None, Outcome]]) -> None:
    with TemporaryDirectory(dir=FOLDER) as folder, ledger_in(Path(folder)) as bench:
        bench.send(call(os.urandom(16), end=BEGIN + SECOND, time_to_first_token=1.0))
        for took, first, outcome in calls:
            bench.send(call(
                os.urandom(16), start=0 if took is None else BEGIN,
                end=0 if took is None else BEGIN + took, outcome=outcome,
                time_to_first_token=None if first is None else first / SECOND))
        bench.wait()
        for metric in (c.CLIENT_DURATION, c.CLIENT_TTFT):
            value = histogram(bench, metric)
            bounds = (-1.0, *value.bounds, float("inf"))
            counts = [after - before for before, after in pairwise((0.0, *value.counts))]
            assert len(value.exemplars) == len(counts)
            for count, (above, upto), one in zip(
                    counts, pairwise(bounds), value.exemplars, strict=True):
                assert (one is not None) is (count > 0)
                assert one is None or above < one.value <= upto
