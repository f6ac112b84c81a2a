"""A file in which a row, a counter or a roll-up was changed is told from one in which none was."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.mark.parametrize(("change", "place"), [
    ("UPDATE counted SET input = input + 1 WHERE seq = {second}", "counters"),
    ('UPDATE counted SET "user" = NULL WHERE seq = {first}', "rollups"),
    ("UPDATE counted SET duration = duration + 1 WHERE seq = {second}", "counters"),
    ("UPDATE counted SET arrived = arrived - 3600000000000 WHERE seq = {second}", "rollups"),
    ("DELETE FROM counted WHERE seq = {second}", "facts"),
    ("UPDATE facts SET span = trace WHERE seq = {second}", "facts"),
    ("UPDATE counters SET value = value + 1 WHERE name = 'output'", "counters"),
    ("DELETE FROM counters WHERE name = 'output'", "counters"),
    ("UPDATE rollups SET cached = 0", "rollups"),
    ("DELETE FROM rollups", "rollups"),
])
def test_verify_finds_what_was_changed(tmp_path: Path, change: str, place: str) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(user="alice"), call(), call())
        bench.wait()
        verified = verify(bench.file)
        assert (verified.facts, verified.rows, verified.differences) == (3, 3, [])
        (first,), (second,), _ = bench.rows("SELECT seq FROM facts ORDER BY seq")
        bench.file.connection.execute(change.format(first=first, second=second))
        assert place in {one.place for one in verify(bench.file).differences}
