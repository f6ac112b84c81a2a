"""Rows that leave the ledger are in ClickHouse once, whatever happens on the way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("chdb", reason="the extra chdb is not installed")

from clickhouse_connect.driver.client import Client

from inferometer.ledger.clickhouse.answers import ArchiveAnswers
from inferometer.ledger.clickhouse.shipper import BATCH_SECONDS
from inferometer.ledger.file import File
from inferometer.ledger.high_water import renew
from inferometer.ledger.people import forget
from tests.exporter.ledger.clickhouse.filling import (
    DAY,
    MIDNIGHT,
    Fill,
    beside,
    random_row,
    tops,
    truth,
)
from tests.exporter.ledger.clickhouse.making import Warehouse, warehouse_in
from tests.exporter.ledger.making import Bench, ledger_in

pytestmark = pytest.mark.heavy
ROWS = 130  # four batches, one of them not full, over midnight
FEW_ROWS = 50  # the same of two


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


class Killed(BaseException):
    """The process ends here."""


class Steps:
    """Counts the steps of a shipper, and ends it before one of them, or does something else."""

    def __init__(self, last: int = -1, act: Callable[[], None] | None = None) -> None:
        self.passed = 0
        self._last, self._act = last, act

    def step(self) -> None:
        self.passed += 1
        if self.passed == self._last:
            if self._act is None:
                raise Killed
            self._act()


class SteppingClient:
    """A client each of whose calls has a step before it and a step behind it."""

    def __init__(self, client: Client, steps: Steps) -> None:
        self._client, self._steps = client, steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def stepping(*arguments: Any, **options: Any) -> Any:
            self._steps.step()
            result = method(*arguments, **options)
            self._steps.step()
            return result

        return stepping


class SteppingFile:
    """A ledger's file whose transactions have steps before, within and behind them.

    `within`: another could not write it there, and would wait.
    """

    def __init__(self, file: File, steps: Steps, within: bool) -> None:
        self._file, self._steps, self._within = file, steps, within

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self._steps.step()
        with self._file.transaction() as connection:
            yield connection
            if self._within:
                self._steps.step()
        self._steps.step()


def stepping(warehouse: Warehouse, bench: Bench, steps: Steps, within: bool = True) -> Any:
    return warehouse.shipper(
        bench, SteppingClient(warehouse.client, steps),  # type: ignore[arg-type]  # as it is used
        lambda: SteppingFile(beside(bench), steps, within))  # type: ignore[arg-type,return-value]  # too


def numbered(fill: Fill) -> list[tuple[int, str, int]]:
    return sorted((row.seq, row.kind, row.arrived) for row in fill.written)


def assert_all_is_there(warehouse: Warehouse, bench: Bench, fill: Fill) -> None:
    """Once each, and the same answers from rows, sums, and what is behind them."""
    assert warehouse.counted() == numbered(fill)
    assert tops(ArchiveAnswers(warehouse.client)) == truth(bench)


def test_rows_leave_in_full_batches_and_the_others_after_a_while(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    fill.rows(ROWS)
    shipper = warehouse.shipper(bench)
    shipper.turn()
    assert warehouse.rows("SELECT batch, rows FROM batches ORDER BY batch") == [
        (1, 40), (2, 40), (3, 40)]
    assert shipper.condition().waiting == 10
    warehouse.clock.now += BATCH_SECONDS
    shipper.turn()
    assert shipper.condition() == (0, 0)
    assert_all_is_there(warehouse, bench, fill)
    assert warehouse.rows("SELECT seq, checks, score FROM calls ORDER BY seq") == [
        (row.seq, row.checks, row.score) for row in fill.written]


def test_what_is_behind_the_sums_is_in_the_answers_too(warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    shipper = warehouse.shipper(bench)
    for _ in range(5):
        fill.rows(ROWS)
        warehouse.clock.now += BATCH_SECONDS
        shipper.turn()
        assert_all_is_there(warehouse, bench, fill)
    chunks = warehouse.rows("SELECT first, last FROM chunks ORDER BY chunk")
    assert chunks[:2] == [(1, 3), (4, 6)]
    warehouse.ship_all(shipper)
    assert warehouse.rows("SELECT max(last) FROM chunks") == warehouse.rows(
        "SELECT max(batch) FROM batches")
    assert_all_is_there(warehouse, bench, fill)


@pytest.mark.timeout(1800)  # a ledger and a database for each step
def test_who_is_killed_at_any_step_leaves_all_of_it_to_the_next_once(
        engine: Path, tmp_path: Path) -> None:
    killed = 0
    for last in range(1, 1000):
        folder = tmp_path / str(last)
        folder.mkdir()
        with ledger_in(folder) as bench, warehouse_in(engine) as warehouse:
            fill = Fill(bench)
            fill.rows(FEW_ROWS)
            try:
                warehouse.ship_all(stepping(warehouse, bench, Steps(last)))
            except Killed:
                killed += 1
            else:
                break
            warehouse.ship_all(warehouse.shipper(bench))
            assert_all_is_there(warehouse, bench, fill)
    assert killed > 40


@pytest.mark.timeout(1800)  # a ledger and a database for each step
def test_a_second_shipper_at_any_step_of_the_first_doubles_nothing(
        engine: Path, tmp_path: Path) -> None:
    for turn in range(1, 1000, 3):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with ledger_in(folder) as bench, warehouse_in(engine) as warehouse:
            fill = Fill(bench)
            fill.rows(FEW_ROWS)
            second = warehouse.shipper(bench)
            steps = Steps(turn, partial(warehouse.ship_all, second))
            warehouse.ship_all(stepping(warehouse, bench, steps, within=False))
            assert_all_is_there(warehouse, bench, fill)
            if steps.passed < turn:
                break
    else:
        pytest.fail("no end")


def test_two_shippers_at_a_time_double_nothing(warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    failures: list[BaseException] = []
    more = threading.Event()

    def ship() -> None:
        client = warehouse.connected()
        shipper = warehouse.shipper(bench, client)
        try:
            while not more.is_set() or shipper.condition().waiting:
                warehouse.clock.now += BATCH_SECONDS
                shipper.turn()
        except BaseException as error:  # whatever it is, the test is to fail of it
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=ship) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        fill.rows(90)
    more.set()
    for thread in threads:
        thread.join(100)
    assert failures == []
    warehouse.ship_all(warehouse.shipper(bench))
    assert_all_is_there(warehouse, bench, fill)


class Ignoring(ArchiveAnswers):
    """Answers that take all that ever arrived, whatever the tables of batches and sums say."""

    def batches(self, where: str) -> str:
        return "SELECT copy FROM calls"

    def chunks(self, where: str) -> str:
        return "SELECT copy FROM rollups WHERE false"

    def days(self, where: str) -> str:
        return "SELECT copy FROM days WHERE false"

    def arrivals(self, where: str) -> str:
        return "true"


class Wire:
    """What may become of an INSERT between client and server."""

    def __init__(self, client: Client, fault: str) -> None:
        self._client, self._fault = client, fault
        self.inserts: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.commands: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._late: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def command(self, *arguments: Any, **options: Any) -> Any:
        if "INSERT" in arguments[0]:
            self.commands.append((arguments, options))
        return self._client.command(*arguments, **options)

    def insert(self, table: str, columns: Any, **options: Any) -> None:
        first = table == "calls" and not any(one[0][0] == table for one in self.inserts)
        self.inserts.append(((table, columns), options))
        if not first or self._fault == "none":
            self._client.insert(table, columns, **options)
        elif self._fault == "twice":
            self._client.insert(table, columns, **options)
            self._client.insert(table, columns, **options)
        elif self._fault == "half":  # the server ended between two days' parts
            self._client.insert(table, [one[:len(one) // 2] for one in columns], **options)
            raise TimeoutError
        elif self._fault == "no answer":
            self._client.insert(table, columns, **options)
            raise TimeoutError
        else:
            self._late = (table, columns), options
            raise TimeoutError

    def arrive(self) -> None:
        """What was on its way for long."""
        if self._late is not None:
            self._client.insert(*self._late[0], **self._late[1])


@pytest.mark.parametrize("remembers", [True, False], ids=["window", "no-window"])
@pytest.mark.parametrize("fault", ["none", "twice", "half", "no answer", "late"])
def test_an_insert_that_is_cut_off_repeated_or_late_changes_no_answer(
        warehouse: Warehouse, bench: Bench, fault: str, remembers: bool) -> None:
    fill = Fill(bench)
    fill.rows(ROWS)
    warehouse.shipper(bench, batch_rows=1000).turn()  # makes the tables
    if not remembers:
        warehouse.forget_tokens()
    wire = Wire(warehouse.client, fault)
    shipper = warehouse.shipper(bench, wire)  # type: ignore[arg-type]  # as it is used
    try:
        warehouse.ship_all(shipper)
    except TimeoutError:
        assert shipper.condition().failures == 1
        warehouse.ship_all(shipper)
    assert_all_is_there(warehouse, bench, fill)
    wire.arrive()
    assert_all_is_there(warehouse, bench, fill)

    # A day later, when no server remembers a token, all of it comes again.
    warehouse.forget_tokens()
    for arguments, options in wire.inserts:
        warehouse.client.insert(*arguments, **options)
    for arguments, options in wire.commands:
        warehouse.client.command(*arguments, **options)
    assert len(warehouse.rows("SELECT DISTINCT copy FROM calls")) > 4
    assert_all_is_there(warehouse, bench, fill)
    warehouse.ship_all(warehouse.shipper(bench))
    assert_all_is_there(warehouse, bench, fill)
    # And who takes all that arrived is wrong.
    assert tops(Ignoring(warehouse.client)) != truth(bench)


@pytest.mark.parametrize("renewed", [False, True], ids=["unnoticed", "under-a-new-id"])
def test_a_ledger_put_back_from_a_copy_gives_out_nothing_twice(
        warehouse: Warehouse, bench: Bench, tmp_path: Path, renewed: bool) -> None:
    fill = Fill(bench)
    fill.rows(100)
    shipper = warehouse.shipper(bench)
    shipper.turn()
    copy = tmp_path / "copy.db"
    bench.file.copy_to(copy)  # 20 rows are counted, and not there
    lost = fill.rows(ROWS)
    warehouse.ship_all(shipper)
    assert_all_is_there(warehouse, bench, fill)

    bench.close()
    for file in tmp_path.glob("ledger.db*"):
        if not file.name.endswith(".key"):
            file.unlink()
    shutil.copy(copy, tmp_path / "ledger.db")
    bench.restart()
    if renewed:
        renew(bench.file, bench.folder / "ledger.db")
    again = Fill(bench, seed=2)
    again.seq = 100
    new = again.rows(ROWS, begin=MIDNIGHT + DAY)
    shipper = warehouse.shipper(bench)
    warehouse.ship_all(shipper)
    rows = [*fill.written[:100], *lost, *new]
    assert warehouse.counted() == sorted((row.seq, row.kind, row.arrived) for row in rows)
    assert sum(top.figures["requests"] or 0
               for top in tops(ArchiveAnswers(warehouse.client), 0, ["model"])["model"]) == sum(
        row.calls for row in rows if row.kind == "call")


def test_a_row_that_is_counted_late_leaves_with_the_next_batch_once(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    fill.rows(50)
    shipper = warehouse.shipper(bench)
    shipper.turn()  # one batch of 40 is there
    late = [random_row(fill.chance, seq, MIDNIGHT, fill.seats)._replace(kind=kind, calls=1)
            for seq, kind in ((7, "late"), (45, "late"))]
    fill.put([row._replace(outcome="success", error_type="") for row in late])
    with bench.file.transaction():
        bench.ledger._settler._note_late(late)
    fill.rows(ROWS)
    warehouse.ship_all(shipper)
    assert warehouse.counted() == numbered(fill)
    assert bench.rows("SELECT * FROM late_rows") == []


def test_who_is_forgotten_here_is_forgotten_there_in_rows_sums_and_copies(
        warehouse: Warehouse, bench: Bench) -> None:
    fill = Fill(bench)
    hashed = bench.file.keys.veil("Alice")
    fill.put([row._replace(seq=row.seq + 1000, user=hashed) for row in fill.rows(ROWS)])
    fill.settled(3000)
    warehouse.ship_all(warehouse.shipper(bench))
    query = "SELECT count() FROM {} WHERE user = '" + hashed + "'"
    assert warehouse.rows(query.format("calls")) == [(ROWS,)]
    for table in ("rollups", "days"):
        assert warehouse.rows(query.format(table)) != [(0,)]
    assert tops(ArchiveAnswers(warehouse.client)) == truth(bench)
    assert forget(bench.file, "Alice") == ROWS
    warehouse.ship_all(warehouse.shipper(bench))
    for table in ("calls", "rollups", "days"):
        assert warehouse.rows(query.format(table)) == [(0,)]
