"""How a ledger notices that its file is an older copy, and what it does then.

Beside the file stands another one with the number of its last mark, which also is in the file. A
file whose mark is lower was restored: what Prometheus was shown is more than what it has. So it
gets a new id, and its counters begin at 0: a counter that fell would be added a second time.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from inferometer.ledger.database import Database
from inferometer.ledger.judging.counters import name_of
from inferometer.ledger.metering import forget_streams
from inferometer.ledger.request_statements import statements_of

MARK, FORMER = "mark", "former"  # in the table meta


class HighWater:
    """The file beside a ledger: the ledger's id, and its last mark."""

    def __init__(self, ledger: Path) -> None:
        self._path = ledger.with_name(f"{ledger.name}.mark")

    def read(self) -> tuple[str, int] | None:
        """Id and mark; None where there are none that can be read."""
        with contextlib.suppress(OSError, ValueError):
            gateway, mark = self._path.read_text(encoding="ascii").split()
            return gateway, int(mark)
        return None

    def write(self, gateway: str, mark: int) -> None:
        """Put both in the place of what was there, durably. Raises OSError.

        Else a power failure could leave an empty file, or none, and look like a restore.
        """
        part = self._path.with_name(f"{self._path.name}.part")
        with part.open("w", encoding="ascii") as file:
            file.write(f"{gateway} {mark}\n")
            file.flush()
            os.fsync(file.fileno())
        is_first = not self._path.exists()
        os.replace(part, self._path)
        if is_first:  # later a name that is not durable yet leaves a lower mark, which is as good
            _sync_folder(self._path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mark_of(database: Database) -> int:
    """The last mark in the file, 0 where it has none."""
    meta = database.connection.execute(database.statements.all_meta).fetchall()
    return int(dict(meta).get(MARK, 0))


def is_restored(database: Database, path: Path) -> bool:
    """Whether the file is older than the one that was written here last, or was moved here."""
    mark, beside = mark_of(database), HighWater(path).read()
    if beside is None:
        return mark > 0
    return beside[0] != database.gateway or mark < beside[1]


def former_ids(database: Database) -> Sequence[str]:
    """The ids that the ledger had before, the first one first."""
    meta: dict[str, str] = dict(database.connection.execute(
        database.statements.all_meta).fetchall())
    return meta.get(FORMER, "").split()


def renew(database: Database, path: Path) -> None:
    """Give the ledger a new id and counters of 0; sums of hours and numbers of batches go with it.

    What its rows come to is taken off as what retention has deleted is added: so `verify` reckons
    as before.
    """
    gateway, statements = uuid.uuid4().hex, database.statements
    beside = HighWater(path).read()
    mark = max(mark_of(database), beside[1] if beside else 0) + 1
    with database.transaction() as connection:
        for statement in (statements.renew_counters, statements.renew_rollups,
                          statements.renew_batches, *statements.ranking.renew,
                          statements_of(database.dialect).renew):
            connection.execute(statement, (gateway, database.gateway))
        connection.execute(statements.renew_counters, (name_of(gateway), name_of(database.gateway)))
        forget_streams(connection, database, time.time_ns())
        connection.executemany(statements.put_meta, [
            ("gateway", gateway), (MARK, str(mark)),
            (FORMER, " ".join((*former_ids(database), database.gateway)))])
    database.gateway, database.meta = gateway, {**database.meta, "gateway": gateway}
    HighWater(path).write(gateway, mark)
