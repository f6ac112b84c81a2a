"""One destination's way through the outbox, by a connection of its own.

That a body is done is written before the next one is sent: so a gateway that is killed sends one
body twice at most. It is not brought to the disk for itself: the next commit of the ledger does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from inferometer.ledger.database import Database
from inferometer.ledger.outbox_keeper import padded
from inferometer.ledger.outbox_statements import OutboxStatements
from inferometer.sinks.outbox import SentBody, WaitingBody

AGAIN_SECONDS = 1.0  # between looks for what is to be sent again, and for other gateways' bodies
NO_CURSOR = -1


class DestinationOutbox:
    """See ForwardOutbox. `owners` names the gateways whose bodies are sent from here.

    In a file these are all it has: it had other ids before a copy of it was put back.
    """

    def __init__(self, database: Database, destination: str, signals: frozenset[str],
                 owners: Callable[[], Sequence[str]] | None = None,
                 monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._destination = database, destination
        self._signals = padded(signals)
        self._statements = OutboxStatements(database.dialect)
        self._list_owners = owners or self._all_owners
        self._monotonic = monotonic
        self._cursors: dict[str, int] = {}  # by owner
        self._looked_at: float | None = None
        self._again: list[str] = []  # owners that may have bodies to be sent again
        database.be_fast()

    def next_body(self) -> WaitingBody | None:
        """The next one, None where there is none now."""
        now = self._monotonic()
        if self._looked_at is None or now - self._looked_at >= AGAIN_SECONDS:
            self._looked_at = now
            self._look()
        while self._again:
            if body := self._first(self._statements.next_again, (
                    self._again[0], self._destination)):
                return body
            self._again.pop(0)
        for owner in self._cursors:
            if body := self._next_of(owner):
                return body
        return None

    def note_done(self, waiting: WaitingBody) -> None:
        """The destination has it."""
        self._finish(waiting, None)

    def set_aside(self, waiting: WaitingBody, status: int, why: str) -> None:
        """The destination refused it for good; it is kept for a person to decide."""
        self._finish(waiting, (status, why))

    def is_current(self) -> bool:
        """Whether the ledger is still the one of its name."""
        return self._database.is_current()

    def close(self) -> None:
        """Let go of the ledger."""
        self._database.close()

    def _look(self) -> None:
        connection, statements = self._database.connection, self._statements
        owners = self._list_owners()
        self._again = list(owners)
        cursors: dict[str, int] = {}
        for owner in owners:
            row = connection.execute(
                statements.cursor_of, (owner, self._destination)).fetchone()
            if row is not None:
                cursors[owner] = row[0]
        self._cursors = cursors

    def _all_owners(self) -> Sequence[str]:
        rows = self._database.connection.execute(self._statements.all_cursors).fetchall()
        return [owner for owner, name, _ in rows if name == self._destination]

    def _next_of(self, owner: str) -> WaitingBody | None:
        statements, after = self._statements, self._cursors[owner]
        connection = self._database.connection
        last = connection.execute(statements.last_body, (owner,)).fetchone()[0] or 0
        if last <= after:
            return None
        body = self._first(statements.next_body, (owner, after, *self._signals))
        if body is None:  # what there is is for others
            self._move(owner, last)
        return body

    def _first(self, statement: str, values: Sequence[object]) -> WaitingBody | None:
        row: Any = self._database.connection.execute(statement, (*values, 1, 0)).fetchone()
        if row is None:
            return None
        owner, number, arrived, signal, _, encoding, coding, hops, content = row
        return WaitingBody(owner, number, arrived, SentBody(
            signal, encoding, coding, bytes(content), hops))

    def _finish(self, waiting: WaitingBody, refused: tuple[int, str] | None) -> None:
        owner, number = waiting.owner, waiting.number
        statements, name = self._statements, self._destination
        before = self._cursors.get(owner, NO_CURSOR)
        with self._database.transaction() as connection:
            if refused is not None:
                connection.execute(statements.put_refused, (owner, name, number, *refused, 0))
            elif number <= before:  # it was set aside
                connection.execute(statements.delete_refused, (owner, name, number))
            connection.execute(statements.move_cursor, (number, owner, name, number))
            connection.execute(statements.delete_done, (owner, min(before + 1, number), number))
        if number > before:
            self._cursors[owner] = number

    def _move(self, owner: str, number: int) -> None:
        statements, before = self._statements, self._cursors[owner]
        with self._database.transaction() as connection:
            connection.execute(statements.move_cursor, (
                number, owner, self._destination, number))
            connection.execute(statements.delete_done, (owner, before + 1, number))
        self._cursors[owner] = number
