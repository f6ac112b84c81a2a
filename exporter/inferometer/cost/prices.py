"""What a call to a model costs: by the user's own prices, by a price list, nothing, or unknown."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from inferometer.call_limits import CallLimitTable
from inferometer.config import Config
from inferometer.cost.own_prices import SELF_HOSTED, OwnPrices
from inferometer.cost.providers import host_of, is_local, names_engine
from inferometer.cost.tariffs import Tariff
from inferometer.facts import ModelCall, Usage
from inferometer.pricing import CallToPrice, PricedCall, PriceSource

if TYPE_CHECKING:  # it is an extra
    from inferometer.cost.library import PriceList

_UNKNOWN = PricedCall(PriceSource.UNKNOWN)


class CallPrices:
    """Prices in force; those of a reload are for the calls that are counted after it."""

    def __init__(self, config: Config) -> None:
        self._lock = threading.Lock()
        self._list: PriceList | None = None
        self.source: tuple[str, str] | None = None  # name and version of the price list
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take the configuration's prices and limits from now on."""
        own, limits = OwnPrices(config.prices), CallLimitTable(config)
        with self._lock:
            self._own, self._limits = own, limits

    def open(self) -> None:
        """Load the price list; it takes half a second and some megabytes."""
        from inferometer.cost import library  # here alone: who has no gateway does without

        self._list, self.source = library.PriceList(), (library.NAME, library.VERSION)

    def tariff_of(self, provider: str, model: str, moment: int) -> Tariff | None:
        """What a model's tokens cost at a time in Unix nanoseconds; None where nobody knows."""
        call = ModelCall(trace_id=b"", span_id=b"", provider=provider, request_model=model)
        with self._lock:
            own = self._own
        return self._tariff(CallToPrice(call, Usage(), 1, moment, engine_seen=False), own)

    def price(self, asked: CallToPrice) -> PricedCall:
        """What a call costs. Never 0 for what nobody knows."""
        with self._lock:
            own, limits = self._own, self._limits
        tariff = self._tariff(asked, own)
        cost = None if tariff is None else tariff.cost(asked.usage, asked.calls)
        if tariff is None or cost is None:
            return _UNKNOWN
        source = PriceSource.SELF_HOSTED if tariff is SELF_HOSTED else PriceSource.HOSTED
        return PricedCall(source, cost, cost > limits.of(asked.call.model).cost)

    def _tariff(self, asked: CallToPrice, own: OwnPrices) -> Tariff | None:
        call = asked.call
        tariff = own.tariff_of(call.provider, call.model, asked.arrived)
        if tariff is not None:
            return tariff
        if asked.engine_seen:
            return SELF_HOSTED
        quote = self._list.quote(call, asked.arrived) if self._list is not None else None
        if quote is not None:
            return quote.tariff_of(asked.arrived)
        host = host_of(call.server_address)
        return SELF_HOSTED if names_engine(call.provider) and (not host or is_local(host)) else None
