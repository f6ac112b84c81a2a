"""The file and its key: made, opened again, and refused in one line where it is not ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from inferometer.ledger import migration
from inferometer.ledger.counting import Additions, CountedRow
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.file import File
from inferometer.ledger.file_opening import examine, open_beside, open_to_write
from inferometer.ledger.keys import IN_TRACE_BITS, KeyRing
from inferometer.ledger.schema import COUNTED, METADATA, NEWEST
from inferometer.ledger.statements import Statements
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import call, ledger_in, ledger_in_place


def opened(folder: Path) -> File:
    return open_to_write(folder / "ledger.db", folder / "ledger.key")


def refusal(folder: Path) -> str:
    """Why the ledger is refused: by its writer, and by whoever looks at it before."""
    with pytest.raises(LedgerError) as refused:
        opened(folder)
    with pytest.raises(LedgerError) as examined:
        examine(folder / "ledger.db", folder / "ledger.key")
    assert str(refused.value) == str(examined.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_new_ledger_and_its_key_are_for_their_owner_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    for name in ("ledger.db", "ledger.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len(bytes.fromhex((tmp_path / "ledger.key").read_text())) == 32


def test_a_key_that_is_there_already_is_used(tmp_path: Path) -> None:
    (tmp_path / "ledger.key").write_text("ab" * 32)
    file = opened(tmp_path)
    assert file.keys == KeyRing.of(b"\xab" * 32)
    file.close()


def test_a_gateway_with_another_key_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "ledger.key").write_text("ab" * 32)
    assert "has another key (fingerprint" in refusal(tmp_path)
    (tmp_path / "ledger.key").unlink()
    assert "ledger.key is missing: " in refusal(tmp_path)
    assert not (tmp_path / "ledger.key").exists()


@pytest.mark.parametrize("text", ["", "ab" * 31, "xy" * 32])
def test_a_key_file_with_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.key").write_text(text)
    assert "must hold 64 hexadecimal digits" in refusal(tmp_path)


def test_a_ledger_that_was_not_made_to_the_end_is_made_to_the_end(tmp_path: Path) -> None:
    migration.migrate(tmp_path / "ledger.db")  # and killed before it noted whose it is
    (tmp_path / "ledger.key").write_text("ab" * 32)
    opened(tmp_path).close()
    opened(tmp_path).close()


def test_a_newer_file_is_refused_in_one_line_and_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (tmp_path / "ledger.db").read_bytes()
    assert "is of a newer inferometer (version 9999" in refusal(tmp_path)
    with pytest.raises(LedgerError, match="is of a newer inferometer"):
        open_beside(tmp_path / "ledger.db", tmp_path / "ledger.key")
    assert (tmp_path / "ledger.db").read_bytes() == before


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("something else" * 100)
    assert "is no ledger" in refusal(tmp_path)
    (tmp_path / "ledger.db").unlink()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    assert "is no ledger" in refusal(tmp_path)


def test_a_folder_that_is_missing_and_a_file_that_is_damaged_are_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none/ledger.db: No such file or directory"):
        opened(tmp_path / "none")
    with ledger_in(tmp_path):
        pass
    file = tmp_path / "ledger.db"
    file.write_bytes(file.read_bytes()[:4096] + b"x" * 40960)
    with pytest.raises(LedgerError, match=r"ledger.db: it is damaged|ledger.db is no ledger"):
        opened(tmp_path)


def test_a_second_gateway_is_refused_while_the_first_one_writes(tmp_path: Path) -> None:
    file = opened(tmp_path)
    with pytest.raises(LedgerError, match="has another gateway that writes it"):
        opened(tmp_path)
    open_beside(tmp_path / "ledger.db", tmp_path / "ledger.key").close()
    file.close()
    opened(tmp_path).close()


def test_migrations_lead_to_the_tables_that_the_schema_describes(tmp_path: Path) -> None:
    opened(tmp_path).close()
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(tmp_path / "ledger.db"))
    inspector = inspect(engine)
    assert {*inspector.get_table_names()} == {*METADATA.tables, "alembic_version"}
    for name, table in METADATA.tables.items():
        columns = {column["name"]: column for column in inspector.get_columns(name)}
        assert [*columns] == [*table.columns.keys()], name
        assert {key: column["nullable"] for key, column in columns.items()} == {
            column.name: column.nullable for column in table.columns}, name
        assert inspector.get_pk_constraint(name)["constrained_columns"] == [
            *table.primary_key.columns.keys()], name
    engine.dispose()


LATEST = "9999"
LATER = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{newest}"


def upgrade():
    op.add_column("facts", sa.Column("more", sa.Text))
    op.execute("UPDATE facts SET more = 'x'")
    {end}
"""


def later_migrations(folder: Path, end: str) -> Path:
    """Ours with one more, which adds a column."""
    migrations = folder / "migrations"
    shutil.copytree(migration.FOLDER, migrations)
    (migrations / "versions" / "v9999_later.py").write_text(
        LATER.format(end=end, revision=LATEST, newest=NEWEST))
    return migrations


def test_a_file_of_this_version_becomes_the_next_one_with_all_that_it_has(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call())
        bench.wait()
    migration.migrate(tmp_path / "ledger.db", later_migrations(tmp_path, "pass"))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (LATEST,)]
        assert connection.execute("SELECT seq, state, more FROM facts").fetchall() == [(1, 1, "x")]
        assert connection.execute("SELECT value FROM counters WHERE name = 'input'").fetchall() == [
            (100,)]


def test_a_file_without_prices_has_counts_that_are_not_priced_afterwards(tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(migration.FOLDER, first)
    for later in (first / "versions").glob("v[0-9]*.py"):
        if not later.name.startswith("v0001"):
            later.unlink()
    migration.migrate(tmp_path / "old.db", first)
    with closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as connection:
        old = [row[1] for row in connection.execute("PRAGMA table_info(counted)")]
        connection.execute(f"INSERT INTO counted ({', '.join(old)}) VALUES "
                           "(1, 'call', 5, 1, NULL, NULL, 'success', '', 1, 1, 'known', 7"
                           f"{', NULL' * (len(old) - 12)})")
    migration.migrate(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        row, = connection.execute(f"SELECT {', '.join(COUNTED.columns.keys())} FROM counted")
    counted = CountedRow(*row)
    assert (counted.input, counted.priced, counted.cost, counted.over_cost) == (7, "", None, 0)
    assert counted.within_limits == 0
    added = Additions(lambda seat: seat)
    added.add(counted)
    assert added.counters == {(1, "input", ""): 7, (1, "ended", "success/"): 1}


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call())
    with pytest.raises(ZeroDivisionError):
        migration.migrate(tmp_path / "ledger.db", later_migrations(tmp_path, "1 / 0"))
    with ledger_in_place(tmp_path) as bench:
        bench.wait()
        assert bench.counters()["input", ""] == 100


def test_every_statement_is_for_sqlite_and_postgresql_alike() -> None:
    sqlite, postgresql = vars(Statements("sqlite")), vars(Statements("postgresql"))
    assert sqlite.keys() == postgresql.keys()
    assert "ON CONFLICT (digest) DO NOTHING" in sqlite["insert_fact"]
    assert "ON CONFLICT (digest) DO NOTHING" in postgresql["insert_fact"]


def test_the_newest_version_is_the_last_migration() -> None:
    assert max(migration.revisions()) == NEWEST


def test_spans_of_a_trace_lie_side_by_side_and_no_two_alike() -> None:
    keys = KeyRing.of(bytes(32))
    for _ in range(100):
        trace_id = os.urandom(16)
        first = keys.trace_digest(trace_id)
        digests = {first + keys.span_digest(trace_id, os.urandom(8)) for _ in range(100)}
        assert len(digests) == 100
        assert all(first <= digest < first + 2**IN_TRACE_BITS for digest in digests)
        assert all(-2**63 <= digest < 2**63 for digest in digests)


def test_subkeys_tell_nothing_of_one_another() -> None:
    keys, others = KeyRing.of(bytes(32)), KeyRing.of(bytes(31) + b"\1")
    assert len({keys.sampling, keys.capabilities, keys.fingerprint}) == 3
    assert keys.veil("alice") != others.veil("alice")
    assert keys.veil(keys.veil("alice")) == keys.veil("alice")
    assert keys.veil(str(keys.veil("alice"))) != keys.veil("alice")  # nobody passes for another


def test_a_fact_comes_out_of_the_file_as_it_went_in(tmp_path: Path) -> None:
    one = call(content={"in": "hi"}, time_to_first_token=0.25, streamed=True, tries=2,
               parent_id=bytes(range(8)), response_id='"\\\u2028\ud83d', refused=True)
    with ledger_in(tmp_path) as bench:
        bench.send(one)
        bench.restart()
        bench.passed += 11
        with bench.file.transaction():
            (_, trace), = bench.ledger._pending.take(1)
        (kept,) = trace.facts.values()
        assert kept.fact == call(one.trace_id, one.span_id, content={}, **{
            name: getattr(one, name) for name in (
                "time_to_first_token", "streamed", "tries", "parent_id", "response_id",
                "refused")})
        assert bench.rows("SELECT content FROM contents") == [('{"in": "hi"}',)]


@pytest.mark.parametrize("gone", [("",), ("-wal",), ("-shm",), ("", "-wal", "-shm", ".lock")])
def test_a_file_that_is_removed_while_it_is_open_is_put_back(
        gone: tuple[str, ...], tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(bytes(16)))
        bench.wait()
        bench.send(call(bytes([1] * 16)))
        for ending in gone:
            (tmp_path / f"ledger.db{ending}").unlink()
        bench.send(call(bytes([2] * 16)))
        with pytest.raises(LedgerError, match="another gateway"):
            opened(tmp_path)
        bench.restart()
        bench.wait()
        assert bench.rows("SELECT count(*) FROM facts") == [(3,)]
        assert bench.counters()["ended", "success/"] == 3
        assert verify(bench.file).differences == []


def test_another_file_in_the_place_of_the_open_one_is_neither_written_nor_lost(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(call(bytes(16)))
        (tmp_path / "ledger.db").rename(tmp_path / "first.db")
        (tmp_path / "ledger.db").write_bytes(b"")
        with pytest.raises(LedgerError, match="another file"):
            bench.send(call(bytes([1] * 16)))
        assert (tmp_path / "ledger.db").read_bytes() == b""
