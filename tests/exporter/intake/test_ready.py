"""A gateway is not ready while nothing can be written, and is again by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from inferometer.intake.beat import beat_body
from inferometer.intake.own_door import post_traces
from tests.exporter.process import ANYWHERE, ready, started
from tests.exporter.support import free_port, get, wait_for

SECONDS = 60.0  # of a machine that is slow
TABLES = ("facts", "meta")


def test_it_is_not_ready_while_nothing_can_be_written_and_says_why(tmp_path: Path) -> None:
    door = free_port()
    (tmp_path / "gateway.yml").write_text(
        f"role: gateway\nledger: {{path: ledger.db}}\n"
        f"intake: {{listen: 127.0.0.1:{door}}}\n")

    def post(number: int) -> int:
        return post_traces(("127.0.0.1", door), False, "",
                           beat_body(bytes(15) + bytes([number]), bytes(7) + b"\1", 10**18))

    with started(*ANYWHERE, "--config", tmp_path / "gateway.yml") as running:
        ready(running)
        assert post(1) == 200
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=20)) as connection:
            for table in TABLES:
                connection.execute(f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} "
                                   "BEGIN SELECT RAISE(ABORT, 'no'); END")
        assert post(2) == 503
        answer = wait_for(lambda: (page := get(running.port, "/-/ready")).status == 503 and page,
                          SECONDS)
        assert answer.text.strip() == "not ready: nothing can be written to the ledger"
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=20)) as connection:
            for table in TABLES:
                connection.execute(f"DROP TRIGGER no_{table}")
        wait_for(lambda: get(running.port, "/-/ready").status == 200, SECONDS)
        assert post(2) == 200
