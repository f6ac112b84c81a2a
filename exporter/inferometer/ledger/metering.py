"""Calls that senders sum up themselves: what their metrics grew by, counted where no spans tell.

What a body's points add is written down beside where their streams are now, in one transaction; so
it is added once, whatever is sent again, and whoever of several gateways it comes to. It is counted
after a while, and not if a span of a call of the same service has come within a day: then spans
count, and metrics would count the same calls once more.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from inferometer.heartbeats import SERVICE
from inferometer.ledger.counting import BOUNDS, CounterKey
from inferometer.ledger.database import METERING, Database, SqlConnection
from inferometer.ledger.growths import CallGrowth, CallGrowths, bounds_for, counters_of, growths_of
from inferometer.ledger.seats import SeatTable
from inferometer.ledger.statements import STREAMS_AT_ONCE
from inferometer.ledger.streams import Unmetered, key_of, step_of
from inferometer.points import MetricPoint
from inferometer.sinks.metered import METRICS

POINTS_SINCE = "points_since"  # in the table meta: what began later counts from its beginning
SPANS_LAST = 24 * 3600 * 10**9  # nanoseconds, for which a service is one that sends spans
NOTED_LAST = 3600 * 10**9  # the same, until it is written down anew
FUTURE = 300 * 10**9  # nanoseconds: what arrived so much later than now, did so by another clock
MOST_STREAMS = 100_000  # those that were not seen for longest are forgotten
MOST_SENDERS = 10_000  # services that send spans, and are written down
DUE_AT_ONCE = 50  # rows of growths
NO_KEY = b""  # of no stream

log = logging.getLogger(__name__)


class Meter:
    """What metrics tell of calls, until it is counted. Only the ledger's own thread uses it."""

    def __init__(self, database: Database, clock: Callable[[], int], wait_seconds: float,
                 most: int = MOST_STREAMS) -> None:
        self._database, self._clock = database, clock
        self._wait = int(wait_seconds * 1e9)
        self._most = most
        self._streams: int | None = None  # about how many there are; not known yet
        self._senders: dict[str, int] = {}  # services, and when they were written down
        self._reported: set[str] = set()
        self.unmetered: Counter[str] = Counter(dict.fromkeys(Unmetered, 0))
        with database.transaction(alone=METERING) as connection:
            self._since(connection)  # from now on, where there was none

    def note_senders(self, services: Collection[str]) -> dict[str, int]:
        """Write down, in the caller's transaction, that spans tell of calls of these services.

        Returns what `remember` is to be called with once that is committed.
        """
        now = self._clock()
        new = [service for service in services if service != SERVICE
               and not -FUTURE < now - self._senders.get(service, 0) < NOTED_LAST]
        if not new or len(self._senders) + len(new) > MOST_SENDERS:
            return {}
        self._database.connection.executemany(self._database.statements.put_span_sender, [
            (_clean(service), now) for service in sorted(new)])
        return dict.fromkeys(new, now)

    def remember(self, senders: dict[str, int]) -> None:
        """They are written down."""
        self._senders |= senders

    def keep(self, points: Sequence[MetricPoint], arrived: int) -> None:
        """Write down what these points add, in a transaction of its own."""
        database, statements = self._database, self._database.statements
        unmetered: Counter[str] = Counter()
        growths = CallGrowths()
        with database.transaction(alone=METERING) as connection:
            since = self._since(connection)
            states = self._states(connection, points)
            stored = len(states)
            starts: dict[bytes, int] = {}
            for point in sorted(points, key=lambda point: point.rank):
                chooser = self._digest(b"n" + point.chooser)
                if states.setdefault(chooser, point.metric) != point.metric:
                    unmetered[Unmetered.ANOTHER_NAME] += 1
                    continue
                key = self._digest(key_of(point))
                starts[key] = 0 if point.is_delta else point.start
                before = states.get(key)
                step = step_of(before, point, since)
                if step.state is not None:
                    states[key] = step.state
                if step.why is not None:
                    unmetered[step.why] += 1
                if step.increase is not None and (before is None or any(step.increase[:2])):
                    growths.add(point, step.increase)
            connection.executemany(statements.put_stream, sorted(
                (key, arrived, starts.get(key, 0), state) for key, state in states.items()))
            last = connection.execute(statements.last_growths).fetchone()[0] or 0
            connection.executemany(statements.insert_growths, [
                (last + i, arrived, _clean(service), row)
                for i, (service, row) in enumerate(growths.rows(), start=1)])
            self._forget(connection, len(states) - stored)
        self.unmetered += unmetered

    def is_due(self) -> bool:
        """Whether there is something to count."""
        return bool(self._due(1))

    def take(self, seats: SeatTable) -> dict[CounterKey, int]:
        """What is to be added to counters now; in the transaction that writes them."""
        connection, statements = self._database.connection, self._database.statements
        added: dict[CounterKey, int] = {}
        for number, _arrived, service, row in self._due(DUE_AT_ONCE):
            connection.execute(statements.delete_growths, (number,))
            growths = list(growths_of(row))
            if self._sends_spans(connection, service):
                self.unmetered[Unmetered.SPANS] += sum(growth.points for growth in growths)
                self._report(service)
                continue
            for key, value in self._counters(growths, seats):
                added[key] = added.get(key, 0) + value
        return added

    def _counters(self, growths: Sequence[CallGrowth], seats: SeatTable
                  ) -> Iterator[tuple[CounterKey, int]]:
        for labels, name, part, value in counters_of(growths, self._bounds, self._miss):
            number = seats.id_of(("call", *labels, METRICS))
            seat = seats.shown(number)
            if seat == number or name not in BOUNDS or self._is_ours(labels.service_name, name):
                yield (seat, name, part), value

    def _bounds(self, growth: CallGrowth) -> Sequence[float]:
        """Those of a service's histogram, which the first growth of its kind chooses."""
        connection, statements = self._database.connection, self._database.statements
        service = _clean(growth.labels.service_name), growth.quantity
        row = connection.execute(statements.find_bounds, service).fetchone()
        if row is not None:
            return tuple(json.loads(row[0]))
        bounds = bounds_for(growth)
        connection.execute(statements.put_bounds, (*service, json.dumps(bounds)))
        return bounds

    def _is_ours(self, service: str, name: str) -> bool:
        """Whether a service's histogram can be added to those of others."""
        row = self._database.connection.execute(
            self._database.statements.find_bounds, (_clean(service), name)).fetchone()
        return row is not None and tuple(json.loads(row[0])) == BOUNDS[name]

    def _miss(self, growth: CallGrowth) -> None:
        self.unmetered[Unmetered.BOUNDS] += growth.points

    def _due(self, many: int) -> list[Any]:
        now = self._clock()
        return self._database.connection.execute(self._database.statements.due_growths, (
            now - self._wait, now + FUTURE, many, 0)).fetchall()

    def _sends_spans(self, connection: SqlConnection, service: str) -> bool:
        row = connection.execute(
            self._database.statements.find_span_sender, (service,)).fetchone()
        return row is not None and self._clock() - row[0] < SPANS_LAST

    def _report(self, service: str) -> None:
        if service not in self._reported and len(self._reported) < MOST_SENDERS:
            self._reported.add(service)
            log.info("metrics of a service are not counted: its spans are, and tell of the same "
                     "calls", extra={"service": service})

    def _since(self, connection: SqlConnection) -> int:
        statements = self._database.statements
        meta = dict(connection.execute(statements.all_meta).fetchall())
        if POINTS_SINCE in meta:
            return int(meta[POINTS_SINCE])
        now = self._clock()
        connection.execute(statements.put_meta, (POINTS_SINCE, str(now)))
        return now

    def _states(self, connection: SqlConnection, points: Sequence[MetricPoint]
                ) -> dict[bytes, str]:
        keys = sorted({self._digest(identity) for point in points
                       for identity in (key_of(point), b"n" + point.chooser)})
        states: dict[bytes, str] = {}
        for begin in range(0, len(keys), STREAMS_AT_ONCE):
            some = keys[begin:begin + STREAMS_AT_ONCE]
            some += [NO_KEY] * (STREAMS_AT_ONCE - len(some))
            states |= dict(connection.execute(
                self._database.statements.find_streams, some).fetchall())
        return states

    def _forget(self, connection: SqlConnection, new: int) -> None:
        """Forget the oldest beyond so many. What began before one of these is not new any more."""
        statements = self._database.statements
        if self._streams is None or self._streams + new > self._most:
            self._streams = connection.execute(statements.count_streams).fetchone()[0]
        else:
            self._streams += new
        over = self._streams - self._most
        if over <= 0:
            return
        oldest = connection.execute(statements.oldest_streams, (
            over + self._most // 20, 0)).fetchall()
        connection.executemany(statements.delete_stream, [(key,) for key, _ in oldest])
        since = max(self._since(connection), *(start for _, start in oldest))
        connection.execute(statements.put_meta, (POINTS_SINCE, str(since)))
        self._streams -= len(oldest)

    def _digest(self, identity: bytes) -> bytes:
        return self._database.keys.stream_digest(identity)


def forget_streams(connection: SqlConnection, database: Database, now: int) -> None:
    """Begin anew, with counters that do: what senders have counted so far is not added."""
    statements = database.statements
    connection.execute(statements.delete_streams)
    connection.execute(statements.delete_all_growths)
    connection.execute(statements.put_meta, (POINTS_SINCE, str(now)))


def _clean(service: str) -> str:
    return service.replace("\0", "?")
