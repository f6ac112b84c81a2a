"""The writer's part of the outbox: takes bodies in, and keeps what waits within its bounds.

Bodies are written in the transaction of their facts. Beyond the bounds, or where the disk is
nearly full, the oldest ones go: a destination that is away is no reason to take nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from inferometer.facts import Fact
from inferometer.heartbeats import SERVICE
from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.outbox_statements import MOST_SIGNALS, OutboxStatements
from inferometer.ledger.parcel import Parcel
from inferometer.sinks.feedback_vote import vote_body
from inferometer.sinks.outbox import Conditions, OutboxCondition, SentBody
from inferometer.votes import JoinedVote

CHUNK = 500  # bodies that are dropped at a time
SWEEP_SECONDS = 600.0  # between two looks for what gone gateways have left
LOG_SECONDS = 60.0  # between two lines about what is dropped
OVERSHOOT = 0.02  # of the bound, after which what waits is looked at out of turn

log = logging.getLogger(__name__)
Named = Mapping[str, frozenset[str]]  # signals by destination
BodyHead = tuple[int, str, int, int]  # number, signal, bytes and arrival


class OutboxKeeper:
    """What waits for the destinations of one gateway. `wake` is called when there is more."""

    def __init__(self, database: Database, destinations: Named, max_bytes: int, hours: float,
                 clock: Callable[[], int], wake: Callable[[], object] = lambda: None) -> None:
        self._database, self._destinations = database, destinations
        self._statements = OutboxStatements(database.dialect)
        self._max_bytes, self._hours = max_bytes, hours
        self._clock, self._wake = clock, wake
        self._signals = frozenset[str]().union(*destinations.values())
        self._dropped = dict.fromkeys(destinations, 0)
        self._logged = dict.fromkeys(destinations, 0)  # of these, in the log
        self._logged_at = self._swept_at = 0
        self._added = 0  # bytes since the last look
        self._conditions: Conditions = {}
        self._last = self._begin()

    @property
    def is_due(self) -> bool:
        """Whether so much came that its bounds are to be looked at out of turn."""
        return self._added > OVERSHOOT * self._max_bytes

    def conditions(self) -> Conditions:
        """As they were at the last look; may be asked from another thread."""
        return self._conditions

    def write(self, group: Iterable[Parcel]) -> int:
        """Write the bodies of a group in the transaction of their facts. Returns how many."""
        if not self._signals:
            return 0
        return self._insert([
            (parcel.arrived, parcel.body) for parcel in group
            if parcel.body is not None and not self._is_beat(parcel.facts)])

    def write_votes(self, votes: Iterable[JoinedVote]) -> None:
        """Write votes in the transaction that joins them with their calls.

        Who sends them looks once a second, also if nobody wakes it.
        """
        now = self._clock()
        self._insert([(now, vote_body(vote)) for vote in votes])

    def _insert(self, bodies: Iterable[tuple[int, SentBody]]) -> int:
        """Write those that any destination takes, by arrival."""
        rows: list[Sequence[Any]] = []
        for arrived, body in bodies:
            if body.signal not in self._signals:
                continue
            self._last += 1
            size = len(body.content)
            self._added += size
            rows.append((self._database.gateway, self._last, arrived, body.signal, size,
                         body.encoding, body.coding, body.hops, body.content))
        if rows:
            self._database.insert(self._statements.insert_body, rows)
        return len(rows)

    def remember(self, bodies: int) -> None:
        """So many are committed."""
        if bodies:
            self._wake()

    def look(self, tight: bool) -> bool:
        """Drop some of what is beyond the bounds; whether there may be more. `tight`: all goes."""
        self._added = 0
        if not self._destinations:
            return False
        dropped = self._drop_some(tight)
        self._sweep()
        self._conditions = self._look()
        self._log_dropped()
        return dropped

    def _drop_some(self, tight: bool) -> bool:
        connection, statements = self._database.connection, self._statements
        gateway = self._database.gateway
        _, total, oldest = connection.execute(statements.sum_bodies, (gateway,)).fetchone()
        horizon = self._clock() - int(self._hours * HOUR)
        excess = (total or 0) - self._max_bytes
        if oldest is None or not (tight or excess > 0 or oldest < horizon):
            return False
        heads: list[BodyHead] = []
        for seq, signal, size, arrived in connection.execute(
                statements.oldest_bodies, (gateway, CHUNK, 0)).fetchall():
            if not (tight or excess > 0 or arrived < horizon):
                break
            excess -= size
            heads.append((seq, signal, size, arrived))
        self._drop(heads)
        return len(heads) == CHUNK

    def _sweep(self) -> None:
        """Delete what is too old of gateways that are gone, whose bodies nobody sends any more."""
        now = self._clock()
        if now - self._swept_at < SWEEP_SECONDS * 1e9:
            return
        self._swept_at = now
        with self._database.transaction() as connection:
            connection.execute(self._statements.delete_old_of_others, (
                self._database.gateway, now - int(self._hours * HOUR)))

    def _drop(self, heads: Sequence[BodyHead]) -> None:
        if not heads:
            return
        statements, gateway, until = self._statements, self._database.gateway, heads[-1][0]
        lost: dict[str, int] = {}
        with self._database.transaction() as connection:
            for name, signals in self._destinations.items():
                row = connection.execute(statements.cursor_of, (gateway, name)).fetchone()
                cursor = row[0] if row else until
                lost[name] = sum(1 for seq, signal, _, _ in heads
                                 if seq > cursor and signal in signals)
                connection.execute(statements.move_cursor, (until, gateway, name, until))
            connection.execute(statements.delete_refused_until, (gateway, until))
            connection.execute(statements.delete_bodies_until, (gateway, until))
        for name, bodies in lost.items():
            self._dropped[name] += bodies

    def _log_dropped(self) -> None:
        """A line of what was dropped, for each destination, once in a while."""
        now = self._clock()
        if self._dropped == self._logged or now - self._logged_at < LOG_SECONDS * 1e9:
            return
        for name, bodies in self._dropped.items():
            if bodies > self._logged[name]:
                log.error("bodies were dropped that a destination did not take in time", extra={
                    "destination": name, "bodies": bodies - self._logged[name]})
        self._logged, self._logged_at = dict(self._dropped), now

    def _look(self) -> Conditions:
        connection, statements = self._database.connection, self._statements
        gateway = self._database.gateway
        conditions: dict[str, OutboxCondition] = {}
        for name, signals in self._destinations.items():
            row = connection.execute(statements.cursor_of, (gateway, name)).fetchone()
            many, size, oldest = connection.execute(statements.sum_waiting, (
                gateway, row[0] if row else 0, *padded(signals))).fetchone()
            (refused,) = connection.execute(statements.count_refused, (gateway, name)).fetchone()
            conditions[name] = OutboxCondition(many, int(size or 0), oldest, refused,
                                               self._dropped[name])
        return conditions

    def _begin(self) -> int:
        """Forget destinations that are no more, and have new ones begin here. The last number."""
        statements, gateway = self._statements, self._database.gateway
        with self._database.transaction() as connection:
            last = max(connection.execute(one, (gateway,)).fetchone()[0] or 0
                        for one in (statements.last_body, statements.last_cursor))
            theirs = {name for owner, name, _ in connection.execute(
                statements.all_cursors).fetchall() if owner == gateway}
            for name in theirs - self._destinations.keys():
                connection.execute(statements.delete_cursor, (gateway, name))
                connection.execute(statements.delete_refused_of, (gateway, name))
            connection.executemany(statements.put_cursor, [
                (gateway, name, last) for name in self._destinations.keys() - theirs])
            connection.execute(statements.delete_done, (gateway, 0, last))
        return last

    def _is_beat(self, facts: Sequence[Fact]) -> bool:
        """Whether a body is a heartbeat of a gateway with our key, which goes nowhere."""
        return bool(facts) and facts[0].service_name == SERVICE and (
            self._database.keys.is_beat(facts[0].trace_id))


def padded(signals: Iterable[str]) -> tuple[str, ...]:
    """Signals as a statement binds them."""
    names = sorted(signals)
    return (*names, *[""] * (MOST_SIGNALS - len(names)))
