"""Budgets and limit overrides: the config's section `fleet` as series, which the rules read."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.config import LIMITS, FleetSection
from inferometer.families import Family


def budgets_and_limits(fleet: FleetSection) -> Iterable[Family]:
    """Families of budgets and limits; figures of the whole fleet have an empty model."""
    budgets = Family(c.BUDGET)
    limits = {unit: Family(metric) for unit, metric in c.LIMIT_METRICS.items()}
    for model, figures in (("", fleet), *fleet.models.items()):
        for period, usd in figures.budgets_usd.items():
            budgets.add(usd, period=period, model=model)
        for key, value in figures.limits.items():
            limit, unit = LIMITS[key]
            limits[unit].add(value, limit=limit, model=model)
    return [budgets, *limits.values()]
