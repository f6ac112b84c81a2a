"""Budgets and limit overrides: the config's section `fleet` as series, which the rules read."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.config import LIMITS, FleetSection
from inferometer.families import Family


def budgets_and_limits(fleet: FleetSection) -> Iterable[Family]:
    """Families of budgets and limits; figures of the whole fleet have an empty model."""
    budgets, pages = Family(c.BUDGET), Family(c.BUDGET_PAGE)
    limits = {unit: Family(metric) for unit, metric in c.LIMIT_METRICS.items()}
    for model, figures in (("", fleet), *fleet.models.items()):
        for period, budget in figures.budgets_usd.items():
            budgets.add(budget.usd, period=period, model=model)
            pages.add(float(budget.page), period=period, model=model)
        for key, value in figures.limits.items():
            limit, unit = LIMITS[key]
            limits[unit].add(value, limit=limit, model=model)
    return [budgets, pages, *limits.values()]
