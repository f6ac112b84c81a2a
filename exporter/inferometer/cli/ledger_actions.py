"""The actions of `inferometer ledger`, on a ledger that is open."""

from __future__ import annotations

import argparse
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer.cli.ledger_tables import TableCell, moment, print_as, print_facts, table
from inferometer.cli.verbs import FAILED, OK, complain
from inferometer.config import ClickHouseSection, ConfigError, LedgerSection
from inferometer.documents.mistakes import Mistake
from inferometer.durations import milliseconds
from inferometer.ledger import care, people, questions, tree, verification
from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.file import File
from inferometer.ledger.file_opening import open_to_write
from inferometer.ledger.opening import require_driver
from inferometer.ledger.store import load_all_seats
from inferometer.outside import shown
from inferometer.reasons import reason_of
from inferometer.settings import COMMAND_LINE

if TYPE_CHECKING:  # it is in an extra
    from inferometer.ledger.clickhouse.answers import ArchiveAnswers
    from inferometer.ledger.clickhouse.archive import Archive



def top(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Print who used most."""
    since = (time.time_ns() - milliseconds(options.last) * 10**6) // HOUR * HOUR
    if options.on == "clickhouse":
        with archive_of(store) as (answers, _):
            groups = questions.top(answers, options.by, since, options.limit)
    else:
        groups = questions.top(questions.LedgerAnswers(database), options.by, since, options.limit)
    rows: list[list[TableCell]] = [[group.name, *group.figures.values()] for group in groups]
    columns = [options.by, *questions.COLUMNS]
    pending = database.count_pending()
    if options.format == "table":
        print("\n".join(table(columns, rows)))
        print(f"Arrived since {moment(since)}; {pending} facts not settled yet.")
    else:
        print_as(options.format, columns, rows, {
            "by": options.by, "since": moment(since), "pending": pending,
            "rows": [dict(zip(columns, row, strict=True)) for row in rows]})
    return OK


def verify(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Reckon all anew, and print what differs."""
    verified = verification.verify(database)
    columns = ("place", "key", "stored", "reckoned")
    rows: list[list[TableCell]] = [[one.place, one.key, str(one.stored), str(one.reckoned)]
                              for one in verified.differences[:verification.MOST_SHOWN]]
    if options.format == "table":
        if rows:
            print("\n".join(table(columns, rows)))
        print(f"{verified.facts} facts, {verified.rows} rows, {verified.counters} counters, "
              f"{verified.rollups} roll-ups: "
              f"{len(verified.differences) or 'no'} difference"
              f"{'' if len(verified.differences) == 1 else 's'}.")
    else:
        print_as(options.format, columns, rows, verification.as_data(verified))
    return FAILED if verified.differences else OK


def backup(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Write a copy, which is whole or not there."""
    target = Path(options.subject)
    if target.exists():
        complain(f"{target} exists already")
        return FAILED
    database.copy_to(target)
    print(f"{target}: {target.stat().st_size:,} bytes. It is of no use without the key, "
          "which is not in it: keep a copy of that, too, in another place.")
    return OK


def check(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Print what is damaged, and what the file's size is made of. Raises LedgerError."""
    file = _file_of(database)
    try:
        health = care.check(file)
    except sqlite3.Error as error:
        complain(f"{file.path}: {reason_of(error)}; restore a backup")
        return FAILED
    if options.format == "table":
        for fault in health.faults:
            print(shown(fault))
        print(f"{file.path}: {len(health.faults) or 'no'} "
              f"fault{'' if len(health.faults) == 1 else 's'}; {health.bytes:,} bytes, "
              f"{health.unused:,} of them unused.")
        if health.restored:
            print("It is older than what was written here last: its gateway will give it a new id, "
                  "and counters begin at 0.")
    else:
        print_as(options.format, health._fields, [[
            len(health.faults), health.bytes, health.unused, str(health.restored).lower()]],
            health._asdict())
    return FAILED if health.faults else OK


def vacuum(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Make the file smaller, and print by how much. Raises LedgerError."""
    file = _file_of(database)
    try:
        done = care.vacuum(file)
    except sqlite3.Error as error:
        complain(f"{file.path}: {reason_of(error)}")
        return FAILED
    if options.format == "table":
        way = "written anew" if done.rewritten else (
            "unused pages given back beside its gateway, or for want of room to write it anew")
        print(f"{file.path}: {done.before:,} bytes before, {done.after:,} now; {way}.")
    else:
        print_as(options.format, done._fields, [[
            done.before, done.after, str(done.rewritten).lower()]], done._asdict())
    return OK


def _file_of(database: Database) -> File:
    if not isinstance(database, File):
        raise LedgerError(f"{database.name} is no file: PostgreSQL looks after its own, by "
                          "pg_amcheck and VACUUM")
    return database


def copy(source: LedgerSection, target: LedgerSection) -> int:
    """Copy a file into a database, and compare them. Raises ConfigError, LedgerError."""
    if not target.dsn_file:
        raise ConfigError(Mistake("copy", "needs the ledger.dsn_file of a configuration file: "
                                          "inferometer ledger copy --config FILE",
                                  document=COMMAND_LINE))
    if not Path(source.path).is_file():
        raise LedgerError(f"{source.path} is no file")
    if not Path(target.key_path).is_file():
        raise LedgerError(f"{target.key_path} is missing: put the key of the file there, which "
                          f"is {source.key_path}")
    require_driver()
    # Here alone: it needs another extra.
    from inferometer.ledger import copying, postgres_opening

    # As their gateway has them: so it may not be at work on either.
    with closing(open_to_write(Path(source.path), Path(source.key_path))) as file, \
            closing(postgres_opening.open_to_write(Path(target.dsn_file), Path(target.key_path),
                                                   target.gateway_id)) as database:
        rows = copying.copy(file, database, time.monotonic)
        verified = verification.verify(database)
        print(f"{database.name}: " + ", ".join(f"{count:,} {name}" for name, count in rows.items()))
        print(f"{len(verified.differences) or 'no'} difference"
              f"{'' if len(verified.differences) == 1 else 's'} between rows and counters.")
    return FAILED if verified.differences else OK


def trace(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Print a trace as a tree."""
    text = options.subject.lower().removeprefix("0x").replace("-", "")
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise ConfigError(Mistake("trace", f"{options.subject!r} is no trace id, which has 32 "
                                           "hexadecimal digits", document=COMMAND_LINE))
    steps = [line for root in tree.trace(database, bytes.fromhex(text)) for line in root.lines()]
    if not steps:
        complain(f"no step of the trace {text} is kept")
        return FAILED
    rows = [_step(depth, branch) for depth, branch in steps]
    if options.format == "table":
        print("\n".join(table(STEPS[1:], [
            [f"{'· ' * depth}{row[1]}", *row[2:]]
            for (depth, _), row in zip(steps, rows, strict=True)])))
        for _, branch in steps:
            for name, content in branch.content.items():
                print(f"{branch.fact.span_id.hex()} {shown(name)}: {shown(content)}")
    else:
        print_as(options.format, STEPS, rows, {"trace_id": text, "steps": [
            dict(zip(STEPS, row, strict=True)) | {"content": dict(branch.content)}
            for row, (_, branch) in zip(rows, steps, strict=True)]})
    return OK


STEPS = ("depth", "step", "kind", "state", "outcome", "seconds", "first token", "input", "cached",
         "output", "model", "service", "span_id")


def _step(depth: int, branch: tree.Branch) -> list[TableCell]:
    fact, usage = branch.fact, getattr(branch.fact, "usage", None)
    return [depth, fact.name or branch.kind, branch.kind, branch.state,
            fact.outcome.value + (f" {fact.error_type.value}" if fact.error_type else ""),
            fact.seconds, getattr(fact, "time_to_first_token", None),
            *((usage.input, usage.cached, usage.output) if usage else (None, None, None)),
            getattr(fact, "model", "") or getattr(fact, "tool", ""), fact.service_name,
            fact.span_id.hex()]


def show_person(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Print what is kept of a user or a conversation."""
    person = people.person(database, options.subject, load_all_seats(database))
    if person is None:
        complain(f"nothing is kept of {options.subject!r}, whose hash is "
                 f"{database.keys.veil(options.subject)}")
        return FAILED
    facts: dict[str, TableCell] = {
        "hash": person.name, "calls": person.calls, "steps": person.steps,
        "votes": person.votes, "tokens": person.tokens,
        "first": moment(person.first) if person.first else "",
        "last": moment(person.last) if person.last else "",
        "models": ", ".join(sorted(person.models)), "users": len(person.users),
        "conversations": len(person.conversations)}
    print_facts(options.format, facts)
    return OK


def forget(database: Database, options: argparse.Namespace, store: ClickHouseSection) -> int:
    """Remove a user or a conversation."""
    changed = people.forget(database, options.subject)
    print(f"removed from {changed} rows; counts and sums stay as they are")
    if pending := database.count_pending():
        print(f"{pending} facts are not settled yet: what they have of it is written in a "
              "moment, so do this again in a minute")
    if store.url:
        print("ClickHouse loses it within seconds while the gateway runs")
    return OK if changed else FAILED


def show_clickhouse(database: Database, options: argparse.Namespace, store: ClickHouseSection
                    ) -> int:
    """Print what is in ClickHouse of this ledger, and what waits."""
    from inferometer.ledger.clickhouse.outbox import Outbox

    outbox = Outbox(_file_of(database))
    with archive_of(store) as (_, archive):
        batches, rows, summed = archive.extent(outbox.gateway)
    facts: dict[str, TableCell] = {
        "waiting": outbox.waiting(), "to forget": len(outbox.names_to_forget()),
        "batches": batches, "rows": rows, "summed up to batch": summed}
    print_facts(options.format, facts)
    return OK


@contextmanager
def archive_of(store: ClickHouseSection) -> Iterator[tuple[ArchiveAnswers, Archive]]:
    """The ClickHouse of the configuration, to ask and to look after. Raises LedgerError."""
    # Here alone, as it needs what is in another extra.
    from inferometer.ledger.clickhouse.answers import ArchiveAnswers
    from inferometer.ledger.clickhouse.archive import Archive
    from inferometer.ledger.clickhouse.connection import connect_as, plain_words

    client = connect_as(store)
    try:
        with plain_words(store):
            archive = Archive(client)
            archive.prepare()
            yield ArchiveAnswers(client), archive
    finally:
        client.close()


ACTIONS: Mapping[str, Callable[[Database, argparse.Namespace, ClickHouseSection], int]] = {
    "top": top, "verify": verify, "backup": backup, "trace": trace, "who": show_person,
    "forget": forget, "check": check, "vacuum": vacuum, "clickhouse": show_clickhouse}
