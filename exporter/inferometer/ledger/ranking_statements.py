"""Statements that rank users within hours, and that ask for those of a window of hours."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    FromClause,
    Label,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.sql import ColumnElement

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.counting import MEASURES
from inferometer.ledger.schema import COUNTERS, LEADERS, RANKED_HOURS, ROLLUPS, SEATS

HOURS_AT_ONCE = 24  # that one statement asks for
USERS_AT_ONCE = 100
_GATEWAY: BindParameter[str] = bindparam("gateway_")
_HOUR: BindParameter[int] = bindparam("hour_")
_GATEWAYS = select(COUNTERS.c.gateway)


class RankingStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        tables = RANKED_HOURS, LEADERS
        # Values: gateway, hour.
        self.forget_hour = [text(delete(table).where(
            table.c.gateway == _GATEWAY, table.c.hour == _HOUR)) for table in tables]
        # Values: the first hour that is kept.
        self.delete_until = [text(delete(table).where(table.c.hour < _HOUR)) for table in tables]
        # (new gateway, the one before)
        self.renew = [text(update(table).where(table.c.gateway == bindparam("before_")).values(
            gateway=_GATEWAY)) for table in tables]
        tokens = func.sum(ROLLUPS.c.input)
        of_hour = select(ROLLUPS.c.user, tokens).where(
            ROLLUPS.c.gateway == _GATEWAY, ROLLUPS.c.hour == _HOUR).group_by(ROLLUPS.c.user)
        # (gateway, hour): input tokens by user; and (..., how many, 0): of those with most.
        self.users_of_hour = text(of_hour)
        self.first_of_hour = text(of_hour.order_by(tokens.desc()).limit(
            bindparam("many_")).offset(bindparam("from_")))
        self.put_leader = text(self._insert(LEADERS))
        self.put_hour = text(self._insert(RANKED_HOURS))
        # Values: the hour from which on. Of all gateways: gateway, hour, its floor or None.
        self.hours = text(_hours())
        # The same: by user the tokens and the leads of all ranked hours.
        self.leaders = text(select(
            LEADERS.c.user, func.sum(LEADERS.c.input), func.sum(LEADERS.c.lead)).where(
            LEADERS.c.gateway.in_(_GATEWAYS), LEADERS.c.hour >= _HOUR).group_by(LEADERS.c.user))
        # HOURS_AT_ONCE hours and USERS_AT_ONCE users: see `Statements.totals_by`.
        hours: list[BindParameter[int]] = [bindparam(f"h{i}") for i in range(HOURS_AT_ONCE)]
        users: list[BindParameter[str]] = [bindparam(f"u{i}") for i in range(USERS_AT_ONCE)]
        self.totals = text(totals_by(ROLLUPS.c.user).where(
            ROLLUPS.c.gateway.in_(_GATEWAYS), ROLLUPS.c.hour.in_(hours),
            ROLLUPS.c.user.in_(users)))


def totals_by(column: ColumnElement[Any]) -> Select[Any]:
    """Of each kind of row what it comes to, by a column of roll-ups or of their seats."""
    return select(column, SEATS.c.kind, *(func.sum(ROLLUPS.c[name]) for name in MEASURES)).join(
        SEATS, SEATS.c.id == ROLLUPS.c.seat).group_by(column, SEATS.c.kind)


def _hours() -> Select[Any]:
    """All hours that have sums: each is looked up behind the one before, as rows are many."""
    gateways = _GATEWAYS.distinct().subquery("gateways")
    hours = select(gateways.c.gateway, _next_hour(gateways, ROLLUPS.c.hour >= _HOUR)).cte(
        "hours", recursive=True)
    hours = hours.union_all(select(hours.c.gateway, _next_hour(
        hours, ROLLUPS.c.hour > hours.c.hour)).where(hours.c.hour.is_not(None)))
    return select(hours.c.gateway, hours.c.hour, RANKED_HOURS.c.floor).outerjoin_from(
        hours, RANKED_HOURS, and_(RANKED_HOURS.c.gateway == hours.c.gateway,
                                  RANKED_HOURS.c.hour == hours.c.hour)).where(
        hours.c.hour.is_not(None))


def _next_hour(of: FromClause, behind: ColumnElement[bool]) -> Label[int]:
    return select(func.min(ROLLUPS.c.hour)).where(
        ROLLUPS.c.gateway == of.c.gateway, behind).correlate(of).scalar_subquery().label("hour")
