"""Batches of counted rows: each numbered once, of the same rows since, and every row in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.ledger.clickhouse.outbox import ROWS, SUMMED_BATCHES, NumberedBatch, Outbox
from inferometer.ledger.clickhouse.tables import CREATE, OF_ROWS, SENT
from inferometer.ledger.clickhouse.tables import SUMS as MEASURED
from inferometer.ledger.counting import HEARTBEAT, MEASURES, CountedRow
from inferometer.ledger.high_water import renew
from inferometer.ledger.people import forget
from inferometer.ledger.store import write_rows
from tests.exporter.ledger.clickhouse.filling import DAY, MIDNIGHT, Fill, beside, random_row
from tests.exporter.ledger.making import Bench, call, ledger_in


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as one:
        yield one


def taken(outbox: Outbox, least: int = 1, most: int = 40) -> list[list[CountedRow]]:
    """All batches that there are, each sent at once."""
    batches = []
    while batch := outbox.next_rows(least, most):
        batches.append([*outbox.rows(batch)])
        outbox.note_sent(ROWS, batch)
    return batches


def test_a_batch_is_of_the_same_rows_until_it_is_sent(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(30)
    batch = outbox.next_rows(1, 40)
    assert batch == NumberedBatch(1, 1, 30, 1, 0, 0)
    rows = outbox.rows(batch)
    fill.rows(100)
    assert Outbox(beside(bench)).next_rows(1, 40) == batch
    assert outbox.rows(batch) == rows == fill.written[:30]
    assert outbox.waiting() == 130
    outbox.note_sent(ROWS, batch)
    assert outbox.waiting() == 100
    assert outbox.next_rows(1, 40) == NumberedBatch(2, 31, 70, 1, 0, 0)


def test_every_row_is_in_one_batch_and_few_rows_wait(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(90)
    batches = taken(outbox, least=40)
    assert [len(batch) for batch in batches] == [40, 40]
    batches += taken(outbox)
    assert [row for batch in batches for row in batch] == fill.written
    assert outbox.next_rows(1, 40) is None
    assert len(bench.rows("SELECT * FROM batches")) == 1  # the last one says where to go on


def test_rows_behind_what_is_pending_wait(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(50)
    fill.rows(50, settled=False)
    fill.settled(60)  # the fact of 61 is pending
    assert [row.seq for batch in taken(outbox) for row in batch] == [*range(1, 61)]
    fill.settled()
    assert [row.seq for batch in taken(outbox) for row in batch] == [*range(61, 101)]


def test_what_is_settled_in_a_gateway_is_given_out(bench: Bench) -> None:
    facts = [call(bytes([i]) * 16) for i in range(1, 4)]
    bench.send(*facts)
    outbox = Outbox(bench.file)
    assert taken(outbox) == []
    bench.wait()
    bench.turn()
    (batch,) = taken(outbox)
    assert [row.input for row in batch] == [100] * 3


@pytest.mark.parametrize("seq", [7, 75])
def test_a_row_that_is_counted_late_is_in_one_batch_too(bench: Bench, seq: int) -> None:
    """Whether batches are past its number, or not there yet."""
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(50)
    first = taken(outbox)
    fill.rows(40)
    late = random_row(fill.chance, seq, MIDNIGHT, fill.seats)._replace(kind="feedback", calls=1)
    fill.written = [row for row in fill.written if row[:2] != late[:2]]
    with bench.file.transaction() as connection:
        connection.execute("DELETE FROM counted WHERE seq = ? AND kind = 'feedback'", (seq,))
    fill.put([late])
    with bench.file.transaction():
        bench.ledger._settler._note_late([late])
    rows = [row for batch in (*first, *taken(outbox)) for row in batch]
    assert sorted(row for row in rows if row[:2] != late[:2]) == sorted(
        row for row in fill.written if row is not late)
    assert [row for row in rows if row[:2] == late[:2]][-1] == late
    assert bench.rows("SELECT count(*) FROM late_rows") == [(0,)]


def test_numbers_go_on_behind_those_that_are_there(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(10)
    batch = outbox.next_rows(1, 40, after=17)
    assert batch is not None
    assert batch.number == 18


def test_sums_are_of_batches_side_by_side(bench: Bench) -> None:
    outbox = Outbox(bench.file)
    assert outbox.next_sums(SUMMED_BATCHES, 2, (0, 0), least=3, most=3) is None
    first = outbox.next_sums(SUMMED_BATCHES, 8, (0, 0), least=3, most=3)
    assert first == NumberedBatch(1, 1, 3)
    assert outbox.next_sums(SUMMED_BATCHES, 9, (0, 0), least=3, most=3) == first
    outbox.note_sent(SUMMED_BATCHES, first)
    assert outbox.next_sums(SUMMED_BATCHES, 8, (1, 3), least=3, most=3) == NumberedBatch(2, 4, 6)


def test_numbers_of_sums_go_on_behind_those_that_are_there(bench: Bench) -> None:
    assert Outbox(bench.file).next_sums(
        SUMMED_BATCHES, 9, (4, 7), least=1, most=3) == NumberedBatch(5, 8, 9)


def test_heartbeats_stay_in_the_ledger(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(20)
    beats = [random_row(fill.chance, seq, MIDNIGHT, fill.seats)._replace(kind=HEARTBEAT)
             for seq in (21, 22, 7)]
    with bench.file.transaction():
        write_rows(bench.file, beats, fill.seats)
        bench.ledger._settler._note_late(beats)
    fill.settled(22)
    assert outbox.waiting() == 20
    assert [row for batch in taken(outbox) for row in batch] == fill.written
    assert outbox.waiting() == 0
    assert outbox.next_rows(1, 40) is None
    assert bench.rows("SELECT count(*) FROM late_rows") == [(0,)]


def test_a_ledger_with_a_new_id_goes_on_with_its_numbers(bench: Bench) -> None:
    fill = Fill(bench)
    fill.rows(20)
    outbox = Outbox(bench.file)
    before = [outbox.gateway]
    assert len(taken(outbox)) == 1
    for _ in range(2):
        renew(bench.file, bench.folder / "ledger.db")
        outbox = Outbox(beside(bench))
        assert outbox.former == before
        before.append(outbox.gateway)
    fill.rows(5)
    assert outbox.next_rows(1, 40) == NumberedBatch(2, 21, 25, 1, 0, 0)


def test_who_is_forgotten_is_to_be_forgotten_there_where_rows_have_left(bench: Bench) -> None:
    fill, outbox = Fill(bench), Outbox(bench.file)
    fill.rows(10)
    forget(bench.file, "alice")
    assert outbox.names_to_forget() == []
    taken(outbox)
    forget(bench.file, "alice")
    assert outbox.names_to_forget() == [bench.file.keys.veil("alice")]
    outbox.note_forgotten(bench.file.keys.veil("alice"))
    assert outbox.names_to_forget() == []


def test_rows_that_are_deleted_take_what_is_noted_of_them_along(bench: Bench) -> None:
    bench.ledger.configure(1, 400)
    bench.send(call())
    bench.wait()
    with bench.file.transaction() as connection:
        connection.execute(bench.file.statements.insert_late, (1, 1, "call"))
    bench.passed += 2 * DAY / 1e9
    bench.turn()
    assert bench.rows("SELECT count(*) FROM late_rows") == [(0,)]


def test_the_tables_have_all_that_a_row_has_and_all_sums() -> None:
    assert {*CountedRow._fields} - {"seat"} <= {*SENT}
    assert (*MEASURED,) == MEASURES
    assert all(f"AS `sum_{name}`" in OF_ROWS for name in MEASURES)
    again = "CREATE TABLE IF NOT EXISTS ", "ALTER TABLE calls ADD COLUMN IF NOT EXISTS "
    assert all(statement.startswith(again) for statement in CREATE)
