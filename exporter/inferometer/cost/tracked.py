"""What we tracked of one month: calls, hours of GPUs, fixed costs; quantities at our own prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from typing import NamedTuple

from inferometer.config import FleetSection
from inferometer.cost.bill import EXACT, ZERO
from inferometer.cost.bill_rules import ALL, API, GPU, HOURS, MONTHS, OVERHEAD
from inferometer.cost.tariffs import Rate, Tariff
from inferometer.pricing import NANO, DayOfCalls

FIXED = ("storage", "vector_db", "network", "other")
_MILLION = 10**6 * NANO  # of nano-USD for a million tokens, in a USD for one
_NOON = time(12, tzinfo=UTC)


@dataclass
class KindSum:
    """So many of one kind, and what they come to at our price."""

    quantity: Decimal = ZERO
    usd: Decimal | None = ZERO  # None where nobody knows the price


@dataclass
class TrackedItem:
    """What was tracked of one model, one GPU, or one fixed cost."""

    amount: Decimal = ZERO  # as it was counted
    counted: dict[str, KindSum] = field(default_factory=dict)
    # The calls whose tokens nobody told, at the mean cost of the others of their model.
    missing: Decimal = ZERO
    is_unpriced: bool = False  # whether some of it was counted without a price


@dataclass
class Tracked:
    """A month's."""

    month: date
    items: dict[tuple[str, str], TrackedItem] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)  # why it is not all of the month
    remarks: list[str] = field(default_factory=list)

    def total(self) -> Decimal:
        """In USD."""
        with localcontext(EXACT):
            return sum((item.amount for item in self.items.values()), ZERO)


class GpuHoursOfDay(NamedTuple):
    """Hours for which a kind of GPU was there, on a day or over the whole month."""

    gpu: str  # its product name
    hours: Decimal
    usd_per_hour: Decimal | None = None  # where the file says so itself
    day: date | None = None  # None: of the whole month


TariffOf = Callable[[str, str, int], Tariff | None]  # provider, model, Unix nanoseconds


def add_calls(tracked: Tracked, days: Iterable[DayOfCalls], tariff_of: TariffOf) -> None:
    """Add calls by model: what they cost when they were counted, each day's tokens at its price."""
    with localcontext(EXACT):
        calls: dict[str, tuple[int, int]] = {}  # with a cost, without for want of usage; by model
        for day in days:
            item = tracked.items.setdefault((API, day.model), TrackedItem())
            item.amount += Decimal(day.cost) / NANO
            item.is_unpriced |= day.price_unknown > 0
            tariff = tariff_of(day.provider, day.model, noon_of(day.day))
            for kind, quantity, rate in token_kinds(day, tariff):
                _count(item, kind, Decimal(quantity),
                       None if rate is None else Decimal(rate.base) / _MILLION)
            with_cost, without = calls.get(day.model, (0, 0))
            calls[day.model] = (with_cost + max(0, day.requests - day.usage_missing
                                                - day.price_unknown), without + day.usage_missing)
        for model, (with_cost, without) in calls.items():
            item = tracked.items[API, model]
            if with_cost and without:
                item.missing = item.amount / with_cost * without
        for key in [key for key, item in tracked.items.items() if key[0] == API
                    and not item.amount and not item.is_unpriced and not item.missing]:
            del tracked.items[key]  # self-hosted: its GPUs are what it costs


def add_gpu_hours(tracked: Tracked, rows: Iterable[GpuHoursOfDay], usd: Mapping[str, float]
                  ) -> None:
    """Add hours of GPUs, at their own price or that of the configuration (`usd` an hour)."""
    with localcontext(EXACT):
        for row in rows:
            item = tracked.items.setdefault((GPU, row.gpu), TrackedItem())
            price = price_of_hours(row, usd)
            _count(item, HOURS, row.hours, price)
            item.amount += row.hours * (price or 0)
            item.is_unpriced |= price is None


def add_fixed(tracked: Tracked, fleet: FleetSection) -> None:
    """Add what a month costs whatever is used, and the overhead upon all but calls."""
    with localcontext(EXACT):
        for category in FIXED:
            usd = getattr(fleet.monthly_usd, category)
            if usd is not None:
                amount = Decimal(str(usd))
                tracked.items[category, ""] = TrackedItem(
                    amount, {MONTHS: KindSum(Decimal(1), amount)})
        if fleet.overhead_percent is not None:
            accrued = sum((item.amount for (category, _), item in tracked.items.items()
                           if category != API), ZERO)
            share = Decimal(str(fleet.overhead_percent)) / 100
            tracked.items[OVERHEAD, ""] = TrackedItem(accrued * share)


def fold(counted: Mapping[str, KindSum], billed: Iterable[str]) -> dict[str, KindSum]:
    """The same by the kinds that a bill has: what it has no line of is in the kind it is part of.

    Tokens to reason are output, those of a cache input; a bill may have all tokens in one.
    """
    kinds, folded = set(billed), dict[str, KindSum]()
    for kind, more in counted.items():
        target = kind
        if kind not in kinds and kind in _PART_OF:
            target = _PART_OF[kind]
        if ALL in kinds:
            target = ALL
        so_far = folded.setdefault(target, KindSum())
        so_far.quantity += more.quantity
        so_far.usd = None if so_far.usd is None or more.usd is None else so_far.usd + more.usd
    return folded


_PART_OF = {"cached": "input", "cache_write": "input", "reasoning": "output"}


def noon_of(day: date) -> int:
    """The middle of a day (UTC), in Unix nanoseconds: the moment of its price."""
    return int(datetime.combine(day, _NOON).timestamp()) * 10**9


def price_of_hours(row: GpuHoursOfDay, usd: Mapping[str, float]) -> Decimal | None:
    """USD for one of its hours; None where neither the file nor the configuration has it."""
    if row.usd_per_hour is None and row.gpu in usd:
        return Decimal(str(usd[row.gpu]))
    return row.usd_per_hour


def token_kinds(day: DayOfCalls, tariff: Tariff | None) -> Iterable[tuple[str, int, Rate | None]]:
    """Tokens of each kind that is nothing else, with their rate."""
    cached = min(day.cached, day.input)
    written = min(day.cache_write, day.input - cached)
    reasoning = min(day.reasoning, day.output)
    rates = tariff or Tariff()
    yield "input", day.input - cached - written, rates.input
    yield "cached", cached, rates.cached or rates.input
    yield "cache_write", written, rates.cache_write or rates.input
    yield "output", day.output - reasoning, rates.output
    yield "reasoning", reasoning, rates.reasoning or rates.output


def _count(item: TrackedItem, kind: str, quantity: Decimal, price: Decimal | None) -> None:
    if not quantity:
        return
    counted = item.counted.setdefault(kind, KindSum())
    counted.quantity += quantity
    counted.usd = (None if counted.usd is None or price is None
                   else counted.usd + quantity * price)
