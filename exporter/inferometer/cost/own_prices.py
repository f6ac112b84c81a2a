"""The user's own prices: the configuration's list `prices`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from fnmatch import translate
from functools import lru_cache

from inferometer.config import PriceEntry
from inferometer.cost.tariffs import Rate, Tariff, nano

MOST_MODELS = 2_000  # that are remembered
_FREE = Rate(0)
SELF_HOSTED = Tariff(_FREE, None, None, _FREE)
_Dated = tuple[int, Tariff]  # Unix nanoseconds from which on it is valid


class OwnPrices:
    """Entries by what they are for, in the order of the file.

    The first that matches a model and is valid names the models that it is for; of all entries
    for these the latest counts.
    """

    def __init__(self, entries: Sequence[PriceEntry]) -> None:
        self._dated: dict[tuple[str, str], list[_Dated]] = {}
        for entry in entries:
            key = entry.provider.lower(), entry.model.lower()
            self._dated.setdefault(key, []).append((_begin(entry.valid_from), _tariff(entry)))
        for dated in self._dated.values():
            dated.sort(key=lambda one: one[0], reverse=True)
        self._patterns = [(re.compile(translate(provider)), re.compile(translate(model)),
                           (provider, model)) for provider, model in self._dated]
        self._matching = lru_cache(MOST_MODELS)(self._match)

    def tariff_of(self, provider: str, model: str, moment: int) -> Tariff | None:
        """What the model costs at a time in Unix nanoseconds; None where no entry is for it."""
        if not self._patterns:
            return None
        for dated in self._matching(provider[:200].lower(), model[:200].lower()):
            for begin, tariff in dated:
                if begin <= moment:
                    return tariff
        return None

    def _match(self, provider: str, model: str) -> list[list[_Dated]]:
        return [self._dated[key] for providers, models, key in self._patterns
                if providers.match(provider) and models.match(model)]


def _begin(day: date | None) -> int:
    return 0 if day is None else int(
        datetime.combine(day, time(), UTC).timestamp()) * 10**9


def _tariff(entry: PriceEntry) -> Tariff:
    if entry.self_hosted:
        return SELF_HOSTED
    of_request = nano(entry.per_request or 0)
    prices = entry.input, entry.cached, entry.cache_write, entry.output, entry.reasoning
    if all(price is None for price in prices):  # a call has one price, whatever its tokens
        return Tariff(_FREE, None, None, _FREE, per_request=of_request)
    fresh, cached, written, output, reasoning = (
        None if price is None else Rate(nano(price)) for price in prices)
    return Tariff(fresh, cached, written, output, reasoning, of_request)
