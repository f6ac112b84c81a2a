"""An older copy that is put in a ledger's place has a new id, and its counters begin at 0."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.ledger.high_water import HighWater, is_restored
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import Bench, call, ledger_in

REQUESTS = "ended", "success/"
DAY = 86400


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def path(bench: Bench) -> Path:
    return bench.folder / "ledger.db"


def mark(bench: Bench) -> None:
    bench.passed += 6
    bench.turn()


def counted(bench: Bench, calls: int) -> None:
    """So many calls more, settled and marked."""
    for _ in range(calls):
        bench.send(call(trace_id=bench.file.keys.beat_trace()))
    bench.wait()
    mark(bench)


def restored(bench: Bench, copy: Path) -> None:
    """Put a copy in the place of the ledger, and open it."""
    bench.close()
    for ending in ("-wal", "-shm"):
        (bench.folder / f"ledger.db{ending}").unlink(missing_ok=True)
    shutil.copy(copy, bench.folder / "ledger.db")
    bench.ledger = bench._open()


def test_a_copy_that_is_put_back_counts_from_0_under_a_new_id(
        bench: Bench, tmp_path: Path) -> None:
    counted(bench, 3)
    before = bench.file.gateway
    bench.file.copy_to(tmp_path / "copy.db")
    counted(bench, 2)
    assert bench.counters()[REQUESTS] == 5
    restored(bench, tmp_path / "copy.db")
    assert bench.file.gateway != before
    bench.restart()
    assert not is_restored(bench.file, path(bench))
    assert not bench.counters().get(REQUESTS)
    assert not verify(bench.file).differences
    counted(bench, 1)
    assert bench.counters()[REQUESTS] == 1
    assert not verify(bench.file).differences
    assert bench.rows("SELECT count(*) FROM counted") == [(4,)]
    bench.ledger.configure(1, 400)  # what is deleted leaves the counters as they are
    bench.passed += 3 * DAY
    bench.turn()
    assert bench.rows("SELECT count(*) FROM counted") == [(0,)]
    assert bench.counters()[REQUESTS] == 1
    assert not verify(bench.file).differences


def test_a_ledger_that_goes_on_keeps_its_id(bench: Bench) -> None:
    counted(bench, 1)
    for _ in range(2):
        bench.restart()
        assert not is_restored(bench.file, path(bench))
        assert bench.counters()[REQUESTS] == 1
        mark(bench)


def test_a_copy_without_what_stood_beside_it_is_a_new_ledger(bench: Bench) -> None:
    counted(bench, 1)
    HighWater(path(bench))._path.unlink()
    assert is_restored(bench.file, path(bench))


def test_a_ledger_of_an_earlier_version_keeps_its_id(bench: Bench) -> None:
    bench.send(call())
    assert not is_restored(bench.file, path(bench))
    assert HighWater(path(bench)).read() is None


def test_numbers_go_on_where_all_facts_are_deleted(bench: Bench) -> None:
    counted(bench, 2)
    bench.ledger.configure(1, 400)
    bench.passed += 3 * DAY
    bench.turn()
    mark(bench)
    bench.restart()
    bench.send(call())
    assert bench.rows("SELECT seq FROM facts") == [(3,)]
    bench.restart()  # it is pending, and not forgotten
    assert bench.ledger.condition().pending == 1
