"""Who used most in a window of hours, without adding up all users.

Of each hour that is over the first users are written down, with how many tokens more each has than
anybody who is not among them (its floor). Over a window nobody has more than the sum of the floors
and of its own leads: whoever has less than the last of those asked for, even so, is not added up.
The bound is that of Fagin, Lotem and Naor: Optimal aggregation algorithms for middleware (2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from typing import Any, NamedTuple, TypeVar

from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import FORGETTING, Database
from inferometer.ledger.ranking_statements import HOURS_AT_ONCE, USERS_AT_ONCE

LEADERS = 500  # users that are written down of an hour
REST = 120 * 10**9  # nanoseconds from the end of an hour, after which little is added to it
MOST_UNRANKED = 48  # hours of which all users are looked at, for want of a ranking
_T = TypeVar("_T")


class _Window(NamedTuple):
    """The hours that have sums, by gateway."""

    floors: Sequence[int]  # of those that are ranked
    unranked: Sequence[tuple[str, int]]  # gateways and hours
    hours: Sequence[int]  # of any gateway


class Ranker:
    """Ranks the hours of this gateway that are over, once an hour and one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._until = 0  # hour, up to which all were looked for
        self._left: list[int] = []  # hours, the newest one last

    def rank(self, now: int) -> bool:
        """Rank one hour; whether there was any. `now`: Unix nanoseconds."""
        database = self._database
        if (over := (now - REST) // HOUR) > self._until:
            self._left = sorted(hour for gateway, hour in _window(database, 0).unranked
                                if gateway == database.gateway and hour < over)
            self._until = over
        if not self._left:
            return False
        _rank(database, self._left[-1])
        self._left.pop()
        return True


def _rank(database: Database, hour: int) -> None:
    statements, key = database.statements.ranking, (database.gateway, hour)
    with database.transaction(beside=FORGETTING) as connection:
        forget_rank(database, {key})  # one may be there whose commit was not heard of
        first = connection.execute(statements.first_of_hour, (*key, LEADERS, 0)).fetchall()
        floor = first[-1][1] if len(first) == LEADERS else 0
        connection.executemany(statements.put_leader, [
            (*key, user, tokens, tokens - floor) for user, tokens in first])
        connection.execute(statements.put_hour, (*key, floor))


def forget_rank(database: Database, hours: set[tuple[str, int]]) -> None:
    """Sums of these hours of gateways change: who led in them is not known any more.

    In the transaction that changes them.
    """
    for statement in database.statements.ranking.forget_hour:
        database.connection.executemany(statement, sorted(hours))


def totals_of_first(database: Database, hour: int, most: int, ties: int
                    ) -> Sequence[Sequence[Any]] | None:
    """Sums of the users of most tokens since this hour, as of `questions.AskedStore`.

    These are at least so many, and all who have as much as the last of them. None where rankings
    do not tell, or where there would be more than so many with `ties`.
    """
    with database.snapshot():
        window = _window(database, hour)
        if len(window.unranked) > MOST_UNRANKED:
            return None
        users = _first(_tokens(database, hour, window), sum(window.floors), most)
        return None if users is None or len(users) > most + ties else [
            (*key, *sums) for key, sums in _totals(database, window.hours, users).items()]


def _window(database: Database, hour: int) -> _Window:
    rows = database.connection.execute(database.statements.ranking.hours, (hour,)).fetchall()
    return _Window([floor for *_, floor in rows if floor is not None],
                   [(gateway, one) for gateway, one, floor in rows if floor is None],
                   sorted({one for _, one, _ in rows}))


def _tokens(database: Database, hour: int, window: _Window) -> Mapping[str, tuple[int, int]]:
    """By user at least how many tokens, and how many of them are above the floors."""
    connection, statements = database.connection, database.statements.ranking
    used = {user: (tokens, lead)
            for user, tokens, lead in connection.execute(statements.leaders, (hour,))}
    for key in window.unranked:
        for user, more in connection.execute(statements.users_of_hour, key):
            tokens, lead = used.get(user, (0, 0))
            used[user] = tokens + more, lead + more
    return used


def _first(used: Mapping[str, tuple[int, int]], floors: int, most: int) -> Sequence[str] | None:
    """Users among whom the first ones are; None where somebody else may be."""
    first = nlargest(most, (tokens for tokens, _ in used.values()))
    if len(first) < most or first[-1] <= floors:
        return None
    return [user for user, (_, lead) in used.items() if floors + lead >= first[-1]]


def _totals(database: Database, hours: Sequence[int], users: Sequence[str]
            ) -> Mapping[tuple[str, str], Sequence[int]]:
    """Sums by user and kind of row."""
    sums: dict[tuple[str, str], Sequence[int]] = {}
    for some_hours in _filled(hours, HOURS_AT_ONCE):
        for some_users in _filled(users, USERS_AT_ONCE):
            for user, kind, *more in database.connection.execute(
                    database.statements.ranking.totals, (*some_hours, *some_users)):
                before = sums.get((user, kind))
                sums[user, kind] = more if before is None else [
                    one + other for one, other in zip(before, more, strict=True)]
    return sums


def _filled(values: Sequence[_T], many: int) -> Iterator[list[_T]]:
    """So many at a time; the last ones with the last of them again and again."""
    for begin in range(0, len(values), many):
        some = [*values[begin:begin + many]]
        yield some + some[-1:] * (many - len(some))
