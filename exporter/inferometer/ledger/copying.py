"""Copies a ledger from SQLite's file into a database of PostgreSQL, while no gateway runs.

All of it is one transaction, and is compared with the file before it ends: so a copy is complete
or not there, and can be made again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from inferometer.ledger.database import MIGRATING
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.file import File
from inferometer.ledger.judging.counters import name_of
from inferometer.ledger.judging.keeping import WORDS_UNTIL
from inferometer.ledger.judging.statements import CURSOR
from inferometer.ledger.metering import POINTS_SINCE
from inferometer.ledger.partitions import DAY_BITS, Partitions, day_of
from inferometer.ledger.postgres import BLOCK, Postgres, types_of
from inferometer.ledger.purging import PURGED
from inferometer.ledger.request_queue import packed, unpacked
from inferometer.ledger.schema import (
    ANSWER_LABELS,
    BURNT_NONCES,
    CALL_SUBJECTS,
    CONTENTS,
    CONVERSATIONS,
    COUNTED,
    COUNTERS,
    FACTS,
    FORGOTTEN,
    FORMS,
    GROWTHS,
    JUDGE_DAYS,
    JUDGE_REQUESTS,
    JUDGED_UNITS,
    JUDGEMENTS,
    JUDGES,
    METRIC_BOUNDS,
    RECONCILIATIONS,
    REQUEST_LOG,
    ROLLUPS,
    SEATS,
    SPAN_SENDERS,
    STREAMS,
    TRACES,
    VOTES,
    WAITING_VOTES,
)
from inferometer.ledger.shared_pending import DATABASE_NOW, touch
from inferometer.ledger.shared_schema import IDENTITIES, NUMBERS, PENDING
from inferometer.ledger.store import Forms

COPIED = "copied_from"  # in the table meta: the gateway of the file
FIRST_GATEWAY = 0  # the number of the one whose label tuples are those of the file
# Columns that are a fact's number.
_NUMBERS = {FACTS: ("seq", "counted"), COUNTED: ("seq",), CONTENTS: ("seq",), TRACES: ("seq",),
            FORGOTTEN: ("until",), VOTES: ("call",), CALL_SUBJECTS: ("seq",),
            JUDGED_UNITS: ("call",)}
TABLES = (FORMS, SEATS, FACTS, COUNTED, CONTENTS, TRACES, COUNTERS, ROLLUPS, FORGOTTEN,
          REQUEST_LOG, STREAMS, GROWTHS, SPAN_SENDERS, METRIC_BOUNDS, CONVERSATIONS, VOTES,
          WAITING_VOTES, CALL_SUBJECTS, BURNT_NONCES, JUDGED_UNITS, JUDGES, JUDGEMENTS,
          JUDGE_REQUESTS, JUDGE_DAYS, ANSWER_LABELS, RECONCILIATIONS)


class Days:
    """The numbers of facts in a database, by those that they have in a file."""

    def __init__(self, file: File) -> None:
        self._begins: list[int] = []  # first numbers of runs that arrived on one day
        self._days: list[int] = []
        for seq, arrived in file.connection.execute("SELECT seq, arrived FROM facts ORDER BY seq"):
            day = day_of(arrived)
            if not self._days or day != self._days[-1]:
                self._begins.append(seq)
                self._days.append(day)

    def __iter__(self) -> Iterator[int]:
        return iter(self._days)

    def number(self, seq: int | None) -> int | None:
        """The same fact's number with its day."""
        if seq is None or not self._days:
            return seq
        return (self._days[max(0, bisect_right(self._begins, seq) - 1)] << DAY_BITS) + seq


def copy(file: File, database: Postgres, monotonic: Callable[[], float]) -> Mapping[str, int]:
    """Copy all of it. Returns rows by table. Raises LedgerError where that would mix ledgers.

    Counters go to the gateway that the database was opened as.
    """
    if file.keys.fingerprint != database.keys.fingerprint:
        raise LedgerError(f"{file.name} and {database.name} have different keys")
    waiting = file.connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
    if waiting:
        raise LedgerError(f"{waiting} bodies wait in {file.name} for destinations: let its gateway "
                          "send them, or start it once without destinations, which drops them")
    days = Days(file)
    rows: dict[str, int] = {}
    for day in {*days}:
        Partitions(database).make(day)
    with database.transaction(alone=MIGRATING) as session:
        _refuse_others(file, database)
        for table in (*TABLES, IDENTITIES, PENDING):
            session.execute(f"TRUNCATE {table.name}")
        session.execute("DELETE FROM gateways")
        session.execute("INSERT INTO gateways (id, number) VALUES (%s, %s)",
                        (database.gateway, FIRST_GATEWAY))
        for table in TABLES:
            session.copy(table.name, [column.name for column in table.columns],
                         types_of(table.columns), _rows(file, database, table, days))
        session.execute("INSERT INTO identities (digest, seq) SELECT digest, seq FROM facts")
        _copy_pending(file, database, days, monotonic)
        session.execute(database.statements.put_meta, (COPIED, file.gateway))
        for name in (PURGED, POINTS_SINCE, CURSOR, WORDS_UNTIL):
            if name in file.meta:
                session.execute(database.statements.put_meta, (name, file.meta[name]))
        last = file.connection.execute(file.statements.last_fact).fetchone()[0] or 0
        session.execute(f"SELECT setval('{NUMBERS}', %s, false)", (last // BLOCK + 1,))
        for table in TABLES:
            count = f"SELECT count(*) FROM {table.name}"
            rows[table.name] = session.execute(count).fetchone()[0]
            if rows[table.name] != file.connection.execute(count).fetchone()[0]:
                raise LedgerError(f"{table.name} came to {rows[table.name]} rows, which are not "
                                  "as many as in the file: nothing is copied")
    return rows


def _refuse_others(file: File, database: Postgres) -> None:
    session = database.connection
    meta = dict(session.execute(database.statements.all_meta).fetchall())
    facts = session.execute("SELECT EXISTS (SELECT FROM facts)").fetchone()[0]
    alive, begun = session.execute(
        "SELECT count(*) FILTER (WHERE seen > clock_timestamp() - interval '1 minute'), "
        "count(seen) FROM gateways").fetchone()
    if alive:
        raise LedgerError(f"{database.name} has a gateway at work, or had a minute ago: stop it")
    if facts and (begun or meta.get(COPIED) != file.gateway):
        raise LedgerError(f"{database.name} has a ledger that gateways wrote: give an empty "
                          "database, or one with a copy of this file alone")


def _rows(file: File, database: Postgres, table: Table, days: Days) -> Iterator[Sequence[Any]]:
    names = [column.name for column in table.columns]
    numbers = [names.index(name) for name in _NUMBERS.get(table, ())]
    quoted = ", ".join(f'"{name}"' for name in names)
    gateway = names.index("gateway") if "gateway" in names else None
    for one in file.connection.execute(
            f"SELECT {quoted} FROM {table.name}"):
        row = list(one)
        for i in numbers:
            row[i] = days.number(row[i])
        if table is REQUEST_LOG:
            row[-1] = packed([days.number(seq) or seq for seq in unpacked(row[-1])])
        if gateway is not None:
            row[gateway] = name_of(database.gateway) if (
                row[gateway] == name_of(file.gateway)) else database.gateway
        yield row


def _copy_pending(file: File, database: Postgres, days: Days, monotonic: Callable[[], float]
                  ) -> None:
    """What is not settled yet is so there, too, from now on."""
    forms = Forms(file, read_only=True)
    now = database.connection.execute(DATABASE_NOW).fetchone()[0]
    pending = file.pending(0.0, 0.0, monotonic, forms.kept)
    while traces := pending.take(10**9):  # all at once: it is what came within seconds
        touch(database, now, (
            (trace_id, database.keys.trace_digest(trace_id),
             [days.number(one.seq) for one in trace.facts.values()], b"".join(trace.links))
            for trace_id, trace in traces))
        pending.settled()
