"""What is kept of one user or conversation, and how it is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

from inferometer.ledger.conversations import end
from inferometer.ledger.counting import CountedRow
from inferometer.ledger.database import FORGETTING, Database
from inferometer.ledger.judging.keeping import forget_conversation, forget_trace
from inferometer.ledger.keys import IN_TRACE_BITS
from inferometer.ledger.ranking import forget_rank
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.vote_statements import statements_of
from inferometer.sinks.answers import KINDS
from inferometer.spans.steps import CALL_OF_TOOL

CHUNK = 20_000  # facts that are looked at in one transaction, for which the gateway waits


@dataclass
class Person:
    """What the ledger has under a hash."""

    name: str
    calls: int = 0
    steps: int = 0
    votes: int = 0  # that a user cast
    tokens: int = 0
    first: int = 0  # arrival, Unix nanoseconds
    last: int = 0
    models: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)


def person(database: Database, name: str, seats: SeatTable) -> Person | None:
    """What is kept of a user, or of a conversation; None where there is nothing."""
    hashed = database.keys.veil(name)
    kept = Person(hashed)
    for one in database.connection.execute(
            database.statements.counted_of, (hashed, hashed)):
        row = CountedRow(*one)
        kept.first = kept.first or row.arrived
        kept.last = row.arrived
        if row.kind == "call":
            kept.calls += row.calls
            kept.tokens += (row.input or 0) + (row.output or 0) if row.billed else 0
            kept.models.add(seats.seats[row.seat].labels.model)
        elif row.kind not in KINDS and (
                row.kind != "mcp" or seats.seats[row.seat].labels.name != CALL_OF_TOOL):
            kept.steps += 1  # a tool is one, also where it was called over MCP
        for names, other in ((kept.conversations, row.conversation), (kept.users, row.user)):
            if other and other != hashed:
                names.add(other)
    kept.votes = database.connection.execute(
        statements_of(database.dialect).count_of_voter, (hashed,)).fetchone()[0]
    return kept if kept.first or kept.votes else None


def forget(database: Database, name: str) -> int:
    """Remove a user or a conversation; in how many rows it stood. Sums and counts stay.

    Where rows have left for another store, they are to lose it there too.
    """
    hashed, statements = database.keys.veil(name), database.statements
    # First: what is settled from now on has no such name.
    with database.transaction(alone=FORGETTING) as connection:
        last = connection.execute(statements.last_fact).fetchone()[0] or 0
        connection.execute(statements.put_forgotten, (hashed, last))
    changed = _forget_votes(database, hashed)
    for first, last in database.chunks(CHUNK):
        values = first, last, hashed
        with database.transaction(alone=FORGETTING) as connection:
            # While it is known whose calls they are.
            connection.execute(statements_of(database.dialect).forget_on_calls, (
                first, last, first, last, hashed, hashed))
            traces = {bytes(row[0]) for select in statements.traces_of
                      for row in connection.execute(select, values).fetchall()}
            for first_digest in map(database.keys.trace_digest, sorted(traces)):
                # Of all its spans: those that say who it was are seldom those with the words.
                connection.execute(statements.delete_contents_of_trace,
                                   (first_digest, first_digest + 2**IN_TRACE_BITS - 1))
            for trace in sorted(traces):
                forget_trace(database, trace)
            for update in statements.forget_names:
                changed += connection.execute(update, values).rowcount
    with database.transaction(alone=FORGETTING) as connection:
        end(connection, statements, hashed)
    forget_conversation(database, hashed)
    keys = database.connection.execute(statements.rollups_of, (hashed,)).fetchall()
    for begin in range(0, len(keys), CHUNK):
        with database.transaction(alone=FORGETTING) as connection:
            chunk = keys[begin:begin + CHUNK]
            forget_rank(database, {(gateway, hour) for gateway, hour, _ in chunk})
            for key in chunk:
                sums = connection.execute(statements.find_rollup, (*key, hashed)).fetchone()
                connection.execute(statements.add_rollup, (*key, "", *sums))
                connection.execute(statements.delete_rollup, (*key, hashed))
    if database.connection.execute(
            statements.last_batches, (database.gateway, "rows", 1, 0)).fetchone():
        with database.transaction() as connection:  # last: no batch from now on has it
            connection.execute(statements.insert_forget_there, (hashed,))
    return changed


def _forget_votes(database: Database, hashed: str) -> int:
    """Remove who cast them, and what was said with them; how many there were."""
    statements = statements_of(database.dialect)
    with database.transaction(alone=FORGETTING) as connection:
        ids = [row[0] for row in connection.execute(statements.votes_of, (hashed,)).fetchall()]
        connection.executemany(statements.forget_voter, [
            (database.keys.vote_digest("forgotten", id_), id_) for id_ in ids])
    return len(ids)
