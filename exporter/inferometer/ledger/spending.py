"""What calls of a month used and cost, by day, provider and model: for who checks a bill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, literal_column, select

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.database import Database
from inferometer.ledger.schema import COUNTERS, ROLLUPS, SEATS
from inferometer.pricing import DayOfCalls

HOURS_OF_DAY = 24
_EPOCH = date(1970, 1, 1)
_SUMS = ("ended", "usage_missing", "price_unknown", "input", "cached", "cache_write", "output",
         "reasoning", "cost")


class SpendingStatements(Compiler):
    """Statements of one dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        # (from, to): hours; all gateways together.
        self.calls = self._text(select(
            SEATS.c.provider, SEATS.c.model,
            *(func.sum(ROLLUPS.c[name]) for name in _SUMS)).select_from(
                ROLLUPS.join(SEATS, ROLLUPS.c.seat == SEATS.c.id)).where(
            SEATS.c.kind == literal_column("'call'"),
            # The key begins with the gateway.
            ROLLUPS.c.gateway.in_(select(COUNTERS.c.gateway)),
            ROLLUPS.c.hour >= bindparam("from_"), ROLLUPS.c.hour < bindparam("to_")).group_by(
            SEATS.c.provider, SEATS.c.model).order_by(SEATS.c.provider, SEATS.c.model))
        gateways = select(COUNTERS.c.gateway).distinct().subquery("gateways")
        first = select(func.min(ROLLUPS.c.hour)).where(
            ROLLUPS.c.gateway == gateways.c.gateway).correlate(gateways).scalar_subquery()
        hours = select(first.label("hour")).select_from(gateways).subquery("hours")
        self.first_hour = self._text(select(func.min(hours.c.hour)))


@cache
def statements_of(dialect: str) -> SpendingStatements:
    """Those of a dialect, compiled once."""
    return SpendingStatements(dialect)


def spent_days(database: Database, begin: date, end: date) -> Iterator[DayOfCalls]:
    """Days from `begin` to before `end` (UTC), as the roll-ups have them."""
    statement = statements_of(database.dialect).calls
    day = begin
    while day < end:
        hour = (day - _EPOCH).days * HOURS_OF_DAY
        rows: list[Any] = database.connection.execute(
            statement, (hour, hour + HOURS_OF_DAY)).fetchall()
        for provider, model, *sums in rows:
            yield DayOfCalls(day, provider, model, *(int(one or 0) for one in sums))
        day += timedelta(days=1)


def first_day(database: Database) -> date | None:
    """The first day that roll-ups tell of; None where there are none."""
    (hour,) = database.connection.execute(
        statements_of(database.dialect).first_hour).fetchone()
    if hour is None:
        return None
    return datetime.fromtimestamp(int(hour) * 3600, UTC).date()
