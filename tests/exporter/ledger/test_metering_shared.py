"""Gateways that share a database are given the points of a stream in turns: each counts once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporter.ledger.making import Bench, call
from tests.exporter.ledger.points import WAIT, durations, point, post, tokens
from tests.exporter.ledger.shared import at_once, gateways, sum_of

pytestmark = pytest.mark.usefixtures("in_postgres")


def counted(benches: list[Bench]) -> int:
    """Tokens, over all gateways, once they are due."""
    for bench in benches:
        bench.wait(WAIT)
    return sum_of(benches, "input")


def test_points_that_come_to_one_and_the_other_in_turns_are_one_stream(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as benches:
        first = point(benches[0], 0)
        for number in range(1, 11):
            post(benches[number % 2], first._replace(total=10 * number, time=first.time + number))
        assert counted(benches) == 100
        assert {row[0] for row in benches[0].rows("SELECT gateway FROM counters")} <= {"a", "b"}


def test_the_same_bodies_at_the_same_time_count_once(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as benches:
        first = point(benches[0], 0)
        bodies = [[first._replace(total=10 * number, time=first.time + number)
                   for _ in range(3)] for number in range(1, 21)]

        def deliver(bench: Bench) -> None:
            for body in bodies:
                post(bench, *body)

        assert at_once(*(lambda bench=bench: deliver(bench) for bench in benches)) == []
        assert counted(benches) == 200


def test_spans_that_come_to_one_keep_the_other_from_counting_metrics(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        post(b, point(a, 50))
        a.send(call(service_name="envoy"))
        a.wait()
        assert counted([a, b]) == 100


def test_buckets_of_a_service_are_the_same_in_all_gateways(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        post(a, durations(a, 0.2))
        post(b, durations(a, 0.3, instance="b", bounds=(0.25, 0.5, 1.0)))
        for bench in (a, b):
            bench.wait(WAIT)
        bounds = {str(row[0]) for row in a.rows(
            "SELECT part FROM counters WHERE name = 'duration'")}
        assert bounds == {"sum", "0.5", "1.0", "inf"}


def test_what_a_gateway_that_died_left_is_counted_by_the_other(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        post(a, point(a, 50))
        a.close()
        assert tokens(b) == 50
