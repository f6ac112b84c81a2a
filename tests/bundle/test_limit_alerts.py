"""Alerts about limits and budgets that hold nothing, each shown to fire and to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import limits
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.alert_inputs import OTHER, emit, override, requests
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, series

FLEET = OTHER | {"namespace": "inferometer"}  # who says limits and budgets
RUN = "1x2000"
DAY = 144  # values, one each ten minutes


def budget(model: str = "tiny", period: str = "month", values: str = RUN) -> Series:
    return series(c.BUDGET, values, scrape=FLEET, period=period, model=model)


def limit(name: str = "request_duration_p95", model: str = "tiny", values: str = RUN) -> Series:
    metric = c.LIMIT_SECONDS if name.endswith("p95") else c.LIMIT_REPLICAS
    return override(metric, name, values, scrape=FLEET, model=model)


def served(values: str = RUN, model: str = "tiny", **scrape: str) -> Series:
    return emit(c.SERVER_UP, values, scrape=SCRAPE | scrape, model=model)


def unused(limit: str, **labels: str) -> Firing:
    return Firing({"cluster": "east", "model": "tiny", "limit": limit, **labels},
                  f"{limit} is set for tiny in east, which no engine has served in the last 1d. "
                  "Was the model renamed?")


DURATION = unused("request_duration_p95")

CASES = (
    Case("nobody serves it", limits.UNUSED, (limit(), served(model="large")), (DURATION,),
         minute=90),
    Case("several, of which two exporters speak", limits.UNUSED, (
        limit(), limit("least_replicas"), budget(),
        override(c.LIMIT_SECONDS, "request_duration_p95", RUN)), (
            DURATION, unused("least_replicas"), unused("budget of the month", period="month")),
        minute=90),
    Case("for some minutes", limits.UNUSED, (limit(values="_x30 1x100"),), minute=80),
    Case("it is served", limits.UNUSED, (limit(), budget(), served()), minute=90),
    Case("it is served, but does not answer", limits.UNUSED, (limit(), served("0x2000")),
         minute=90),
    Case("its engine names no model, its requests do", limits.UNUSED, (
        limit(), served(model=""), requests("success", "0+60x100")), minute=90),
    Case("it was scaled to zero for hours", limits.UNUSED, (limit(), served("1x30 stale")),
         minute=1400),
    Case("it is scaled to zero, and back for an hour a day", limits.UNUSED, (
        limit(), served(f"1x6 _x{DAY - 8} 1x6 _x{DAY}")), minute=10 * (DAY + 100), step=10),
    Case("it was renamed more than a day ago", limits.UNUSED, (
        limit(), served("1x6 stale"), served("_x6 1x400", "larger")), (DURATION,),
        minute=10 * (DAY + 15), step=10),
    Case("it is served in another cluster", limits.UNUSED, (limit(), served(cluster="west")),
         (DURATION,), minute=90),
    Case("it is for all models", limits.UNUSED, (limit(model=""), budget("")), minute=90),
    Case("money is spent on it", limits.UNUSED, (
        budget(), series(c.COST, "0+1x400", scrape=FLEET, category="api", model="tiny")),
         minute=90),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_alerts_about_limits_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)
