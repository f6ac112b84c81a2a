"""Statements of the request log's place in the ledger. Values are bound by position."""

from __future__ import annotations

from functools import cache

from sqlalchemy import bindparam, delete, func, literal_column, select, update

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import COUNTED, FACTS, REQUEST_LOG

CALLS_AT_ONCE = 100  # that one statement asks for
_GATEWAY = REQUEST_LOG.c.gateway == bindparam("gateway_")
_NUMBER = REQUEST_LOG.c.number


class RequestStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        text = self._text
        self.insert = text(self._insert(REQUEST_LOG))
        # Values: gateway.
        self.last_number = text(select(func.max(_NUMBER)).where(_GATEWAY))
        self.sum_bytes = text(select(func.sum(func.length(REQUEST_LOG.c.calls))).where(_GATEWAY))
        # (gateway, how many, 0): the oldest
        self.oldest = text(select(_NUMBER, REQUEST_LOG.c.calls).where(_GATEWAY).order_by(
            _NUMBER).limit(bindparam("many_")).offset(bindparam("from_")))
        # (gateway, number)
        self.delete_until = text(delete(REQUEST_LOG).where(
            _GATEWAY, bindparam("until_") >= _NUMBER))
        # Values: a moment, before which they settled. Of all gateways: their calls are deleted.
        self.delete_settled_before = text(delete(REQUEST_LOG).where(
            REQUEST_LOG.c.settled < bindparam("moment_")))
        # (new gateway, the one before): see high_water.
        self.renew = text(update(REQUEST_LOG).where(
            REQUEST_LOG.c.gateway == bindparam("before_")).values(gateway=bindparam("new_")))
        # Values: numbers of calls, CALLS_AT_ONCE of them.
        self.calls = text(select(*FACTS.c, *COUNTED.c).join(
            COUNTED, COUNTED.c.seq == FACTS.c.seq).where(
            COUNTED.c.kind == literal_column("'call'"),
            FACTS.c.seq.in_([bindparam(f"seq_{i}") for i in range(CALLS_AT_ONCE)])))


statements_of = cache(RequestStatements)
