"""How soon a ledger in a file says who used most, and what the question costs those who send.

    python -m bench.ledger_questions [CALLS] [FOLDER]

writes the sums of the hours that CALLS (10 million) come to, of 100,000 users whose share falls as
1/rank, over 30 days; asks for the 100 users that used most, of 24 hours and of 30 days, beside the
shortest query for the same; and commits captured bodies while nobody asks, and while another
process asks for 24 hours again and again. It needs some 600 MB for 10 million calls in FOLDER.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from bench.intake_ledger import deliveries
from bench.otlp_sender import CONNECTIONS
from bench.report import Figure, say, table
from bench.timing import median_seconds
from inferometer.ledger.counting import HOUR, MEASURES
from inferometer.ledger.database import Database
from inferometer.ledger.file_opening import open_to_write
from inferometer.ledger.ledger import LedgerWriter
from inferometer.ledger.parcel import Parcel
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.ranking import Ranker
from inferometer.receipt import Receipt

CALLS, USERS, DAYS = 10_000_000, 100_000, 30
MODELS = 8
ROUNDS = 3
INTAKE_SECONDS = 10.0
BODIES = 200  # captured ones, committed over and over as new spans
DAY_SECONDS, MONTH_SECONDS, LEAST_INTAKE = 0.05, 1.5, 0.8
_BARE = """SELECT "user", sum(input) + sum(output) AS tokens FROM rollups WHERE hour >= ?
    GROUP BY "user" ORDER BY tokens DESC LIMIT 100"""


def main(calls: str = str(CALLS), folder: str = "") -> int:
    """Measure it; the exit code."""
    with tempfile.TemporaryDirectory(dir=folder or None) as place:
        path = Path(place) / "ledger.db"
        database = open_to_write(path, path.with_name("ledger.key"))
        now = time.time_ns() // HOUR
        _fill(database, int(calls), now - 24 * DAYS)
        say(f"{path.stat().st_size / 1e6:,.0f} MB")
        figures = [
            _asked(database, "24 h", now - 24, DAY_SECONDS),
            _asked(database, "30 d", now - 24 * DAYS, MONTH_SECONDS),
            _intake(LedgerWriter(database, linger=0.0), path)]
        database.close()
    print(table(figures))
    return os.EX_OK


def _fill(database: Database, calls: int, begin: int) -> None:
    """Sums of hours, from this hour on, in one transaction each."""
    chance, width, rows = random.Random(1), math.log(USERS), 0
    columns = ", ".join(f'"{name}"' for name in MEASURES)
    insert = (f'INSERT INTO rollups (gateway, hour, seat, "user", {columns}) '
              f"VALUES (?, ?, ?, ?, {', '.join('?' * len(MEASURES))})")
    database.insert(database.statements.insert_seat, [
        (seat, "call", "openai", f"m{seat}", "chat", f"service{seat}", "", 1)
        for seat in range(MODELS)])
    database.connection.execute(  # roll-ups are of gateways that have counters
        database.statements.add_counter, (database.gateway, 0, "ended", "success/", 0, 0))
    for hour in range(24 * DAYS):
        ranks = Counter(int(math.exp(chance.random() * width))
                        for _ in range(calls // (24 * DAYS)))
        with database.transaction() as connection:
            connection.executemany(insert, sorted(
                (database.gateway, begin + hour, rank % MODELS, f"{rank * 0x9e3779b97f4a7c15:020x}",
                 *(times * (1 + i * 7919 % 1000) for i in range(len(MEASURES))))
                for rank, times in ranks.items()))
        rows += len(ranks)
    ranker, now = Ranker(database), time.time_ns()
    seconds = median_seconds(lambda: ranker.rank(now), 24 * DAYS)
    say(f"{1e3 * seconds:.1f} ms to rank the users of an hour, once it is over")
    say(f"{calls:,} calls come to {rows:,} sums")


def _asked(database: Database, window: str, hour: int, most: float) -> Figure:
    seconds = median_seconds(lambda: top(LedgerAnswers(database), "user", hour * HOUR, 100), ROUNDS)
    bare = median_seconds(lambda: database.connection.execute(_BARE, (hour,)).fetchall(),
                          ROUNDS)
    say(f"{window}: {seconds:.2f} s, by the shortest query {bare:.2f} s")
    return Figure(f"top 100 users of {window}", "s", seconds, most)


def _intake(ledger: LedgerWriter, path: Path) -> Figure:
    """Facts a second that are committed while another process asks, beside those while none does.
    """
    numbers = count(1)
    alone = _committed(ledger, numbers)
    asking = subprocess.Popen([sys.executable, "-c", _ASK, path])
    try:
        beside = _committed(ledger, numbers)
    finally:
        asking.terminate()
        asking.wait(30)
    say(f"{alone:,.0f} facts a second while nobody asks")
    return Figure("intake while somebody asks", "facts/s", beside, LEAST_INTAKE, alone,
                  "nobody asks", at_least=True)


_ASK = """
import sys
from pathlib import Path
from inferometer.ledger.file_opening import open_beside
from inferometer.ledger.questions import LedgerAnswers, top
path = Path(sys.argv[1])
database = open_beside(path, path.with_name("ledger.key"))
while True:
    top(LedgerAnswers(database), "user", HOUR, 100)
""".replace("HOUR", str((time.time_ns() // HOUR - 24) * HOUR))


def _committed(ledger: LedgerWriter, numbers: Iterator[int]) -> float:
    """Facts a second; each body is of new spans."""
    facts, passed = 0, 0.0
    while passed < INTAKE_SECONDS:
        made = deliveries("captured", BODIES, first=next(numbers) * 10**6)
        while group := [Parcel(one.facts, one.links, time.time_ns(), Receipt())
                        for one in islice(made, CONNECTIONS)]:
            began = time.perf_counter()
            ledger.write(group)
            passed += time.perf_counter() - began
            facts += sum(len(parcel.facts) for parcel in group)
    return facts / passed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
