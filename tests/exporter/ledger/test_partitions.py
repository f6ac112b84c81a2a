"""In a database what is too old is dropped with its day, and counters stay as they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from inferometer.ledger.retention import DAY  # after what may skip all of it
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import Bench, call
from tests.exporter.ledger.shared import gateways

pytestmark = pytest.mark.usefixtures("in_postgres")
SECONDS = DAY // 10**9


def purge(bench: Bench) -> None:
    """Delete all that is too old."""
    while bench.ledger._retention.purge(bench.now, bench.ledger._settler.seats):
        pass


def days(bench: Bench) -> int:
    """How many days have partitions."""
    (number,), = bench.rows("SELECT count(*) FROM pg_inherits WHERE inhparent = 'facts'::regclass")
    assert isinstance(number, int)
    return number


def test_old_days_are_dropped_and_what_they_came_to_is_verified(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for bench in (a, b):
            bench.ledger.configure(retention_days=2, rollup_days=100)
            bench.send(*(call(os.urandom(16), content={"in": "hi"}) for _ in range(10)))
        for bench in (a, b):
            bench.wait()
        before = a.counters(), b.counters()
        one = call(os.urandom(16))
        for bench in (a, b):
            bench.passed += 4 * SECONDS
        a.send(one)
        purge(b)
        purge(a)
        assert a.rows("SELECT count(*) FROM facts") == [(1,)]
        assert a.rows("SELECT count(*) FROM identities") == [(1,)]
        assert a.rows("SELECT count(*) FROM contents") == [(0,)]
        assert days(a) <= 3
        assert (a.counters(), b.counters()) == before
        assert verify(a.file).differences == []
        a.restart()
        assert a.counters() == before[0]
        purge(a)
        assert verify(a.file).differences == []


def test_content_goes_before_calls_and_the_oldest_first(tmp_path: Path) -> None:
    with gateways(tmp_path, "a") as (a,):
        for _ in range(4):
            a.send(call(os.urandom(16), content={"in": "hi"}))
            a.wait()
            a.passed += SECONDS
        a.send(call(os.urandom(16), content={"in": "hi"}))
        days_of_content = "SELECT min(seq) >> 40, count(*) FROM contents"
        (first, count), = a.rows(days_of_content)
        assert count == 5
        assert isinstance(first, int)
        assert a.file.delete_content()
        assert a.rows(days_of_content) == [(first + 1, 4)]
        while a.file.delete_content():
            pass
        assert a.rows(days_of_content) == [(first + 4, 1)]  # of the day that goes on
        assert a.rows("SELECT count(*) FROM facts") == [(5,)]


def test_only_one_drops_at_a_time(tmp_path: Path) -> None:
    with gateways(tmp_path, "a", "b") as (a, b):
        for bench in (a, b):
            bench.ledger.configure(retention_days=2, rollup_days=100)
        a.send(call())
        for bench in (a, b):
            bench.wait()
            bench.passed += 4 * SECONDS
        with a.file.transaction(alone="retention"):
            assert not b.file.purge(b.now, b.ledger._settler.seats)
            assert b.rows("SELECT count(*) FROM facts") == [(1,)]
        purge(b)
        assert b.rows("SELECT count(*) FROM facts") == [(0,)]
