"""Both stores answer the same of the same rows, and ClickHouse keeps them for its own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("chdb", reason="the extra chdb is not installed")

from inferometer.ledger.clickhouse.answers import ArchiveAnswers
from inferometer.ledger.clickhouse.archive import Archive
from inferometer.ledger.clickhouse.shipper import CHUNK_SECONDS
from inferometer.ledger.counting import HOUR
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.statements import GROUPS
from tests.exporter.ledger.clickhouse.filling import DAY, MIDNIGHT, Fill, tops, truth
from tests.exporter.ledger.clickhouse.making import Warehouse, warehouse_in
from tests.exporter.ledger.making import Bench, ledger_in

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture
def warehouse(engine: Path) -> Iterator[Warehouse]:
    with warehouse_in(engine) as one:
        yield one


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as one:
        yield one


@pytest.mark.parametrize("seed", range(3))
def test_both_stores_answer_the_same(warehouse: Warehouse, bench: Bench, seed: int) -> None:
    fill = Fill(bench, seed)
    shipper = warehouse.shipper(bench, batch_rows=500)
    fill.rows(2500, span=60 * HOUR)
    warehouse.ship_all(shipper)
    fill.rows(700, begin=MIDNIGHT + 59 * HOUR)  # these are not added up
    warehouse.clock.now += 30
    shipper.turn()
    assert shipper.condition() == (0, 0)
    answers = ArchiveAnswers(warehouse.client)
    for since in (0, MIDNIGHT, MIDNIGHT + 40 * HOUR, MIDNIGHT + 59 * HOUR, MIDNIGHT + 90 * HOUR):
        assert tops(answers, since, GROUPS) == truth(bench, since, GROUPS)
    for by in GROUPS:
        for most in (1, 2, 100):
            expected = top(LedgerAnswers(bench.file), by, 0, most)
            assert top(answers, by, 0, most) == expected
            assert top(ArchiveAnswers(warehouse.client, ties=0), by, 0, most) == expected


def test_a_window_of_days_is_answered_from_sums_of_days_and_of_the_hours_before_them(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    fill.rows(300, begin=MIDNIGHT, span=3 * DAY)
    warehouse.ship_all(warehouse.shipper(bench))
    for statement in ("calls DELETE WHERE true",
                      f"rollups DELETE WHERE hour >= {(MIDNIGHT + DAY) // 10**9}",
                      f"days DELETE WHERE day < {(MIDNIGHT + DAY) // 10**9}"):
        warehouse.client.command(f"ALTER TABLE {statement}", settings={"mutations_sync": 2})
    since = MIDNIGHT + 16 * HOUR
    assert tops(ArchiveAnswers(warehouse.client), since) == truth(bench, since) != {}


def test_days_are_added_up_once_a_day_and_hours_behind_them_are_in_the_answers(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    shipper = warehouse.shipper(bench)
    answers = ArchiveAnswers(warehouse.client)
    counts: list[Sequence[int]] = []
    for hours in (1, 1, 24):
        fill.rows(60, span=DAY)
        warehouse.clock.now += hours * CHUNK_SECONDS
        shipper.turn()
        assert tops(answers, MIDNIGHT) == truth(bench, MIDNIGHT)
        counts += warehouse.rows("SELECT count(), (SELECT max(chunk) FROM chunks) = max(last) "
                                 "FROM day_chunks")
    assert counts == [(1, 1), (1, 0), (2, 1)]


def test_days_and_months_that_are_kept_for_long_enough_are_deleted(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    for day in (0, 1, 40, 41):
        fill.rows(60, begin=MIDNIGHT + day * DAY + HOUR)
    warehouse.ship_all(warehouse.shipper(bench))
    archive = Archive(warehouse.client)
    days = "SELECT count() FROM calls"
    assert warehouse.rows(days) == [(240,)]
    archive.drop(MIDNIGHT + DAY + HOUR, 0)  # the day that the moment is in stays
    assert warehouse.rows(days) == [(180,)]
    assert tops(ArchiveAnswers(warehouse.client)) == truth(bench)  # the sums are there
    archive.drop(MIDNIGHT + 40 * DAY, MIDNIGHT + 40 * DAY)
    assert warehouse.rows(days) == [(120,)]
    since = MIDNIGHT + 35 * DAY
    assert tops(ArchiveAnswers(warehouse.client), since) == truth(bench, since)


def test_copies_that_do_not_count_are_swept_away_a_day_later(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    rows = fill.rows(60)
    warehouse.ship_all(warehouse.shipper(bench, batch_rows=60))
    archive = Archive(warehouse.client)
    archive.insert(bench.file.gateway, 1, rows, fill.seats, "again")
    count = "SELECT count() FROM calls"
    archive.sweep(bench.file.gateway)
    assert warehouse.rows(count) == [(120,)]  # who sent it may still name it
    warehouse.client.command("ALTER TABLE batches UPDATE named = named - INTERVAL 2 DAY WHERE true",
                             settings={"mutations_sync": 2})
    archive.sweep(bench.file.gateway)
    assert warehouse.rows(count) == [(60,)]
    assert tops(ArchiveAnswers(warehouse.client)) == truth(bench)
