"""Prices of genai-prices, the only importer of it: a list in a package, never fetched.

Its snapshot of prices can be replaced by one from the network, and its look-ups remember every
name that ever missed; so its data and its matching are asked, and neither of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
from genai_prices.data import providers as PROVIDERS
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from inferometer.cost.providers import host_of, provider_by_name
from inferometer.cost.tariffs import Rate, Tariff, nano
from inferometer.facts import ModelCall

NAME = "genai-prices"
VERSION = genai_prices.__version__
MOST_QUOTES = 2_000  # models that are remembered
MOST_MISSES = 1_000  # look-ups in a minute that find none
LONGEST = 200  # characters of a name: a longer one is nobody's model
MINUTE = 60 * 10**9  # nanoseconds; no price begins within one
_BY_ID = {provider.id: provider for provider in PROVIDERS}
_PATTERNS = [(provider.id, re.compile(provider.api_pattern)) for provider in PROVIDERS]
_STANDARD = frozenset(("", "auto", "default", "standard", "standard_only", "on_demand"))
_IMAGES = "image_generation"


class Quote:
    """What one model costs, whenever that is."""

    def __init__(self, model: ModelInfo, tier: str, images: bool) -> None:
        self._model, self._images = model, images
        self._context = _context(tier)
        self._minute, self._tariff = -1, Tariff()

    def tariff_of(self, moment: int) -> Tariff:
        """The tariff at a time in Unix nanoseconds."""
        if moment // MINUTE != self._minute:
            when = datetime.fromtimestamp(moment // 10**9, UTC)
            self._tariff = _tariff(self._model.get_prices(when, self._context), self._images)
            self._minute = moment // MINUTE
        return self._tariff


class PriceList:
    """Quotes of models, each looked up once. For one thread."""

    def __init__(self) -> None:
        self._quotes: dict[tuple[object, ...], Quote | None] = {}
        self._minute = self._misses = 0

    def quote(self, call: ModelCall, moment: int) -> Quote | None:
        """The price of a call's model. None where nobody has that address or that model.

        Who sends ever new names is not looked up for ever: that takes up to 2 ms each.
        """
        key = (call.provider, call.server_address, call.response_model, call.request_model,
               call.service_tier, call.operation)
        if key in self._quotes:
            return self._quotes[key]
        if moment // MINUTE != self._minute:
            self._minute, self._misses = moment // MINUTE, 0
        if self._misses >= MOST_MISSES or any(len(text) > LONGEST for text in key):
            return None
        quote = _quote(call)
        self._misses += quote is None
        if len(self._quotes) >= MOST_QUOTES:
            self._quotes.clear()
        self._quotes[key] = quote
        return quote


def _quote(call: ModelCall) -> Quote | None:
    """By the provider whose address it is, where there is one.

    Then the name of a provider says merely which library was used.
    """
    named = provider_by_name(call.provider)
    if host := host_of(call.server_address):
        owners = _owners(host)
        if not owners:
            return None
        named = named if named in owners else owners[0]
    for name in filter(None, (call.response_model, call.request_model)):
        for owner, model_name in _places(named, name.lower()):
            model = _BY_ID[owner].find_model(model_name, all_providers=PROVIDERS)
            if model is not None:
                # Where one provider's price stands for another's, its tiers are not the other's.
                own = any(model is one for one in _BY_ID[owner].models)
                return Quote(model, call.service_tier.lower() if own else "",
                             call.operation == _IMAGES)
    return None


def _owners(host: str) -> list[str]:
    """The providers that answer at this host."""
    url = f"https://{host}/"
    return [provider for provider, pattern in _PATTERNS if pattern.match(url)]


def _places(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """Where to look for a model: `openai/gpt-4o` is one of OpenAI's, but OpenRouter's own name."""
    if provider:
        yield provider, model
    prefix, slash, rest = model.partition("/")
    if slash and (owner := provider_by_name(prefix)) and provider in ("", owner):
        yield owner, rest


def _context(tier: str) -> dict[str, str]:
    """What picks a variant of a model's prices."""
    if tier in _STANDARD:
        return {}
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _tariff(prices: ModelPrice, images: bool) -> Tariff:
    requests = prices.requests_kcount
    return Tariff(
        _rate(prices.input_mtok), _rate(prices.cache_read_mtok), _rate(prices.cache_write_mtok),
        _rate((images and prices.output_image_mtok) or prices.output_mtok),
        _rate(prices.output_reasoning_mtok),
        nano(requests / 1000) if isinstance(requests, Decimal) else 0)


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if isinstance(price, TieredPrices):
        return Rate(nano(price.base), tuple((tier.start, nano(tier.price))
                                            for tier in price.tiers))
    return None if price is None else Rate(nano(price))
