"""Cost: what GPUs, calls and the fleet cost, and the budgets and limits to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.cost.accrual import PricedGpu
from inferometer.cost.collector import CostCollector
from inferometer.cost.prices import CallPrices
from inferometer.parts import Part
from inferometer.pricing import CallToPrice, PricedCall


class CostPart(Part):
    """The part that adds up what GPUs and the fleet cost, and knows what calls cost."""

    sections = ("cost", "fleet", "prices", "limits", "models")

    def __init__(self, config: Config, gpus: Callable[[], Sequence[PricedGpu]]) -> None:
        self._config = config
        self._prices = CallPrices(config)
        self._collector = CostCollector(
            config, gpus, price_source=lambda: self._prices.source)

    def price(self, asked: CallToPrice) -> PricedCall:
        """See CallPrices.price."""
        return self._prices.price(asked)

    def collectors(self) -> Sequence[Collector]:
        """The one collector, of costs, budgets and limits."""
        return [self._collector]

    def configure(self, config: Config) -> None:
        """Take other prices from now on; what went before keeps the old ones."""
        self._prices.configure(config)
        self._collector.configure(config)

    def start(self) -> None:
        """Load the list of prices where calls are counted."""
        if self._config.intake_listen:
            self._prices.open()
