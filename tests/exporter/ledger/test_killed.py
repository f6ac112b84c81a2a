"""Killed at any moment, nothing acknowledged is lost, and nothing is counted twice."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import Bench, ledger_in

ROOT = Path(__file__).parents[3]


def kill_a_writer(folder: Path, *flags: str, after: float) -> None:
    """Have one write for so many seconds, and kill it."""
    command = [sys.executable, "-m", "tests.exporter.ledger.killed", str(folder), *flags]
    path = os.pathsep.join((str(ROOT / "exporter"), str(ROOT), os.environ.get("PYTHONPATH", "")))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
                          cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(after)  # it is killed at any moment
        writer.kill()


def lost(folder: Path) -> set[bytes]:
    """What was acknowledged, and is not in the file."""
    journal = (folder / "journal").read_bytes()
    acknowledged = {journal[i:i + 24] for i in range(0, len(journal) - len(journal) % 24, 24)}
    assert acknowledged
    with sqlite3.connect(folder / "ledger.db") as connection:
        kept = {trace + span for trace, span in connection.execute("SELECT trace, span FROM facts")}
    return acknowledged - kept


def counts_all(bench: Bench) -> bool:
    """Whether every fact is a call that counts, once all is settled."""
    bench.wait()
    (facts,), (rows,) = bench.rows("SELECT count(*) FROM facts")[0:1], bench.rows(
        "SELECT count(*) FROM counted")[0:1]
    return facts == rows == (bench.counters()["ended", "success/"],)


def survives(folder: Path, kills: int) -> None:
    with ledger_in(folder):
        pass
    for _ in range(kills):
        kill_a_writer(folder, after=random.uniform(0.02, 0.4))
        assert lost(folder) == set()
    bench = Bench(folder)
    try:
        assert counts_all(bench)
        assert verify(bench.file).differences == []
    finally:
        bench.close()


def test_a_writer_that_is_killed_has_lost_nothing_and_counts_all_once(tmp_path: Path) -> None:
    survives(tmp_path, 2)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    survives(tmp_path, 50)


@pytest.mark.heavy
def test_a_writer_that_acknowledges_too_early_is_caught(tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    with ledger_in(tmp_path):
        pass
    for _ in range(20):
        kill_a_writer(tmp_path, "--sabotage", "early-ack", after=0.3)
        if lost(tmp_path):
            return
    pytest.fail("nothing acknowledged was lost")
