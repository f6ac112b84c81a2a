"""Conversations that go on, and how many turns those had that ended: each observed once.

A turn is a trace in which a service has something of the conversation. A conversation ends where
somebody says so, or after half an hour without a turn; what comes later under its id is another.
Only hashes of ids are in the ledger, and none of a conversation that has ended.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

from inferometer.catalogue import TURN_BOUNDS
from inferometer.ledger.counting import OURS, SUM, CountedRow, CounterKey
from inferometer.ledger.database import Database, SqlConnection
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.statements import Statements
from inferometer.ledger.traces import Kept

REST_SECONDS = 1800.0  # without a turn, after which it has ended
LOOK_SECONDS = 10.0  # between looks for those
FUTURE = 300 * 10**9  # nanoseconds: what was so much later than now, was so by another clock
MOST = 100_000  # that go on: beyond it those that rest longest have ended
AT_ONCE = 500
KIND, TURNS = "conversation", "turns"  # of a seat, and the name of a counter
_PARTS = [*map(str, TURN_BOUNDS), "inf"]
_NOT_TURNS = frozenset((*OURS, "evaluation", "feedback"))
Turns = dict[tuple[str, str], tuple[int, int]]  # by service and hash: new turns, the last arrival


def turns_of(rows: Iterable[CountedRow], earlier: Mapping[bytes, Kept], seats: SeatTable,
             turns: Turns) -> None:
    """Add a trace's turn in each conversation that its new rows are of.

    `earlier`: facts of it that had settled before: their conversations have this turn already.
    """
    before = {(one.fact.service_name, one.fact.conversation) for one in earlier.values()}
    arrivals: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.conversation and row.kind not in _NOT_TURNS:
            key = seats.seats[row.seat].labels.service_name, row.conversation
            arrivals[key] = max(arrivals.get(key, 0), row.arrived)
    for key, arrived in arrivals.items():
        number, last = turns.get(key, (0, 0))
        turns[key] = number + (key not in before), max(last, arrived)


def note(database: Database, turns: Turns) -> None:
    """Write them down; the caller's transaction holds it."""
    database.connection.executemany(database.statements.conversations.add, [
        (*key, number, last) for key, (number, last) in sorted(turns.items())])


def end(connection: SqlConnection, statements: Statements, conversation: str) -> None:
    """Have a conversation ended, by its hash: it is observed at the next look."""
    connection.execute(statements.conversations.end, (conversation,))


class Conversations:
    """What looks for those that have ended. Only the ledger's own thread uses it."""

    def __init__(self, database: Database, clock: Callable[[], int],
                 monotonic: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._database, self._clock, self._monotonic, self._most = database, clock, monotonic, most
        self._look_at = 0.0

    def is_due(self) -> bool:
        """Whether it is time to look, and any has ended."""
        now = self._monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        return bool(self._ended(1))

    def take(self, seats: SeatTable) -> dict[CounterKey, int]:
        """What is to be added to counters now; in the transaction that writes them."""
        added: dict[CounterKey, int] = {}
        ended = self._ended(AT_ONCE)
        if len(ended) == AT_ONCE:
            self._look_at = 0.0  # there may be more
        self._database.connection.executemany(
            self._database.statements.conversations.delete, [row[:2] for row in ended])
        for service, _, turns, _ in ended:
            if turns:
                seat = seats.shown(seats.id_of((KIND, "", "", "", service, "")))
                for part, value in ((_PARTS[bisect_left(TURN_BOUNDS, turns)], 1), (SUM, turns)):
                    added[seat, TURNS, part] = added.get((seat, TURNS, part), 0) + value
        return added

    def _ended(self, most: int) -> list[tuple[str, str, int, int]]:
        statements, now = self._database.statements.conversations, self._clock()
        connection = self._database.connection
        rest = now - int(REST_SECONDS * 1e9)
        ended: list[tuple[str, str, int, int]] = connection.execute(
            statements.ended, (rest, now + FUTURE, most, 0)).fetchall()
        if not ended and (over := connection.execute(
                statements.count).fetchone()[0] - self._most) > 0:
            ended = connection.execute(
                statements.resting, (min(over, most), 0)).fetchall()
        return ended
