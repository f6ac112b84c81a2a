"""Costs up to now, and the budgets and limits to compare them with."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.config import Config
from inferometer.cost.accrual import FixedCosts, GpuHours, PricedGpu, price_of
from inferometer.cost.budgets import budgets_and_limits
from inferometer.families import Family

log = logging.getLogger(__name__)


class CostCollector:
    """Adds up costs as time passes; counters begin at 0 with the exporter."""

    name = "cost"
    punctual = True

    def __init__(self, config: Config, gpus: Callable[[], Sequence[PricedGpu]],
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time, *,
                 price_source: Callable[[], tuple[str, str] | None] = lambda: None) -> None:
        self._config = config
        self._gpus = gpus
        self._price_source = price_source
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._accrued_at = clock()
        self._gpu_hours = GpuHours()
        self._fixed = FixedCosts()
        self._overhead = 0.0
        self._without_price: set[str] = set()

    def configure(self, config: Config) -> None:
        """Take other prices from now on; what went before keeps the old ones."""
        with self._lock:
            self._accrue()
            self._config = config

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Cost counters, prices, budgets and limits."""
        with self._lock:
            self._accrue()
            return [*self._counters(), self._prices(), self._source(),
                    *budgets_and_limits(self._config.fleet)]

    def _counters(self) -> Iterable[Family]:
        cost, idle = Family(c.COST), Family(c.COST_IDLE)
        spent: dict[str, float] = {}  # GPUs without a UUID are one here
        for gpu, usd in self._gpu_hours.usd.items():
            spent[gpu.uuid] = spent.get(gpu.uuid, 0.0) + usd
        for uuid, usd in spent.items():
            cost.add(usd, category="gpu", uuid=uuid)
        for gpu, usd in self._gpu_hours.idle_usd.items():
            idle.add(usd, gpu=str(gpu.index), uuid=gpu.uuid)
        for category, usd in self._fixed.usd.items():
            cost.add(usd, category=category)
        if self._overhead or self._config.fleet.overhead_percent is not None:
            cost.add(self._overhead, category="overhead")
        return [cost, idle]

    def _prices(self) -> Family:
        prices = Family(c.GPU_PRICE)
        for gpu in self._gpus():
            if not gpu.gone:
                prices.add(price_of(gpu, self._config.cost), gpu=str(gpu.index), uuid=gpu.uuid)
        return prices

    def _source(self) -> Family:
        family, source = Family(c.PRICE_SOURCE_INFO), self._price_source()
        if source is not None:
            name, version = source
            family.add(1.0, source=name, version=version)
        return family

    def _accrue(self) -> None:
        now, gpus = self._clock(), self._gpus()
        seconds, self._accrued_at = now - self._accrued_at, now
        before = self._spent()
        self._gpu_hours.accrue(gpus, self._config.cost.gpu_hour_usd, seconds, now)
        self._fixed.accrue(self._config.fleet, seconds, self._wall())
        share = (self._config.fleet.overhead_percent or 0.0) / 100
        self._overhead += (self._spent() - before) * share
        self._log_missing_prices(gpus)

    def _spent(self) -> float:
        return sum(self._gpu_hours.usd.values()) + sum(self._fixed.usd.values())

    def _log_missing_prices(self, gpus: Sequence[PricedGpu]) -> None:
        if not self._config.cost.gpu_hour_usd:
            return
        for gpu in gpus:
            if gpu.name and price_of(gpu, self._config.cost) is None and (
                    gpu.name not in self._without_price):
                self._without_price.add(gpu.name)
                log.warning("no price for a GPU", extra={"gpu_name": gpu.name,
                                                         "key": "cost.gpu_hour_usd"})
