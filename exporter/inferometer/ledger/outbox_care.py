"""What a person may do about the outbox: see what waits, send again or drop what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inferometer.ledger.database import Database
from inferometer.ledger.outbox_statements import OutboxStatements


class RefusedBody(NamedTuple):
    """One that a destination refused for good."""

    gateway: str
    destination: str
    number: int
    status: int  # of the answer; 0 where it was not sent
    why: str
    again: int  # 1 where it is to be sent again
    signal: str
    bytes: int
    arrived: int  # Unix nanoseconds


class Backlog(NamedTuple):
    """What a destination is behind by."""

    gateway: str
    destination: str
    waiting: int  # bodies after its last one, of all signals
    bytes: int
    oldest: int | None  # arrival, Unix nanoseconds


def refused_bodies(database: Database, destination: str = "", number: int | None = None
                   ) -> Sequence[RefusedBody]:
    """Those of a destination, or of all; or the one with a number."""
    rows = database.connection.execute(OutboxStatements(database.dialect).all_refused).fetchall()
    return [body for body in (RefusedBody(*row) for row in rows)
            if destination in ("", body.destination) and number in (None, body.number)]


def backlogs(database: Database) -> Sequence[Backlog]:
    """Of all destinations that have been sent to."""
    statements, connection = OutboxStatements(database.dialect), database.connection
    return [Backlog(gateway, name, *connection.execute(
                statements.sum_after, (gateway, seq)).fetchone())
            for gateway, name, seq in connection.execute(statements.all_cursors).fetchall()]


def send_again(database: Database, bodies: Sequence[RefusedBody]) -> None:
    """Have the gateway send them, before what came later."""
    statement = OutboxStatements(database.dialect).send_again
    with database.transaction() as connection:
        connection.executemany(statement, [
            (body.gateway, body.destination, body.number) for body in bodies])


def drop(database: Database, bodies: Sequence[RefusedBody]) -> None:
    """Delete them, where no other destination needs them."""
    statements = OutboxStatements(database.dialect)
    with database.transaction() as connection:
        connection.executemany(statements.delete_refused, [
            (body.gateway, body.destination, body.number) for body in bodies])
        connection.executemany(statements.delete_done, [
            (body.gateway, body.number, body.number) for body in bodies])
