"""Which answers a judge is to see: a random part of all, and those that people voted down.

It is looked for behind a cursor among the calls that have settled, so that settling knows nothing
of it. Whether a trace is chosen depends on its id, our key and the part of that time alone: all
gateways choose the same. Of a conversation one answer a day is taken, the first that is chosen, and
of equal answers of a day likewise. What people vote on is apart, and changes nothing of this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from inferometer.evaluations import RANDOM, VOTED
from inferometer.ledger.counting import BILLION, HOUR
from inferometer.ledger.database import JUDGING, Database
from inferometer.ledger.judging.answers import TraceAnswer, answer_of_trace
from inferometer.ledger.judging.days import (
    DAY,
    NONE_UNSEEN,
    DailyLimits,
    UnseenTraces,
    lasting_ratio,
)
from inferometer.ledger.judging.statements import CURSOR, LEFT_OUT, WAITING, statements_of
from inferometer.ledger.memory import PENDING_FROM

BACKLOG = 24 * HOUR  # what arrived earlier is not looked at any more
VOTES_BACK = 8 * DAY  # votes that are older have been looked at, or wait for no call any more
AT_ONCE = 1000  # calls
VOTED_AT_ONCE = 50
VOTES_REST = 30 * 10**9  # nanoseconds between looks at votes, of which all are read
COMMITTING = 60 * 10**9  # nanoseconds: within them what arrived at one gateway is committed
_PENDING_SINCE = "SELECT min(begun) FROM pending"  # Unix seconds

log = logging.getLogger(__name__)


class JudgeSample:
    """What chooses for a ledger. Several may at a time: none is chosen twice."""

    def __init__(self, database: Database, limits: DailyLimits,
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._database, self.limits, self._clock = database, limits, clock
        self._statements = statements_of(database.dialect)
        self._behind = 0  # calls that are not looked at yet, where these are many
        self._votes_at = 0  # when votes are looked at next

    @property
    def is_current(self) -> bool:
        """Whether the ledger is still the one of its name."""
        return self._database.is_current()

    def choose(self) -> bool:
        """Look at some of what has settled since; whether there may be more."""
        return self._choose_random() | self._choose_voted()

    def close(self) -> None:
        """Close the ledger."""
        self._database.close()

    def _choose_random(self) -> bool:
        database, now = self._database, self._clock()
        noted = self._noted()
        begin = self._begin(noted, now)
        until = self._until()
        calls = self._calls(begin, until)
        if not calls and noted:
            return False
        # The traces of these, and how far up they lie: the part that is chosen is known only below.
        places = {bytes(trace): 0.0 for _, arrived, trace in calls if arrived >= now - BACKLOG}
        for trace in places:
            places[trace] = database.keys.judged_place(trace)
        unseen = self._unseen(calls, begin, until, len(places))
        with database.transaction(alone=JUDGING) as connection:
            if self._noted() != noted:
                return True  # another one was faster
            ratio = lasting_ratio(database, now, self.limits, unseen)
            for trace in (trace for trace, place in places.items() if place < ratio):
                answer = answer_of_trace(database, trace)
                if answer is not None and self._is_new(trace, answer):
                    self._insert(trace, RANDOM, answer, ratio, now)
            last = (calls[-1][1], calls[-1][0]) if calls else begin
            connection.execute(database.statements.put_meta, (CURSOR, f"{last[0]}:{last[1]}"))
        return len(calls) == AT_ONCE

    def _choose_voted(self) -> bool:
        database, now = self._database, self._clock()
        if now < self._votes_at:
            return False
        self._votes_at = now + VOTES_REST
        rows = database.connection.execute(self._statements.voted_calls, (
            now - VOTES_BACK, VOTED_AT_ONCE, 0)).fetchall()
        if not rows:
            return False
        with database.transaction(alone=JUDGING):
            for call, arrived, trace in rows:
                answer = answer_of_trace(database, bytes(trace), call)
                self._insert(bytes(trace), VOTED, answer, 1.0, now, call, arrived)
        if len(rows) == VOTED_AT_ONCE:
            self._votes_at = now  # there may be more
        return len(rows) == VOTED_AT_ONCE

    def _is_new(self, trace: bytes, answer: TraceAnswer) -> bool:
        """Whether none of its trace, its conversation and its words is in the day's sample."""
        connection, statements = self._database.connection, self._statements
        day = answer.arrived // DAY
        return not (
            connection.execute(statements.find_unit, (trace, RANDOM)).fetchone()
            or (answer.conversation and connection.execute(
                statements.find_conversation, (day, answer.conversation)).fetchone())
            or connection.execute(
                statements.find_digest, (day, self._digest(answer))).fetchone())

    def _insert(self, trace: bytes, stratum: str, answer: TraceAnswer | None, ratio: float,
                now: int, call: int = 0, arrived: int = 0) -> None:
        """Write a unit; one of which nothing can be seen is none that waits."""
        connection, statements = self._database.connection, self._statements
        last = connection.execute(statements.last_unit).fetchone()[0] or 0
        of_answer: tuple[object, ...] = (
            call, arrived, arrived // DAY, "", "", "", b"") if answer is None else (
            answer.call, answer.arrived, answer.arrived // DAY, answer.service_name, answer.model,
            answer.conversation, self._digest(answer))
        connection.execute(statements.insert_unit, (
            last + 1, trace, stratum, *of_answer, max(1, round(ratio * BILLION)),
            LEFT_OUT if answer is None else WAITING, 0, now))

    def _digest(self, answer: TraceAnswer) -> bytes:
        unit = answer.unit
        return self._database.keys.answer_digest(
            answer.service_name, answer.model, unit.question, unit.answer, *unit.documents)

    def _noted(self) -> str:
        row = self._database.connection.execute(
            self._statements.find_meta, (CURSOR,)).fetchone()
        return str(row[0]) if row else ""

    def _begin(self, noted: str, now: int) -> tuple[int, int]:
        """The arrival and the number after which calls are looked at."""
        arrived, seq = map(int, noted.split(":")) if noted else (0, 0)
        if arrived < now - BACKLOG:
            return now - BACKLOG, max(seq, self._first_since(now - BACKLOG) - 1)
        return arrived, seq

    def _first_since(self, arrived: int) -> int:
        """Of a file, whose numbers lie in the order of arrival: the first from then on."""
        if self._database.dialect != "sqlite":
            return 0
        connection = self._database.connection
        low = 0
        high = (connection.execute(
            self._database.statements.last_fact).fetchone()[0] or 0) + 1
        while low < high:
            middle = (low + high) // 2
            row = connection.execute(self._statements.fact_from, (middle, 1, 0)).fetchone()
            if row is None or row[1] >= arrived:
                high = middle
            else:
                low = row[0] + 1
        return low

    def _unseen(self, calls: Sequence[Any], begin: tuple[int, int], until: int, traces: int
                 ) -> UnseenTraces:
        """How much there is to look at, where it is more than is looked at at a time."""
        if len(calls) < AT_ONCE:
            self._behind = 0
            return NONE_UNSEEN
        if self._behind < AT_ONCE:  # else it is as many as it was, but for those looked at since
            self._behind = int(self._database.connection.execute(
                self._statements.count_settled_calls,
                self._bounds(begin, until)).fetchone()[0])
        unseen = UnseenTraces(self._behind * traces / len(calls), calls[0][1])
        self._behind -= len(calls)
        return unseen

    def _until(self) -> int:
        """Before which all calls have settled: a number of a file, else an arrival."""
        connection = self._database.connection
        if self._database.dialect == "sqlite":
            row = connection.execute(self._statements.find_meta, (PENDING_FROM,)).fetchone()
            return int(row[0]) if row else 0
        (pending,) = connection.execute(_PENDING_SINCE).fetchone()
        return min(self._clock(), int((pending or 2**33) * 1e9)) - COMMITTING

    def _bounds(self, begin: tuple[int, int], until: int) -> tuple[int, ...]:
        """As the statements of settled calls have them."""
        arrived, seq = begin
        return (seq, until) if self._database.dialect == "sqlite" else (
            arrived, arrived, seq, until)

    def _calls(self, begin: tuple[int, int], until: int) -> Sequence[Any]:
        """Numbers, arrivals and traces of calls of which all that came with them has settled."""
        return self._database.connection.execute(self._statements.settled_calls, (
            *self._bounds(begin, until), AT_ONCE, 0)).fetchall()
