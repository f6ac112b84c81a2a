"""What the demo's applications used before it began, so that something is expected of an hour.

The gateway's ledger gets sums of the last hours, and of the same hours of the weeks before. They
are of calls such as the demo's own are; no call is made up for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from random import Random

from inferometer.bands import WEEK, WEEKS
from inferometer.config import Config
from inferometer.cost.prices import CallPrices
from inferometer.demo import hosted
from inferometer.demo.engine import LOG_DEVIATION, MEAN_LENGTH
from inferometer.demo.fleet import APPLICATIONS, FLEET, Caller
from inferometer.facts import ModelCall, Usage
from inferometer.ledger.counting import HOUR, KNOWN, Additions, CountedRow
from inferometer.ledger.database import Database
from inferometer.ledger.opening import open_to_write
from inferometer.ledger.seats import Labels, SeatTable
from inferometer.pricing import CallToPrice

CALLS = 900  # of an application in an hour
AROUND = 24  # hours before and after this one of the weeks before; of this one those before


def remember(config: Config, now: int, dice: Random) -> None:
    """Write it into the ledger, which nobody else has open. Raises LedgerError.

    `now`: Unix nanoseconds.
    """
    prices, seats = CallPrices(config), SeatTable(())
    prices.open()
    additions = Additions(lambda seat: seat)
    for caller in APPLICATIONS:
        model = caller.model
        seat = seats.id_of(Labels("call", model.provider, model.name, "chat", caller.service))
        for hour in _hours(now // HOUR):
            additions.add(_row(caller, seat, hour, prices, dice))
    with closing(open_to_write(config.ledger)) as database:
        _write(database, seats, additions)


def _hours(this: int) -> Iterator[int]:
    for week in range(1, WEEKS + 1):
        yield from range(this - week * WEEK - AROUND, this - week * WEEK + AROUND)
    yield from range(this - AROUND, this)


def _row(caller: Caller, seat: int, hour: int, prices: CallPrices, dice: Random) -> CountedRow:
    """All calls of an hour as one that stands for so many."""
    read, written = (
        round(CALLS * MEAN_LENGTH * tokens * dice.gauss(1, LOG_DEVIATION / math.sqrt(CALLS)))
        for tokens in _tokens(caller))
    usage = Usage(input=read, output=written)
    price = prices.price(CallToPrice(ModelCall(
        trace_id=bytes(16), span_id=bytes(8), service_name=caller.service, operation="chat",
        provider=caller.model.provider, request_model=caller.model.name,
        server_address=caller.model.address, usage=usage), usage, CALLS, hour * HOUR,
        engine_seen=False))
    return CountedRow(
        0, "call", hour * HOUR, seat, None, None, "success", "", CALLS, 1, KNOWN, input=read,
        output=written, priced=price.source.value, cost=price.cost)


def _tokens(caller: Caller) -> tuple[float, float]:
    """Those of a typical call, in and out."""
    workload = next((seat.workload for seat in FLEET if seat.name in caller.served_by), None)
    return (hosted.INPUT_TOKENS, hosted.OUTPUT_TOKENS) if workload is None else (
        workload.input_tokens, workload.output_tokens)


def _write(database: Database, seats: SeatTable, additions: Additions) -> None:
    statements, gateway = database.statements, database.gateway
    with database.transaction() as connection:
        database.insert(statements.insert_seat, [
            (seat.id, *seat.labels, int(seat.seated)) for seat in seats.unsaved])
        # A gateway is one that has counters.
        connection.executemany(statements.add_counter, [
            (gateway, seat.id, "ended", "success/", 0, 0) for seat in seats.unsaved])
        connection.executemany(statements.add_rollup, [
            (gateway, *key, *sums) for key, sums in additions.rollups.items()])
