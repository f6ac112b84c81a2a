"""Calls that metrics tell of: what senders have summed up is counted once, where no spans tell."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.ledger.metering import Meter
from inferometer.ledger.verification import verify
from inferometer.points import CallLabels
from inferometer.sinks.metrics import CallsCollector
from inferometer.values import Histogram, Key, Value
from tests.exporter.ledger.making import SECOND, Bench, call, ledger_in
from tests.exporter.ledger.points import LABELS, WAIT, durations, point, post, tokens
from tests.exporter.ledger.test_high_water import mark, restored

each_store = pytest.mark.usefixtures("each_store")


def families(bench: Bench) -> Mapping[str, Mapping[Key, Value]]:
    """As a scrape has them."""
    return {family.metric.name: family.points for family in
            CallsCollector(bench.ledger.reading).collect(Deadline(5))}


def unmetered(bench: Bench) -> dict[str, int]:
    """Points that were not counted, by why."""
    return {str(why): number for why, number in bench.ledger.condition().unmetered.items()
            if number}


@each_store
def test_a_counter_that_is_repeated_counts_its_growth_alone(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for total, second in ((100, 2), (100, 2), (150, 3), (150, 3), (100, 2), (150, 4)):
            post(bench, point(bench, total, second))
        assert tokens(bench) == 150
        assert unmetered(bench) == {"repeated": 3}


@each_store
def test_a_sender_that_begins_anew_is_another_one_and_late_points_of_the_first_still_count(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 100, 2))
        post(bench, point(bench, 7, 12, start=11))
        post(bench, point(bench, 130, 3))
        assert tokens(bench) == 137


@each_store
def test_two_senders_that_call_themselves_the_same_are_two_by_their_starts(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for second in range(2, 6):
            post(bench, point(bench, 10 * second, second))
            post(bench, point(bench, 1000 * second, second, start=1.5))
        assert tokens(bench) == 50 + 5000


@each_store
def test_instances_of_a_service_are_added_up(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, *(point(bench, 10, instance=name) for name in "abc"))
        assert tokens(bench) == 30


@each_store
def test_points_of_delta_temporality_are_added_each_once_in_any_order(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for total, second in ((10, 2), (30, 4), (20, 3), (30, 4), (10, 2)):
            post(bench, point(bench, total, second, start=second - 1, is_delta=True))
        assert tokens(bench) == 60
        assert unmetered(bench) == {"repeated": 2}


@each_store
def test_what_was_seen_outlives_the_gateway(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 100, 2))
        bench.restart()
        post(bench, point(bench, 100, 2), point(bench, 120, 3))
        assert tokens(bench) == 120
        bench.restart()
        assert tokens(bench) == 120
        assert verify(bench.file).differences == []


@each_store
def test_of_what_began_before_the_gateway_looked_the_first_point_is_where_counting_begins(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 5000, 2, start=-100))
        post(bench, point(bench, 5010, 3, start=-100))
        assert tokens(bench) == 10
        assert unmetered(bench) == {"baseline": 1}


@each_store
def test_without_a_start_the_first_point_and_one_that_fell_are_where_counting_begins(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for total, second in ((100, 2), (110, 3), (4, 4), (6, 5)):
            post(bench, point(bench, total, second)._replace(start=0))
        assert tokens(bench) == 12
        assert unmetered(bench) == {"baseline": 2}


@each_store
def test_a_counter_that_fell_or_grew_by_more_than_time_allows_adds_nothing(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        for total, second in ((100, 2), (90, 3), (95, 4), (10**17, 5), (10**17 + 1, 6)):
            post(bench, point(bench, total, second))
        assert tokens(bench) == 106
        assert unmetered(bench) == {"impossible": 2}


@each_store
def test_metrics_of_a_service_that_sends_spans_count_nothing_whichever_came_first(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 100, 2))  # of the calls whose spans come a moment later
        bench.passed += 5
        bench.send(call(service_name="envoy"))
        assert tokens(bench) == 100  # of the span
        post(bench, point(bench, 200, 3), point(bench, 7, instance="b"))
        assert tokens(bench) == 100
        assert unmetered(bench) == {"spans": 3}
        assert [vars(record)["service"] for record in caplog.records
                if "service" in vars(record)] == ["envoy"]
        assert families(bench)[c.CLIENT_INFO.name] == {("envoy", "spans"): 1.0}


@each_store
def test_a_service_without_spans_for_a_day_counts_by_its_metrics_from_then_on(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(service_name="envoy"))
        post(bench, point(bench, 100, 2))
        assert tokens(bench) == 100
        bench.passed += 25 * 3600
        post(bench, point(bench, 130, 25 * 3600))
        assert tokens(bench) == 130
        assert bench.counters()["ended", "success/"] == 1


def test_spans_of_another_service_do_not_keep_metrics_from_counting(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(service_name="shop"))
        post(bench, point(bench, 5))
        assert tokens(bench) == 105
        assert families(bench)[c.CLIENT_INFO.name] == {
            ("envoy", "metrics"): 1.0, ("shop", "spans"): 1.0}


@each_store
def test_what_a_sender_says_under_two_names_counts_under_one_for_good(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        old = point(bench, 50, 2)
        new = old._replace(metric="gen_ai.client.inference.usage.input_tokens", rank=0,
                           stream=bytes(16))
        post(bench, old, new)
        post(bench, old._replace(total=60, time=old.time + SECOND))
        post(bench, new._replace(total=70, time=old.time + SECOND))
        assert tokens(bench) == 70
        assert unmetered(bench) == {"another_name": 2}


@each_store
def test_calls_are_counted_by_how_they_ended_and_timed_where_they_succeeded(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, durations(bench, 0.2, 0.7, 3.0),
             durations(bench, 0.1, 0.1, outcome="rejected", error_type="rate_limit"))
        bench.wait(WAIT)
        made = families(bench)
        requests = {key[-2:]: value for key, value in made[c.CLIENT_REQUESTS.name].items()}
        assert (requests["success", ""], requests["rejected", "rate_limit"]) == (3, 2)
        assert requests["error", "server"] == 0
        assert made[c.CLIENT_DURATION.name] == {
            tuple(LABELS): Histogram((0.5, 1.0), (1.0, 2.0, 3.0), 3.9)}
        assert not made[c.CLIENT_COST.name]  # nor what else no metric tells
        assert not made[c.CLIENT_USAGE_MISSING.name]
        assert not made[c.CLIENT_TTFT.name]


@each_store
def test_buckets_are_the_catalogues_where_the_sender_has_these_and_are_never_moved(
        tmp_path: Path) -> None:
    finer = tuple(sorted({*c.DURATION_BOUNDS, 0.07, 4.0}))
    with ledger_in(tmp_path) as bench:
        post(bench, durations(bench, 0.06, 0.9, 4.5, bounds=finer))
        bench.wait(WAIT)
        (histogram,) = families(bench)[c.CLIENT_DURATION.name].values()
        assert isinstance(histogram, Histogram)
        assert histogram.bounds == c.DURATION_BOUNDS
        assert dict(zip(histogram.bounds, histogram.counts, strict=False)) == {
            bound: float(sum(one <= bound for one in (0.06, 0.9, 4.5)))
            for bound in c.DURATION_BOUNDS}


@each_store
def test_a_service_has_one_set_of_buckets_and_others_count_only_where_they_have_all_of_it(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, durations(bench, 0.2, 0.7))
        bench.wait(WAIT)
        post(bench, durations(bench, 0.2, 0.8, instance="b", bounds=(0.25, 0.5, 1.0)),
             durations(bench, 0.3, instance="c", bounds=(0.25, 1.0)),
             durations(bench, 0.3, instance="d", bounds=())._replace(counts=()))
        bench.wait(WAIT)
        made = families(bench)
        assert made[c.CLIENT_DURATION.name] == {
            tuple(LABELS): Histogram((0.5, 1.0), (2.0, 4.0, 4.0), 1.9)}
        assert sum(made[c.CLIENT_REQUESTS.name].values()) == 6  # type: ignore[arg-type]  # floats
        assert unmetered(bench) == {"bounds": 2}


def test_without_buckets_count_and_sum_are_there(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, durations(bench, 0.2, 0.7, bounds=())._replace(counts=()))
        bench.wait(WAIT)
        assert families(bench)[c.CLIENT_DURATION.name] == {
            tuple(LABELS): Histogram((), (2.0,), 0.9)}


def test_more_buckets_than_the_family_may_have_are_coarsened_to_some_of_them(
        tmp_path: Path) -> None:
    many = tuple(number / 10 for number in range(1, 41))
    with ledger_in(tmp_path) as bench:
        post(bench, durations(bench, *many, bounds=many))
        bench.wait(WAIT)
        (histogram,) = families(bench)[c.CLIENT_DURATION.name].values()
        assert isinstance(histogram, Histogram)
        assert set(histogram.bounds) < set(many)
        assert len(histogram.bounds) == c.CLIENT_DURATION.bounds
        assert histogram.counts == (*(round(bound * 10) for bound in histogram.bounds), 40)


def test_label_values_beyond_their_seats_are_folded_without_buckets_of_their_own(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        many = c.CLIENT_SEATS + 20
        post(bench, *(durations(bench, 0.2, instance=str(number), labels=CallLabels(
            "openai", f"model {number}", "chat", f"service {number}")) for number in range(many)))
        bench.wait(WAIT)
        made = families(bench)
        requests = made[c.CLIENT_REQUESTS.name]
        assert len(requests) == c.CLIENT_SEATS * len(c.CLIENT_ENDINGS)
        assert sum(requests.values()) == many  # type: ignore[arg-type]  # floats
        assert requests[*4 * (c.OTHER,), "success", ""] == 21
        assert len(made[c.CLIENT_DURATION.name]) == c.CLIENT_SEATS
        other = made[c.CLIENT_DURATION.name][4 * (c.OTHER,)]
        assert isinstance(other, Histogram)
        assert other.counts[-1] == 0
        assert len(made[c.CLIENT_INFO.name]) == c.CLIENT_SEATS - 1


@each_store
def test_streams_are_bounded_and_one_that_was_forgotten_is_never_counted_twice(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.ledger._meter = Meter(bench.file, lambda: bench.now, WAIT - 1, most=40)
        for number in range(60):
            bench.passed += 1
            post(bench, point(bench, 10, number + 1.5, start=number + 1, instance=str(number)))
        (rows,) = bench.rows("SELECT count(*) FROM streams")
        assert rows[0] <= 40  # type: ignore[operator]  # a number
        post(bench, point(bench, 10, 1.5, start=1, instance="0"))  # it was forgotten
        assert tokens(bench) == 600


def test_a_copy_that_is_put_back_begins_at_0_and_adds_nothing_a_second_time(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        first = point(bench, 100)._replace(start=bench.began + SECOND // 1000)
        post(bench, first)
        assert tokens(bench) == 100
        mark(bench)
        bench.file.copy_to(tmp_path / "copy.db")
        post(bench, first._replace(total=150, time=first.time + 1))
        assert tokens(bench) == 150
        mark(bench)
        restored(bench, tmp_path / "copy.db")
        post(bench, first._replace(total=150, time=first.time + 2))
        assert tokens(bench) == 0
        post(bench, first._replace(total=160, time=first.time + 3))
        assert tokens(bench) == 10


@each_store
def test_a_body_that_cannot_be_written_is_refused_and_counts_when_it_comes_again(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        with bench.full("growths"):
            done = bench.ledger.commit([], {}, bench.now, points=[point(bench, 10)])
            bench.turn()
            assert done.exception(0) is not None
        post(bench, point(bench, 10))
        with bench.full("counters"), pytest.raises(bench.file.failures):
            bench.wait(WAIT)
        assert tokens(bench) == 10


@each_store
def test_a_clock_that_is_set_back_delays_no_count(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 10))
        bench.began -= 3600 * SECOND
        bench.turn()
        bench.wait(1)
        assert bench.counters()["input", ""] == 10


def test_text_that_no_database_takes_is_changed_and_costs_no_count(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 10, labels=CallLabels("a\0b", "m", "chat", "shop\0")))
        bench.send(call(service_name="mall\0"))
        assert tokens(bench) == 110


@each_store
def test_counters_of_metrics_agree_with_what_is_verified_and_stay_after_retention(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        post(bench, point(bench, 10), durations(bench, 0.1, 0.6))
        bench.send(call(service_name="shop"))
        bench.wait(WAIT)
        assert verify(bench.file).differences == []
        bench.ledger.configure(1, 1)
        bench.passed += 3 * 86_400
        bench.turn()
        assert bench.counters()["input", ""] == 110
        assert verify(bench.file).differences == []
