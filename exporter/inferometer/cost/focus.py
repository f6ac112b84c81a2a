"""What was tracked of a month as FOCUS 1.4 Cost and Usage, whose costs sum to what was tracked.

Calls have a line a day, model and kind of token, at the price of that day; where they cost another
amount when they were counted, a line more adjusts it. GPUs have a line for their hours, what a
month costs whatever is used one for the month. BilledCost is 0, as whoever sends no invoice must
not have any; the cost is in EffectiveCost, ContractedCost and ListCost.
Specification: https://focus.finops.org, version 1.4.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import IO

from inferometer.cost.bill import EXACT, USD, next_month
from inferometer.cost.bill_rules import API, GPU, OVERHEAD
from inferometer.cost.tracked import (
    FIXED,
    GpuHoursOfDay,
    TariffOf,
    Tracked,
    noon_of,
    price_of_hours,
    token_kinds,
)
from inferometer.pricing import NANO, DayOfCalls

COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ServiceCategory",
    "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceId",
    "x_Category")
SELF, UNKNOWN_HOST = "Self-hosted", "Not Applicable"
MILLION = 10**6
_SERVICES: Mapping[str, tuple[str, str, str]] = {  # name, and FOCUS' category and subcategory
    API: ("Model calls", "AI and Machine Learning", "Generative AI"),
    GPU: ("GPUs", "Compute", "Other (Compute)"),
    "storage": ("Storage", "Storage", "Other (Storage)"),
    "vector_db": ("Vector database", "Databases", "Other (Databases)"),
    "network": ("Network", "Networking", "Other (Networking)"),
    "other": ("Other", "Other", "Other (Other)"),
    OVERHEAD: ("Overhead", "Other", "Other (Other)")}
_METERS = {"input": "Input tokens", "cached": "Cached input tokens",
           "cache_write": "Input tokens written to a cache", "output": "Output tokens",
           "reasoning": "Reasoning tokens"}

FocusLine = dict[str, str]


def focus_lines(tracked: Tracked, calls: Iterable[DayOfCalls], hours: Iterable[GpuHoursOfDay],
                tariff_of: TariffOf, usd: Mapping[str, float], account: str
                ) -> Iterator[FocusLine]:
    """Every line. `usd`: for an hour of a GPU, by its product name."""
    maker = _Maker(tracked.month, account)
    with localcontext(EXACT):
        for day in calls:
            if day.cost:
                yield from _of_calls(maker, day, tariff_of)
        for row in hours:
            price = price_of_hours(row, usd)
            if price is not None and row.hours:
                yield maker.usage(GPU, row.gpu, row.day, row.hours, "Hours", price,
                                  row.hours, "Hours", meter="GPU hours", provider=SELF)
        for category in (*FIXED, OVERHEAD):
            item = tracked.items.get((category, ""))
            if item is not None:
                yield maker.of_month(category, item.amount)


def write(lines: Iterable[FocusLine], file: IO[str]) -> None:
    """As CSV, with a header."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)


def _of_calls(maker: _Maker, day: DayOfCalls, tariff_of: TariffOf) -> Iterator[FocusLine]:
    """Tokens at the day's price, and what the calls cost beyond that when they were counted."""
    left = Decimal(day.cost) / NANO
    provider = day.provider or "unknown"
    tariff = tariff_of(day.provider, day.model, noon_of(day.day))
    for kind, tokens, rate in token_kinds(day, tariff):
        if not tokens or rate is None or not rate.base:
            continue
        price, quantity = Decimal(rate.base) / NANO, Decimal(tokens) / MILLION
        left -= price * quantity
        yield maker.usage(API, day.model, day.day, quantity, "1000000 Tokens", price,
                          Decimal(tokens), "Tokens", meter=_METERS[kind], provider=provider)
    if left:
        yield maker.adjustment(API, day.model, day.day, left, provider)


class _Maker:
    """Makes lines of one month."""

    def __init__(self, month: date, account: str) -> None:
        self._month = month
        self._common = {
            "BillingAccountId": account, "BillingAccountName": account, "BillingCurrency": USD,
            "BillingPeriodStart": _moment(month), "BillingPeriodEnd": _moment(next_month(month)),
            "BilledCost": "0.0", "HostProviderName": UNKNOWN_HOST}

    def usage(self, category: str, item: str, day: date | None, quantity: Decimal, unit: str,
              price: Decimal, consumed: Decimal, consumed_unit: str, *, meter: str, provider: str
              ) -> FocusLine:
        """So much of something at its price."""
        sku = f"{provider}/{item}/{meter}"
        return self._line(category, quantity * price, provider, day) | {
            "ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based",
            "ChargeDescription": f"{meter} of {item}", "PricingCategory": "Standard",
            "PricingQuantity": _number(quantity), "PricingUnit": unit,
            "ConsumedQuantity": _number(consumed), "ConsumedUnit": consumed_unit,
            "ListUnitPrice": _number(price), "ContractedUnitPrice": _number(price),
            "SkuId": sku, "SkuPriceId": sku, "SkuMeter": meter}

    def adjustment(self, category: str, item: str, day: date, amount: Decimal, provider: str
                   ) -> FocusLine:
        """What something cost beyond its quantity at the day's price."""
        return self._line(category, amount, provider, day) | {
            "ChargeCategory": "Adjustment", "ChargeFrequency": "Usage-Based",
            "ChargeDescription": f"What calls to {item} cost when they were counted, beyond their "
                                 "tokens at the price of the day"}

    def of_month(self, category: str, amount: Decimal) -> FocusLine:
        """A fixed cost."""
        sku = f"{SELF}/{category}"
        return self._line(category, amount, SELF, None) | {
            "ChargeCategory": "Usage", "ChargeFrequency": "Recurring",
            "ConsumedQuantity": "1.0", "ConsumedUnit": "Months",
            "ChargeDescription": f"{_SERVICES[category][0]} of the month",
            "PricingCategory": "Standard", "PricingQuantity": "1.0", "PricingUnit": "Months",
            "ListUnitPrice": _number(amount), "ContractedUnitPrice": _number(amount),
            "SkuId": sku, "SkuPriceId": sku, "SkuMeter": _SERVICES[category][0]}

    def _line(self, category: str, amount: Decimal, provider: str, day: date | None) -> FocusLine:
        name, service, subcategory = _SERVICES[category]
        begin, end = (self._month, next_month(self._month)) if day is None else (
            day, day + timedelta(days=1))
        cost = _number(amount)
        return dict.fromkeys(COLUMNS, "") | self._common | {
            "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost,
            "ChargePeriodStart": _moment(begin), "ChargePeriodEnd": _moment(end),
            "ServiceCategory": service, "ServiceSubcategory": subcategory, "ServiceName": name,
            "ServiceProviderName": provider, "InvoiceIssuerName": provider,
            "x_Category": category}


def _moment(day: date) -> str:
    return f"{day:%Y-%m-%d}T00:00:00Z"


def _number(amount: Decimal) -> str:
    """Exact, without an exponent, and with a decimal point: readers guess types by it."""
    text = f"{amount.normalize():f}"
    return text if "." in text else f"{text}.0"


