"""The ledger as a part of the exporter: where it is, where it is not, and what it refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from inferometer import settings
from inferometer.collector import Deadline
from inferometer.config import ConfigError
from inferometer.documents.mistakes import Document
from inferometer.ledger.errors import LedgerError, LedgerFullError
from inferometer.ledger.part import LedgerPart
from inferometer.settings import Flags
from tests.exporter.ledger.making import call, ledger_in, links
from tests.exporter.support import wait_for

HEAVY = ("sqlalchemy", "alembic", "inferometer.ledger.file", "sqlite3", "uvicorn", "starlette",
         "h2", "grpc", "inferometer.intake.service")


def part_in(folder: Path, text: str = "role: gateway\nledger: {path: ledger.db}\n") -> LedgerPart:
    """A part that was checked and configured by this file, in this folder."""
    file = folder / "inferometer.yml"
    file.write_text(text)
    config, document = settings.load(file, Flags())
    part = LedgerPart(config)
    part.check(config, document)
    document.finish(ConfigError)
    part.configure(config)
    return part


def test_it_keeps_counts_and_ends_with_all_that_was_taken(tmp_path: Path) -> None:
    part = part_in(tmp_path, "role: gateway\nledger: {path: ledger.db}\n"
                             "intake: {settle_seconds: 1}\n")
    part.start()
    assert [(loop.name, loop.dead) for loop in part.loops()] == [
        ("ledger", False), ("feedback", False), ("evaluation", False), ("anomalies", False),
        ("reconciliations", False)]
    assert [*part.greeting(0)] == [("ledger", f"{tmp_path}/ledger.db, 0 calls and steps pending")]
    one, two = call(), call()
    part.commit([one], links([one]), time.time_ns()).result(10)
    calls, ledger, *_ = part.collectors()
    wait_for(lambda: any(family.points for family in calls.collect(Deadline(1))))
    points = {family.metric.name: family.points for family in ledger.collect(Deadline(1))}
    assert points["inferometer_ledger_pending_facts"] == {(): 0.0}
    assert points["inferometer_ledger_last_commit_timestamp_seconds"][()] == pytest.approx(
        time.time(), abs=60)
    part.commit([two], links([two]), time.time_ns())
    part.stop()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM facts").fetchone() == (2,)
    with pytest.raises(LedgerFullError):
        part.commit([], {}, 0)


def test_who_asked_before_the_start_sees_what_the_ledger_has_after_it(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call())
        bench.wait()
    part = part_in(
        tmp_path, "role: gateway\nledger: {path: ledger.db, key_file: ledger.key}\n")
    calls, *_ = part.collectors()
    assert not any(family.points for family in calls.collect(Deadline(1)))
    assert not part.watch().watched
    part.start()
    assert any(family.points for family in calls.collect(Deadline(1)))
    assert [one.key for one in part.watch().watched] == ["shop"]
    part.stop()


def test_users_are_reckoned_where_somebody_asked_for_them(tmp_path: Path) -> None:
    for asked in (False, True):
        part = part_in(tmp_path, "role: gateway\n"
                                 f"ledger: {{path: ledger.db, user_costs: {str(asked).lower()}}}\n")
        part.start()
        assert ("users" in {collector.name for collector in part.collectors()}) == asked
        assert ("users" in {loop.name for loop in part.loops()}) == asked
        part.stop()


def test_without_an_intake_there_is_no_ledger(tmp_path: Path) -> None:
    part = part_in(tmp_path, "ledger: {path: nowhere/ledger.db}\n")
    part.start()
    assert (part.collectors(), part.loops()) == ((), ())
    with pytest.raises(LedgerFullError):
        part.commit([], {}, 0)
    part.stop()
    assert [file.name for file in tmp_path.iterdir()] == ["inferometer.yml"]


def test_check_config_tells_of_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"yml:2: ledger.path: .*/none is no folder"):
        part_in(tmp_path, "role: gateway\nledger: {path: none/ledger.db}\n")


def test_check_config_tells_of_a_ledger_that_is_refused(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.file.connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"yml:2: ledger.path: .* is of a newer inferometer"):
        part_in(tmp_path, "role: gateway\nledger: {path: ledger.db, key_file: ledger.key}\n")


def test_a_second_gateway_does_not_start(tmp_path: Path) -> None:
    part = part_in(tmp_path)
    part.start()
    with pytest.raises(LedgerError, match="another gateway"):
        part_in(tmp_path).start()
    part.stop()


def test_who_has_no_intake_has_no_database_and_no_door_in_memory() -> None:
    script = ("import sys, inferometer.cli\nfrom inferometer.app import App\n"
              "from inferometer.settings import Flags\nApp(None, Flags(role='sidecar'))\n"
              f"print([name for name in {HEAVY!r} if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=60, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout == "[]\n"


def test_a_document_that_is_wrong_already_is_not_looked_into_further(tmp_path: Path) -> None:
    config, _ = settings.load(None, Flags(role="gateway"))
    document = Document("x")
    document.report("ledger.path", "is wrong")
    LedgerPart(config).check(config, document)
    error = document.error()
    assert error is not None
    assert len(error.mistakes) == 1


def test_clickhouse_beside_a_database_is_refused_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(ConfigError, match=r"ledger\.clickhouse\.url.* is for a ledger in a file"):
        part_in(tmp_path, "role: gateway\nledger: {dsn_file: dsn, clickhouse: "
                          "{url: 'http://127.0.0.1:1'}}\n")
