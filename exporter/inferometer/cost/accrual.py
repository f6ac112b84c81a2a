"""Costs that grow with time: GPUs by the hour, fixed costs by the month."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from inferometer.config import CostSection, FleetSection

HOUR = 3600.0
DAY = 86400.0


class PricedGpu(Protocol):
    """What the cost of a GPU is worked out from. The part that reads GPUs provides it."""

    uuid: str
    index: int
    name: str
    gone: bool  # no longer listed by the driver
    adopted_at: float  # when it was first seen, on the monotonic clock
    observed_seconds: float
    busy_seconds: float


class GpuHours:
    """What the GPUs this exporter sees have cost since it started."""

    def __init__(self) -> None:
        self.usd: dict[PricedGpu, float] = {}
        self.idle_usd: dict[PricedGpu, float] = {}
        self._counted: dict[PricedGpu, tuple[float, float]] = {}  # observed, busy seconds

    def accrue(self, gpus: Iterable[PricedGpu], prices: Mapping[str, float], seconds: float,
               now: float) -> None:
        """Add the `seconds` up to `now` (the sampler's clock) of every GPU that has a price.

        A lost GPU still costs, one the driver no longer lists does not. Idle is what was
        observed and not busy; time in which utilization was unknown is neither.
        """
        for gpu in gpus:
            present = seconds if gpu in self._counted else min(seconds, now - gpu.adopted_at)
            observed, busy = gpu.observed_seconds, gpu.busy_seconds
            counted = self._counted.get(gpu, (0.0, 0.0))
            self._counted[gpu] = (observed, busy)
            if gpu.name not in prices or gpu.gone:
                continue
            price = prices[gpu.name] / HOUR
            self.usd[gpu] = self.usd.get(gpu, 0.0) + max(0.0, present) * price
            idle = max(0.0, (observed - counted[0]) - (busy - counted[1]))
            if observed:
                self.idle_usd[gpu] = self.idle_usd.get(gpu, 0.0) + idle * price


class FixedCosts:
    """What the fleet's fixed monthly costs have come to since the exporter started."""

    def __init__(self) -> None:
        self.usd: dict[str, float] = {}

    def accrue(self, fleet: FleetSection, seconds: float, now: float) -> None:
        """Add `seconds` that ended at `now` (Unix seconds).

        A month's cost is spread evenly over that calendar month (UTC), so that a whole month
        comes to exactly the bill.
        """
        share = months(seconds, now)
        for category in ("storage", "vector_db", "network", "other"):
            monthly = getattr(fleet.monthly_usd, category)
            if monthly is not None:
                self.usd[category] = self.usd.get(category, 0.0) + share * monthly


def months(seconds: float, now: float) -> float:
    """How many calendar months (UTC) the `seconds` up to `now` are, each by its own length."""
    total, begin = 0.0, now - seconds
    while begin < now:
        day = datetime.fromtimestamp(begin, UTC)
        length = calendar.monthrange(day.year, day.month)[1] * DAY
        end = datetime(day.year, day.month, 1, tzinfo=UTC).timestamp() + length
        total += (min(end, now) - begin) / length
        begin = end
    return total


def price_of(gpu: PricedGpu, cost: CostSection) -> float | None:
    """USD per hour of a GPU by its product name, None where the table has none."""
    return cost.gpu_hour_usd.get(gpu.name)
