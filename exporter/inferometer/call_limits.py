"""What each call is held against: the limits of its model, of all models, or the defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.config import CALL_LIMITS, LIMITS, Config

_MOST = 1e9  # of any limit: seconds, or USD
_NANO = 10**9  # of what durations and amounts are whole numbers of


class CallLimits(NamedTuple):
    """The most that a call may take: nanoseconds, and nano-USD; in the order of CALL_LIMITS."""

    duration: int
    first_token: int
    per_token: int
    cost: int


Limiting = Callable[[str], CallLimits]  # by the model that is called


class CallLimitTable:
    """The limits that a configuration has for calls; those of a model go first."""

    def __init__(self, config: Config) -> None:
        fleet = config.fleet
        general = {**config.limits, **fleet.limits}
        own: dict[str, dict[str, float]] = {}
        for models in (config.models, fleet.models):
            for name, model in models.items():
                own.setdefault(name, {**general}).update(model.limits)
        self._general = _limits(general)
        self._own = {name: _limits(limits) for name, limits in own.items()}

    def of(self, model: str) -> CallLimits:
        """What a call to this model is held against."""
        return self._own.get(model, self._general)


def _limits(configured: Mapping[str, float]) -> CallLimits:
    return CallLimits(*(_limit(key, configured) for key in CALL_LIMITS))


def _limit(key: str, configured: Mapping[str, float]) -> int:
    limit = configured.get(key, c.LIMIT_DEFAULTS[LIMITS[key][0]])
    assert limit is not None  # each of these has a default
    return round(min(limit, _MOST) * _NANO)


default_limits: Limiting = CallLimitTable(Config()).of
