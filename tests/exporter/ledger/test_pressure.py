"""A ledger that can write nothing, or has no room, takes nothing, says why, and takes again."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.facts import ModelCall
from inferometer.ledger.errors import LedgerFullError
from tests.exporter.ledger.making import Bench, call, ledger_in, links

ROOT = Path(__file__).parents[3]
REFUSE = "BEGIN SELECT RAISE(ABORT, 'no'); END"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def spoken(size: int) -> ModelCall:
    return call(os.urandom(16), content={"prompt": os.urandom(size // 2).hex()})


def mark(bench: Bench) -> int:
    (value,), = bench.rows("SELECT value FROM meta WHERE name = 'mark'")
    return int(str(value))


def test_while_nothing_can_be_written_nothing_is_taken_and_then_it_is_again(
        bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)  # whatever another test has left
    bench.send(call())
    for name, table in (("a", "facts"), ("b", "meta")):
        bench.rows(f"CREATE TEMP TRIGGER {name} BEFORE INSERT ON {table} {REFUSE}")
    with pytest.raises(sqlite3.Error):
        bench.send(call())
    bench.passed += 7
    bench.turn()
    condition = bench.ledger.condition()
    assert condition.refusal == "write_failed"
    assert condition.commit_lag == pytest.approx(7, abs=0.1)
    with pytest.raises(LedgerFullError, match="nothing can be written") as refused:
        bench.send(call())
    assert refused.value.lag == pytest.approx(7, abs=0.1)
    for name in "ab":
        bench.rows(f"DROP TRIGGER {name}")
    bench.passed += 2  # nobody sends: it tries by itself
    bench.turn()
    assert (bench.ledger.condition().refusal, bench.ledger.condition().commit_lag) == ("", 0)
    bench.send(call())
    lines = [record.message for record in caplog.records if "takes" in record.message]
    assert lines == ["the ledger takes nothing: senders are put off",
                     "the ledger takes calls again"]


def test_one_body_that_cannot_be_written_is_no_reason_to_take_nothing(bench: Bench) -> None:
    bench.rows(
        "CREATE TEMP TRIGGER a BEFORE INSERT ON facts WHEN new.user IS NOT NULL " + REFUSE)
    with pytest.raises(sqlite3.Error):
        bench.send(call(user="alice"))
    assert bench.ledger.condition().refusal == ""
    bench.send(call())


def test_a_writer_that_hangs_is_known_by_what_waits(bench: Bench) -> None:
    bench.ledger.commit([call()], {}, bench.now)
    bench.passed += 16
    assert bench.ledger.condition().refusal == "write_failed"
    with pytest.raises(LedgerFullError) as refused:
        bench.ledger.commit([call()], {}, bench.now)
    assert refused.value.lag == pytest.approx(16, abs=0.1)
    bench.turn()
    assert bench.ledger.condition().refusal == ""


def test_a_settler_that_is_broken_keeps_nothing_else_from_going_on(bench: Bench) -> None:
    bench.file.connection.execute("CREATE TEMP TRIGGER a BEFORE INSERT ON counted " + REFUSE)
    bench.send(call())
    bench.passed += 20
    other = call(os.urandom(16))
    done = bench.ledger.commit([other], links([other]), bench.now)
    with pytest.raises(sqlite3.Error):
        bench.turn()  # which fails at the settling alone
    done.result(0)
    before = mark(bench)
    bench.passed += 0.1
    bench.turn()  # not again at once
    bench.passed += 6
    with pytest.raises(sqlite3.Error):
        bench.turn()
    assert mark(bench) > before


def test_beyond_max_bytes_content_goes_first_and_calls_stay(
        bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.ledger.configure(30, 400, 2**20)
    for _ in range(20):
        bench.send(spoken(65536))
    bench.passed += 10
    bench.turn()
    assert bench.ledger.condition().refusal == "max_bytes"
    with pytest.raises(LedgerFullError, match=r"ledger\.max_bytes"):
        bench.send(call())
    bench.file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    for _ in range(10):
        bench.passed += 11
        bench.turn()
        bench.file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert bench.rows("SELECT count(*) FROM contents") == [(0,)]
    assert bench.rows("SELECT count(*) FROM facts") == [(20,)]
    assert bench.ledger.condition().refusal == ""
    bench.send(call())
    assert [vars(record).get("why") for record in caplog.records if "takes" in record.message] == [
        "the ledger has come to ledger.max_bytes", None]


def test_on_a_disk_of_which_a_twentieth_is_left_nothing_is_taken(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace may be made here")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-m", "tests.exporter.ledger.full_disk", tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "taken", "disk_full: less than 5% of the ledger's disk is free", "taken"], done.stderr
