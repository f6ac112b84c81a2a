"""Alerts about money, each shown to fire and to be silent.

Time begins on the first of a month at midnight UTC: what is spent is spent on one day.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerts import cost
from alerts.model import AlertGroup
from inferometer import catalogue as c
from recording_rules import cost as cost_rules
from tests.bundle.alert_cases import Case, Firing, alert_documents, prove, resting_on
from tests.bundle.alert_inputs import OTHER, UP, override, requests
from tests.bundle.alert_inputs import emit as emit
from tests.bundle.promtool import (
    SCRAPE,
    VERSIONS,
    Series,
    ask,
    documents,
    growing,
    selector,
    series,
)

BUILD = series(c.BUILD_INFO, "1x900", version="1")
FLEET, MODEL = {"cluster": "east"}, {"cluster": "east", "model": "tiny"}
MONTH = {"period": "month"}


def spent(values: str, category: str = "api", model: str = "tiny",
          scrape: Mapping[str, str] = SCRAPE) -> Series:
    """Money in USD."""
    return series(c.COST, values, scrape=scrape, category=category, model=model)


def gpu(values: str) -> Series:
    return series(c.COST, values, category="gpu", model="", uuid="GPU-a")


def of_its_pod(shared: str = "false") -> Series:
    """The kubelet's word, by an exporter in a pod of its own; the engine is in SCRAPE's."""
    beside = SCRAPE | {"namespace": "monitoring", "pod": "inferometer-node-x2x4z"}
    return series(c.GPU_POD_INFO, "1x900", scrape=beside, gpu="0", uuid="GPU-a", shared=shared,
                  k8s_namespace_name=SCRAPE["namespace"], k8s_pod_name=SCRAPE["pod"],
                  k8s_container_name="engine")


def idle(values: str) -> Series:
    return series(c.COST_IDLE, values, gpu="0", uuid="GPU-a")


def budget(usd: str, period: str = "month", model: str = "") -> Series:
    return series(c.BUDGET, f"{usd}x1500", period=period, model=model)


def tokens(values: str) -> tuple[Series, ...]:
    return emit(c.SERVER_INPUT, values), emit(c.SERVER_OUTPUT, values)


def limit(name: str, usd: str, model: str = "") -> Series:
    return override(c.LIMIT_USD, name, f"{usd}x900", model=model)


def firing(text: str, *scopes: Mapping[str, str]) -> tuple[Firing, ...]:
    return (Firing({name: value for scope in scopes for name, value in scope.items()}, text),)


TEN = growing(10, 300)  # USD, in a minute of 60 requests and 2 million tokens
COSTS = (BUILD, UP, spent(TEN), requests("success", growing(60, 300)), *tokens(growing(1e6, 300)))


def drift(*usd: float, hours: int = 24) -> tuple[Series, ...]:
    """A tenth of a request and 1000 tokens a second, and so many thousandths of a USD, each of
    them for hours. Days of scrapes would take long: these are the recorded rates."""
    paid = " ".join(f"{cost / 1000:g}x{2 * hours - 1}" for cost in usd)
    steps = len(usd) * hours * 2
    rates = ((cost_rules.TOTAL_RATE, FLEET, paid), (cost_rules.MODEL_RATE, MODEL, paid),
             (cost_rules.FLEET_SERVED, FLEET, f"0.1x{steps}"),
             (cost_rules.FLEET_TOKENS, FLEET, f"1000x{steps}"),
             (cost_rules.SERVED, MODEL, f"0.1x{steps}"),
             (cost_rules.TOKENS, MODEL, f"1000x{steps}"))
    return tuple({"series": selector(str(rule), labels), "values": values}
                 for rule, labels, values in rates)


def used(owner: str, share: str, period: str, over: str, scope: Mapping[str, str]
         ) -> tuple[Firing, ...]:
    return firing(f"{owner}: {share} of the {period}'s budget is spent, {over}.", scope,
                  {"period": period})


DEAR = (
    (cost.REQUEST_DEAR, "request_cost", "0.1", "0.1667", "A request costs", FLEET),
    (cost.MODEL_REQUEST_DEAR, "request_cost", "0.1", "0.1667", "tiny: a request costs", MODEL),
    (cost.TOKENS_DEAR, "million_tokens_cost", "3", "5", "A million tokens cost", FLEET),
    (cost.MODEL_TOKENS_DEAR, "million_tokens_cost", "3", "5", "tiny: a million tokens cost",
     MODEL),
)
DRIFT = (
    (cost.REQUEST_DRIFTS, "A request costs", "0.04", "0.01807", FLEET),
    (cost.MODEL_REQUEST_DRIFTS, "tiny: a request costs", "0.04", "0.01807", MODEL),
    (cost.TOKENS_DRIFT, "A million tokens cost", "4", "1.807", FLEET),
    (cost.MODEL_TOKENS_DRIFT, "tiny: a million tokens cost", "4", "1.807", MODEL),
)
CASES = (
    Case("it is", cost.DAILY, (BUILD, spent(TEN)), firing(
        "1170 USD are spent since midnight UTC, over the limit of 1000 USD.", FLEET), minute=118),
    Case("it is not yet", cost.DAILY, (BUILD, spent(TEN)), minute=95),
    Case("two exporters tell of the same", cost.DAILY, (
        BUILD, spent(growing(5, 300)), spent(growing(5, 300), scrape=OTHER)), minute=119),
    Case("it may be more", cost.DAILY, (
        BUILD, spent(TEN), limit("daily_spend", "2000")), minute=119),
    Case("nothing has a price", cost.DAILY, (BUILD,), minute=119),

    Case("most of it", cost.IDLE, (gpu(growing(10, 90)), idle(growing(8, 90))), firing(
        "80% of the GPUs' cost of the last hour was paid while no kernel ran, more than 50%.",
        FLEET), minute=85),
    Case("a part of it", cost.IDLE, (gpu(growing(10, 90)), idle(growing(4, 90))), minute=85),
    Case("no GPU has a price", cost.IDLE, (spent(TEN),), minute=85),
    Case("an hour of it was not seen", cost.INCOMPLETE, (spent("_x60 0+10x200"),), firing(
        "It is known for 50.41% of the month so far, less than 95%: figures of the month are too "
        "low.", FLEET), minute=120),
    Case("all of it was", cost.INCOMPLETE, (spent(TEN),), minute=120),

    Case("it will not", cost.FORECAST, (
        spent(growing(10, 1500)), budget("100000")), firing(
        "If the month goes on like the last day, 446.4% of its budget will be spent, which is more "
        "than 100 %.", FLEET, MONTH), minute=1470),
    Case("it will", cost.FORECAST, (
        spent(growing(10, 1500)), budget("1000000")), minute=1470),
    Case("a first day is no forecast", cost.FORECAST, (spent(TEN), budget("100000")), minute=60),
    Case("there is none", cost.FORECAST, (spent(TEN),), minute=60),
    Case("nine tenths", cost.NEARLY_USED, (BUILD, spent(TEN), budget("1000", "day")),
         used("All", "99%", "day", "over the limit of 80%", FLEET), minute=100),
    Case("a half", cost.NEARLY_USED, (BUILD, spent(TEN), budget("1000", "day")), minute=50),
    Case("it may be", cost.NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day"),
        override(c.LIMIT_RATIO, "budget_used", "0.95x300", model="")), minute=100),
    Case("day and month", cost.EXCEEDED, (spent(TEN), budget("1000", "day"), budget("500")), (
        *used("All", "117%", "day", "which is more than 100 %", FLEET),
        *used("All", "234%", "month", "which is more than 100 %", FLEET)), minute=118),
    Case("the month's is not", cost.EXCEEDED, (
        spent(TEN), budget("1000", "day"), budget("5000")),
        used("All", "117%", "day", "which is more than 100 %", FLEET), minute=118),
    Case("a model's alone", cost.EXCEEDED, (spent(TEN), budget("10", model="tiny")), minute=118),
    Case("nothing was spent", cost.EXCEEDED, (spent("0x300"), budget("10", "day")), minute=118),
    Case("most of its own", cost.MODEL_NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day", "tiny")),
        used("tiny", "99%", "day", "over the limit of 80%", MODEL), minute=100),
    Case("another's", cost.MODEL_NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day", "large")), minute=100),
    Case("its own", cost.MODEL_EXCEEDED, (spent(TEN), budget("1000", "month", "tiny")),
         used("tiny", "117%", "month", "which is more than 100 %", MODEL), minute=118),
    Case("for its GPU alone", cost.MODEL_EXCEEDED, (
        gpu(TEN), of_its_pod(), UP, budget("1000", "day", "tiny")),
        used("tiny", "117%", "day", "which is more than 100 %", MODEL), minute=118),
    Case("for a GPU that it shares", cost.MODEL_EXCEEDED, (
        gpu(TEN), of_its_pod("true"), UP, budget("1000", "day", "tiny")), minute=118),
    Case("all models'", cost.MODEL_EXCEEDED, (spent(TEN), budget("1000")), minute=118),

    *(Case("they do", alert, (*COSTS, limit(name, most)), firing(
        f"{unit} {usd} USD over the last hour, over the limit of {most} USD.", scope), minute=90)
      for alert, name, most, usd, unit, scope in DEAR),
    *(Case("they do not", alert, (*COSTS, limit(name, "6")), minute=90)
      for alert, name, *_ in DEAR),
    *(Case("nobody set a limit", alert, COSTS, minute=90) for alert, *_ in DEAR),
    *(Case("there is no traffic", alert, (BUILD, UP, spent(TEN), limit(name, most)), minute=90)
      for alert, name, most, *_ in DEAR),
    Case("the model may cost more than others", cost.REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.1"), limit("request_cost", "0.2", "tiny")), minute=90),
    Case("only another model has a limit", cost.REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.001", "cheap"),
        emit(c.SERVER_UP, "1x300", model="cheap")), minute=90),
    Case("this model may cost more than others", cost.MODEL_REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.1"), limit("request_cost", "0.2", "tiny")), minute=90),

    *(Case("they do", alert, drift(1, 1, 1, 4, 4), firing(
        f"{unit} {day} USD over the last day, more than 1.5 times the {week} USD of the last "
        "seven.", scope), minute=98 * 60, step=30)
      for alert, unit, day, week, scope in DRIFT),
    *(Case("a little", alert, drift(1, 1, 1, 1.5, 1.5), minute=98 * 60, step=30)
      for alert, *_ in DRIFT),
    *(Case("within the first day", alert, drift(1, 1, 9, hours=8), minute=23 * 60, step=30)
      for alert, *_ in DRIFT),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cost_alerts_fire_as_expected(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_day_costs_survives_the_exporter(version: str, tmp_path: Path) -> None:
    """Versions differ in what little a restart takes away."""
    alert = cost.DAILY
    groups = (*documents(resting_on(f"{alert.expr} {alert.description}")),
              *alert_documents((AlertGroup("alert", (alert,)),)))
    fires = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    restarts = (BUILD, spent("0+10x59 0+10x90"))
    assert len(ask(version, tmp_path, groups, restarts, [fires], "119m")[fires]) == 1
    assert ask(version, tmp_path, groups, restarts, [fires], "90m")[fires] == []


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    for alert in cost.GROUP.alerts:
        shown = {bool(case.expected) for case in CASES if case.alert is alert}
        assert shown == {True, False}, alert
