"""Money that runs with time: GPUs by the hour, fixed costs by the month."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from inferometer.config import Cost, Fleet
from inferometer.gpu.sampler import Gpu

HOUR = 3600.0
DAY = 86400.0


class GpuHours:
    """What the GPUs this exporter sees have cost since it started."""

    def __init__(self) -> None:
        self.usd: dict[Gpu, float] = {}
        self.idle_usd: dict[Gpu, float] = {}
        self._counted: dict[Gpu, tuple[float, float]] = {}  # observed, busy seconds

    def accrue(self, gpus: Iterable[Gpu], prices: Mapping[str, float], seconds: float) -> None:
        """Add `seconds` of every GPU that has a price.

        A lost GPU still costs, one the driver no longer lists does not. Idle is what was
        observed and not busy; time in which utilization was unknown is neither.
        """
        for gpu in gpus:
            observed, busy = gpu.observed_seconds, gpu.busy_seconds
            counted = self._counted.get(gpu, (observed, busy))
            self._counted[gpu] = (observed, busy)
            if gpu.name not in prices or gpu.gone:
                continue
            price = prices[gpu.name] / HOUR
            self.usd[gpu] = self.usd.get(gpu, 0.0) + seconds * price
            idle = max(0.0, (observed - counted[0]) - (busy - counted[1]))
            if observed:
                self.idle_usd[gpu] = self.idle_usd.get(gpu, 0.0) + idle * price


class FixedCosts:
    """What the fleet's fixed monthly costs have come to since the exporter started."""

    def __init__(self) -> None:
        self.usd: dict[str, float] = {}

    def accrue(self, fleet: Fleet, seconds: float, now: float) -> None:
        """Add `seconds` that ended at `now` (Unix seconds).

        A month's cost is spread evenly over that calendar month (UTC), so that a whole month
        comes to exactly the bill.
        """
        month = seconds_in_month(now)
        for category in ("storage", "vector_db", "network", "other"):
            monthly = getattr(fleet.monthly_usd, category)
            if monthly is not None:
                self.usd[category] = self.usd.get(category, 0.0) + seconds * monthly / month


def seconds_in_month(now: float) -> float:
    """Length of the calendar month (UTC) in which `now` lies."""
    day = datetime.fromtimestamp(now, UTC)
    return calendar.monthrange(day.year, day.month)[1] * DAY


def price_of(gpu: Gpu, cost: Cost) -> float | None:
    """USD per hour of a GPU by its product name, None where the table has none."""
    return cost.gpu_hour_usd.get(gpu.name)
