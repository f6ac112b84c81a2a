"""Cost: what GPUs and the fleet cost, and the budgets and limits to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.cost.accrual import PricedGpu
from inferometer.cost.collector import CostCollector
from inferometer.parts import Part


class CostPart(Part):
    """The part that adds up what GPUs and the fleet cost."""

    sections = ("cost", "fleet")

    def __init__(self, config: Config, gpus: Callable[[], Sequence[PricedGpu]]) -> None:
        self._collector = CostCollector(config, gpus)

    def collectors(self) -> Sequence[Collector]:
        """The one collector, of costs, budgets and limits."""
        return [self._collector]

    def configure(self, config: Config) -> None:
        """Take other prices from now on; what went before keeps the old ones."""
        self._collector.configure(config)
