"""Which limits are in force: the model's own, else the fleet's, else the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.config import LIMITS, Config, ModelFleet

OWN, FLEET, DEFAULT = "model", "fleet", "default"


@dataclass(frozen=True)
class InForce:
    """A limit's value, and who set it."""

    value: float
    set_by: str

    @property
    def chosen(self) -> bool:
        """Whether somebody configured it: only then it pages."""
        return self.set_by != DEFAULT

    def words(self, shown: Callable[[float], str]) -> str:
        """The limit as a person reads it, and whether nobody chose it."""
        return f"limit {shown(self.value)}{'' if self.chosen else ' (default)'}"


class EffectiveLimits:
    """Limits and budgets as the configuration has them.

    `ours`: whether that is this exporter's to have. In the other roles defaults are what it knows.
    """

    def __init__(self, config: Config) -> None:
        self.ours = config.has("fleet")
        self.fleet = config.fleet
        self._own = {"": _named(config.fleet),
                     **{model: _named(own) for model, own in config.fleet.models.items()}}

    def get(self, limit: str, model: str = "") -> InForce | None:
        """The limit in force of a model, or of the fleet; None if there is none."""
        default = c.LIMIT_DEFAULTS[limit]
        for value, set_by in ((self._own.get(model, {}).get(limit), OWN if model else FLEET),
                              (self._own[""].get(limit), FLEET), (default, DEFAULT)):
            if value is not None:
                return InForce(value, set_by)
        return None

    def of_models(self, limit: str) -> Mapping[str, float]:
        """What models have of their own."""
        return {model: own[limit] for model, own in self._own.items() if model and limit in own}


def _named(fleet: ModelFleet) -> Mapping[str, float]:
    return {LIMITS[key][0]: value for key, value in fleet.limits.items()}
