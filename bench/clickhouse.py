"""What ClickHouse takes and answers: chdb, which is ClickHouse within this process.

    python -m bench.clickhouse [CALLS] [FOLDER]

ships rows of a ledger, beside a bare loop that inserts the same columns; then makes CALLS (100
million) within ClickHouse, of 100,000 users whose share falls as 1/rank, over 30 days, adds them up
as a gateway has them added up, each hour at half past and the day after midnight, and asks who used
most: from the rows, from sums of hours, and from sums of days, also with a window that begins
within a day. Beside each stands the shortest query for the 100 greatest sums of one column. It
needs `.[chdb]`, some 7 GB for each 100 million calls in FOLDER, which is deleted at the end, and
8 GB of memory.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clickhouse_connect.driver.client import Client

from bench.report import Figure, say, table
from bench.timing import median_seconds
from inferometer.ledger.clickhouse.answers import ArchiveAnswers
from inferometer.ledger.clickhouse.archive import Archive
from inferometer.ledger.clickhouse.connection import connect
from inferometer.ledger.clickhouse.outbox import NumberedBatch
from inferometer.ledger.clickhouse.shipper import BATCH_ROWS, BATCH_SECONDS, Shipper
from inferometer.ledger.clickhouse.tables import DAYS, HOURS, SENT
from inferometer.ledger.counting import HOUR, CountedRow
from inferometer.ledger.file_opening import open_beside, open_to_write
from inferometer.ledger.questions import top
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.store import write_rows

CALLS = 100_000_000
SHIPPED = 100_000  # rows of the ledger
USERS = 100_000
BEGIN = 20_000 * 24 * HOUR
SPAN = 30 * 24 * HOUR
TURNS = SPAN // HOUR  # batches, each of an hour's calls, and added up alone
IN_DAY = 24  # of these
MEMORY = 6 * 2**30  # bytes of one query
ROUNDS = 5
LEAST_ROWS, MOST_SECONDS = 13_000.0, 1.0


def main(calls: str = str(CALLS), folder: str = "") -> int:
    """Measure it; the exit code."""
    place = Path(tempfile.mkdtemp(dir=folder or None))
    try:
        figures = [*_shipping(place), *_asking(place, int(calls))]
        print(table(figures))
        return os.EX_OK
    finally:
        shutil.rmtree(place)


def _shipping(folder: Path) -> list[Figure]:
    """Rows for each second of CPU time, that of the server within this process included."""
    client = connect(f"chdb://{folder}/store", "shipped")
    archive = Archive(client)
    archive.prepare()
    _fill(folder)
    now = [0.0]
    shipper = Shipper(lambda: open_beside(folder / "ledger.db", folder / "ledger.key"),
                      lambda: archive, monotonic=lambda: now[0])
    now[0] += BATCH_SECONDS
    seconds = _cpu(shipper.turn)
    assert shipper.condition().waiting == 0
    columns = client.query(f"SELECT {', '.join(f'`{name}`' for name in SENT)} FROM calls LIMIT "
                           f"{BATCH_ROWS}", column_oriented=True).result_columns
    client.command("CREATE TABLE bare AS calls")
    bare = _cpu(lambda: [client.insert(
        "bare", columns, column_names=[*SENT], column_type_names=[*SENT.values()],
        column_oriented=True) for _ in range(SHIPPED // BATCH_ROWS)])
    client.close()
    say(f"{SHIPPED / bare:,.0f} rows a second of one core by a bare loop of INSERTs")
    return [Figure("rows shipped a second of one core", "rows/s", SHIPPED / seconds, LEAST_ROWS,
                   at_least=True)]


def _fill(folder: Path) -> None:
    file = open_to_write(folder / "ledger.db", folder / "ledger.key")
    seats = SeatTable([])
    seat = seats.id_of(("call", "openai", "m", "chat", "shop", ""))
    with file.transaction() as connection:
        write_rows(file, [CountedRow(
            i, "call", BEGIN + i * 10**7, seat, f"{i % USERS:020x}", f"{i:020x}", "success", "", 1,
            1, "known", i % 4000, i % 1000, None, i % 700, None, i * 7919 % 10**10,
            i * 7919 % 10**9, priced="hosted", cost=i * 31, within_limits=1, place=1)
            for i in range(1, SHIPPED + 1)], seats)
        connection.execute(file.statements.put_meta, ("pending_from", str(SHIPPED + 1)))
    file.close()


def _asking(folder: Path, calls: int) -> list[Figure]:
    """Seconds until the 100 greatest users are known, of all calls."""
    client = connect(f"chdb://{folder}/store", "asked")
    client.set_client_setting("max_memory_usage", MEMORY)
    client.set_client_setting("max_bytes_before_external_group_by", MEMORY // 4)
    archive = Archive(client)
    archive.prepare()
    _make(client, calls)
    answers = ArchiveAnswers(client)
    began = time.monotonic()
    expected = top(answers, "user", 0, 100)
    raw = time.monotonic() - began
    bare_raw = median_seconds(lambda: client.query(_bare("calls")), 2)
    say(f"from rows {raw:.2f} s, by the shortest query of them {bare_raw:.2f} s")
    within = BEGIN + 9 * HOUR
    expected_within = top(answers, "user", within, 100)
    for turn in range(1, TURNS + 1):
        archive.add_up(HOURS, "bench", NumberedBatch(turn, turn, turn))
    say("added up by the hour")
    _ask(answers, "sums of hours", "rollups")
    for day in range(TURNS // IN_DAY):
        archive.add_up(DAYS, "bench", NumberedBatch(
            day + 1, day * IN_DAY + 1, (day + 1) * IN_DAY))
    say("added up by the day")
    assert top(answers, "user", 0, 100) == expected
    assert top(answers, "user", within, 100) == expected_within
    summed = _ask(answers, "sums of days", "days")
    edged = median_seconds(lambda: top(answers, "user", within, 100), ROUNDS)
    for name, rows, size in client.query(
            "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND "
            "database = 'asked' AND table IN ('calls', 'rollups', 'days') GROUP BY table "
            "ORDER BY table").result_rows:
        say(f"{name}: {rows:,} rows, {size / 1e9:.2f} GB")
    client.close()
    of = f"top 100 users of {calls / 1e6:g} M calls,"
    return [Figure(f"{of} from sums of days", "s", summed, MOST_SECONDS),
            Figure(f"{of} from 9 h of the first day on", "s", edged, MOST_SECONDS)]


def _ask(answers: ArchiveAnswers, name: str, table: str) -> float:
    """Seconds of `top`, beside those of the shortest query."""
    seconds = median_seconds(lambda: top(answers, "user", 0, 100), ROUNDS)
    bare = median_seconds(lambda: answers.client.query(_bare(table)), ROUNDS)
    say(f"from {name} {seconds:.2f} s, by the shortest query of them {bare:.2f} s")
    return seconds


def _make(client: Client, calls: int) -> None:
    """Calls in a batch an hour, and one copy of each named."""
    size = -(-calls // TURNS)
    for turn in range(TURNS):
        client.command(_made(turn, size, min(size, calls - turn * size)), settings={
            "max_block_size": size, "max_insert_block_size": size, "max_threads": 1})
        if (turn + 1) % (TURNS // 10) == 0:
            say(f"{min((turn + 1) * size, calls):,} calls made")
    client.command(
        "INSERT INTO batches (gateway, batch, copy, rows, first, last, first_arrived, last_arrived)"
        " SELECT gateway, batch, any(copy), count(), min(seq), max(seq), min(arrived), "
        "max(arrived) FROM calls GROUP BY gateway, batch")


def _made(turn: int, size: int, rows: int) -> str:
    """An INSERT of a batch of calls: most of few users, each with a service of its own."""
    user = f"toUInt32(exp(sipHash64(number) / 18446744073709551616. * log({USERS})))"
    shared = "sipHash64(number, {})"
    arrived = f"{BEGIN + HOUR // 2} + number * {HOUR // size}"
    columns = {
        "gateway": "'bench'", "batch": str(turn + 1),
        "rows": str(rows), "provider": "'openai'", "model": "concat('m', toString(rank % 8))",
        "operation": "'chat'", "service_name": "concat('service', toString(rank % 20))",
        "seq": "number + 1", "kind": "'call'",
        "arrived": f"fromUnixTimestamp64Nano(toInt64({arrived}))",
        "user": "lower(hex(sipHash128(rank)))", "outcome": "'success'", "calls": "1",
        "billed": "1", "usage": "'known'", "input": f"{shared.format(1)} % 4000",
        "output": f"{shared.format(2)} % 700", "duration": f"{shared.format(3)} % 10000000000",
        "first_token": f"{shared.format(4)} % 1000000000", "priced": "'hosted'",
        "cost": f"{shared.format(5)} % 1000000", "within_limits": "1", "place": "1"}
    return (f"INSERT INTO calls ({', '.join(columns)}) "
            f"SELECT {', '.join(columns.values())} FROM "
            f"(SELECT number, {user} AS rank FROM numbers({turn * size}, {rows}))")


def _bare(name: str) -> str:
    return (f"SELECT user, sum(input) AS tokens FROM {name} GROUP BY user "
            "ORDER BY tokens DESC LIMIT 100")


def _cpu(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
