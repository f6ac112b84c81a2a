"""What services used, hour by hour, of all gateways of a ledger."""

from __future__ import annotations

from functools import cache

from sqlalchemy import bindparam, func, literal_column, select

from inferometer.ledger.compiling import Compiler
from inferometer.ledger.schema import COUNTERS, ROLLUPS, SEATS


class AnomalyStatements(Compiler):
    """The statements in one database's dialect."""

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        sums = ROLLUPS.c
        # (hour, hour): by hour and service, of calls that generated something: those whose tokens
        # are known, those of them without a price, tokens, and nano-USD.
        self.usage = self._text(select(
            sums.hour, SEATS.c.service_name,
            func.sum(sums.success + sums.abort - sums.usage_missing), func.sum(sums.price_unknown),
            func.sum(sums.input + sums.output), func.sum(sums.cost)).join(
            SEATS, SEATS.c.id == sums.seat).where(
            # The key begins with the gateway.
            sums.gateway.in_(select(COUNTERS.c.gateway)),
            sums.hour >= bindparam("hour_"), sums.hour < bindparam("end_"),
            SEATS.c.kind == literal_column("'call'"),
            SEATS.c.operation != literal_column("'embeddings'")).group_by(
            sums.hour, SEATS.c.service_name))


statements_of = cache(AnomalyStatements)
