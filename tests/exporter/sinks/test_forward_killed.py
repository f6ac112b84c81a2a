"""A gateway that is killed while it forwards loses nothing, and sends one body twice at most."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from inferometer import settings
from inferometer.ledger.part import LedgerPart
from inferometer.settings import Flags
from tests.exporter.sinks.receiver import Receiver, receiver
from tests.exporter.support import wait_for

ROOT = Path(__file__).parents[3]


def kill_one(folder: Path, place: Receiver, *flags: str, after: float) -> None:
    """Have one send, and kill it so many seconds after its first body came."""
    before = len(place.requests)
    command = [sys.executable, "-m", "tests.exporter.sinks.killed", str(folder), *flags]
    path = os.pathsep.join((str(ROOT / "exporter"), str(ROOT), os.environ.get("PYTHONPATH", "")))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
                          cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_for(lambda: len(place.requests) > before, 20)
        time.sleep(after)  # it is killed at any moment
        process.kill()


def sent_by(folder: Path, place: Receiver, kills: int, *flags: str) -> None:
    """Kill so many, and let another one send what is left."""
    (folder / "gateway.yml").write_text(
        "role: gateway\nledger: {path: ledger.db}\nintake: {listen: '127.0.0.1:0'}\n"
        f"destinations: [{{name: away, url: '{place.url}'}}]\n")
    for _ in range(kills):
        kill_one(folder, place, *flags, after=random.uniform(0.0, 0.3))
    config, _ = settings.load(folder / "gateway.yml", Flags())
    part = LedgerPart(config)
    part.start()
    try:
        wait_for(lambda: part._outbox is not None and part._outbox._database.connection.execute(
            "SELECT count(*) FROM outbox").fetchone() == (0,), 30)
    finally:
        part.stop()


def survives(folder: Path, kills: int) -> None:
    with receiver() as place:
        sent_by(folder, place, kills)
        came = Counter(place.bodies)
    acknowledged = (folder / "journal").read_bytes().splitlines(keepends=True)
    assert len(acknowledged) > kills
    assert {*acknowledged} - came.keys() == set()
    assert came.total() - len(came) <= kills
    assert max(came.values()) <= 2
    firsts = [*dict.fromkeys(place.bodies)]
    for begin in {body[:12] for body in firsts}:
        numbers = [body for body in firsts if body.startswith(begin)]
        assert numbers == sorted(numbers)


def test_a_gateway_that_is_killed_has_sent_everything_in_order(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    survives(tmp_path, 3)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_double_one_each_at_most(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    survives(tmp_path, 50)


@pytest.mark.heavy
def test_a_gateway_that_forgets_what_it_sent_is_caught(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above could not fail."""
    monkeypatch.chdir(tmp_path)
    with receiver() as place:
        sent_by(tmp_path, place, 2, "--sabotage", "forget")
        came = Counter(place.bodies)
    assert came.total() - len(came) > 2
