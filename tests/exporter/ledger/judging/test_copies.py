"""Judging in a ledger that is restored, or moved into a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.ledger import high_water
from inferometer.ledger.file import File
from inferometer.ledger.judging import counters
from inferometer.ledger.verification import verify
from tests.exporter.ledger.judging.judged import BAD, GOOD, counted, judge_all, runner, send, settle
from tests.exporter.ledger.making import Bench, ledger_in, opened
from tests.postgres import Server
from tests.scripted_judge import ScriptedJudge

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "file").mkdir()
    with ledger_in(tmp_path / "file") as bench, ScriptedJudge() as judge:
        send(bench, BAD)
        settle(bench)
        with runner(bench, judge) as running:
            judge_all(running)
        yield bench


def test_an_older_copy_begins_at_0_and_its_rows_agree(bench: Bench) -> None:
    assert counted(bench)["judgements", "", "judged", "judged"] == 3
    assert isinstance(bench.file, File)
    high_water.renew(bench.file, bench.file.path)
    assert set(counted(bench).values()) == {0}
    assert verify(bench.file).differences == []
    send(bench, GOOD)
    settle(bench)
    with ScriptedJudge() as judge, runner(bench, judge) as running:
        assert judge_all(running) == 1
    assert counted(bench)["judgements", "", "judged", "judged"] == 3


def test_a_file_is_moved_with_what_was_judged(bench: Bench, tmp_path: Path, postgres: Server
                                              ) -> None:
    before = counted(bench)
    bench.close()
    folder = tmp_path / "file"
    (folder / "new").write_text(postgres.database())
    (folder / "gateway.yml").write_text(
        "role: gateway\n"
        "ledger: {dsn_file: new, gateway: gateway, path: ledger.db, key_file: ledger.key}\n")
    assert cli.main(["ledger", "copy", "--config", str(folder / "gateway.yml")]) == 0
    (folder / "new").rename(folder / "dsn")
    with closing(opened(folder)) as database:
        with database.snapshot():
            reading = counters.read(database)
        sums = {(reading.seats[seat][0], reading.seats[seat][-1], name, part): value
                for (seat, name, part), value in reading.counters.items()}
        assert sums == before
        assert database.connection.execute(
            "SELECT count(*) FROM judgements JOIN judged_units ON id = unit "
            "JOIN facts ON seq = call").fetchone() == (3,)
        assert verify(database).differences == []
