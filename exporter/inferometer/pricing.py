"""What a call costs, as those who count it and those who price it both know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from inferometer.facts import ModelCall, Usage

NANO = 10**9  # nano-USD in a USD: amounts are whole numbers of these, so that sums are exact


class PriceSource(StrEnum):
    """Who says what a call costs."""

    UNPRICED = ""  # nobody was asked, or its tokens are not known
    HOSTED = "hosted"  # a list of prices, the user's own included
    SELF_HOSTED = "self_hosted"  # 0: what its GPUs cost is spent already
    UNKNOWN = "unknown"  # nobody knows it


class PricedCall(NamedTuple):
    """What one call costs."""

    source: PriceSource = PriceSource.UNPRICED
    cost: int | None = None  # nano-USD; None where it is not known
    over: bool = False  # whether that is more than the limit


class DayOfCalls(NamedTuple):
    """The calls of a day (UTC) to one model, added up."""

    day: date
    provider: str
    model: str
    requests: int
    usage_missing: int  # of them, as the next
    price_unknown: int
    input: int  # tokens; all of the prompts
    cached: int
    cache_write: int
    output: int  # those to reason included
    reasoning: int
    cost: int  # nano-USD, of those whose price is known


class CallToPrice(NamedTuple):
    """What a price depends on."""

    call: ModelCall
    usage: Usage  # of which the call is billed
    calls: int  # requests that it stands for
    arrived: int  # Unix nanoseconds of our clock
    engine_seen: bool  # whether the engine that served it reports to us


Pricing = Callable[[CallToPrice], PricedCall]


def unpriced(_: CallToPrice) -> PricedCall:
    """What a call costs where there are no prices."""
    return PricedCall()
