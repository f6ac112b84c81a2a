"""A file becomes a database with all that it has, and the gateway goes on there."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from inferometer import cli  # after what may skip all of it
from inferometer.ledger.copying import TABLES
from inferometer.ledger.schema import METADATA
from tests.exporter.ledger.making import Bench, call, ledger_in, opened
from tests.postgres import Server

ENDED = ("ended", "success/")
# Tables that are not copied as they are, and why.
NOT_COPIED = {
    "meta": "what of it another store needs is copied by name",
    "links": "of what is pending, which is copied as the database keeps it",
    **dict.fromkeys(("ranked_hours", "leaders"), "made anew from the sums"),
    **dict.fromkeys(("batches", "late_rows", "forget_there"), "of a ClickHouse behind a file"),
    **dict.fromkeys(("outbox", "outbox_cursors", "outbox_refused"),
                    "a ledger with bodies that wait is not copied"),
}


def configure(folder: Path, server: Server) -> list[str]:
    """Arguments of a copy from the folder's file into a new database."""
    (folder / "new").write_text(server.database())
    (folder / "gateway.yml").write_text(
        "role: gateway\n"
        "ledger: {dsn_file: new, gateway: gateway, path: ledger.db, key_file: ledger.key}\n")
    return ["ledger", "copy", "--config", str(folder / "gateway.yml")]


def test_every_table_is_copied_or_has_a_reason_why_not() -> None:
    assert {table.name for table in TABLES} | {*NOT_COPIED} == {*METADATA.tables}
    assert not {table.name for table in TABLES} & {*NOT_COPIED}


def test_all_is_there_and_the_gateway_goes_on_where_it_was(
        tmp_path: Path, postgres: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(*(call(os.urandom(16), user="alice", content={"in": "hi"}) for _ in range(5)))
        bench.wait()
        late = os.urandom(16)
        bench.send(call(late))  # which is pending
        counters = bench.counters()
    arguments = configure(tmp_path, postgres)
    for _ in range(2):  # it can be made again
        assert cli.main(arguments) == 0
        printed = capsys.readouterr().out
        assert "6 facts, 5 counted, 5 contents" in printed
        assert "no difference" in printed
    (tmp_path / "new").rename(tmp_path / "dsn")
    with closing(Bench(tmp_path)) as bench:
        assert bench.counters() == counters
        bench.wait()
        assert bench.counters()[ENDED] == 6
        bench.send(call(late, response_id="r"), call(os.urandom(16)))
        bench.wait()
        assert bench.counters()[ENDED] == 8
        (tmp_path / "new").write_text((tmp_path / "dsn").read_text())
        assert cli.main(arguments) == 1
        assert "another gateway with the id 'gateway' is at work" in capsys.readouterr().err


def test_a_file_that_a_gateway_writes_is_not_copied(
        tmp_path: Path, postgres: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with ledger_in(tmp_path):
        assert cli.main(configure(tmp_path, postgres)) == 1
        assert "has another gateway that writes it" in capsys.readouterr().err


def test_a_database_with_another_ledger_is_left_as_it_is(
        tmp_path: Path, in_postgres: Server, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with ledger_in(first) as bench:
        bench.send(call())
        bench.ledger._pending.close()
    (second / "ledger.key").write_bytes((first / "ledger.key").read_bytes())
    with closing(opened(second)):
        pass
    arguments = configure(second, in_postgres)
    (second / "new").write_text((first / "dsn").read_text())
    assert cli.main(arguments) == 1
    assert "has a ledger that gateways wrote" in capsys.readouterr().err
