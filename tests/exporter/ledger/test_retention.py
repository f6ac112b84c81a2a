"""What is old is deleted in chunks; counters stay, and can still be reckoned."""

from __future__ import annotations

import os
from pathlib import Path

from inferometer.ledger.purging import CHUNK
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import Bench, call, ledger_in

DAY = 86400


def filled(bench: Bench, calls: int) -> None:
    for _ in range(0, calls, 100):
        bench.send(*(call(os.urandom(16), name="x" * 500) for _ in range(100)))
    bench.wait()


def test_rows_go_after_their_days_and_counters_and_roll_ups_stay(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.ledger.configure(30, 400)
        filled(bench, 1200)
        bench.passed += 15 * DAY
        bench.send(call(user="late"))
        bench.wait()
        before = bench.counters()
        bench.turn()
        assert bench.rows("SELECT count(*) FROM facts") == [(1201,)]
        bench.passed += 16 * DAY
        bench.turn()
        assert bench.rows("SELECT count(*) FROM facts") == [(1201 - CHUNK,)]
        for _ in range(5):
            bench.turn()
        for table in ("facts", "counted"):
            assert bench.rows(f"SELECT count(*) FROM {table}") == [(1,)]
        assert bench.counters() == before
        assert bench.rows("SELECT sum(ended) FROM rollups") == [(1201,)]
        assert verify(bench.file).differences == []
        bench.restart()
        assert bench.counters() == before
        bench.send(call(os.urandom(16)))
        bench.wait()
        assert bench.counters()["ended", "success/"] == 1202
        assert verify(bench.file).differences == []


def test_roll_ups_go_after_theirs(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.ledger.configure(30, 400)
        filled(bench, 100)
        bench.passed += 399 * DAY
        bench.turn()
        bench.turn()
        assert bench.rows("SELECT count(*) FROM rollups") == [(1,)]
        bench.passed += 2 * DAY
        bench.turn()
        bench.turn()
        assert bench.rows("SELECT count(*) FROM rollups") == [(0,)]
        assert bench.counters()["ended", "success/"] == 100
        assert verify(bench.file).differences == []


def test_what_is_pending_is_never_deleted(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.ledger.configure(1, 1)
        bench.send(call())
        bench.restart()
        bench.ledger.configure(1, 1)
        bench.began += 3 * DAY * 10**9
        bench.turn()
        assert bench.rows("SELECT count(*) FROM facts") == [(1,)]
        bench.wait()
        assert bench.counters()["ended", "success/"] == 1


def test_pages_are_given_back(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.ledger.configure(30, 400)
        filled(bench, 2000)
        (pages,), = bench.rows("PRAGMA page_count")
        bench.passed += 31 * DAY
        for _ in range(10):
            bench.turn()
        assert bench.rows("PRAGMA page_count")[0][0] < pages / 3  # type: ignore[operator]
