"""Alerts about money, each shown to fire and to be silent.

Time begins on the first of a month at midnight UTC: what is spent is spent on one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from alerts import cost, unit_costs
from alerts.model import Alert, AlertGroup
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

pytestmark = pytest.mark.timeout(400)  # months, minute by minute, on a busy machine
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


def reconciled(gap: str, moment: int = 0) -> tuple[Series, ...]:
    """A bill, as two gateways of one ledger tell of it, and when that was."""
    return tuple(one for scrape in (SCRAPE, OTHER) for one in (
        series(c.RECONCILIATION_GAP, f"{gap}x40", scrape=scrape, month="2026-11"),
        series(c.RECONCILIATION_TIME, f"{moment}x40", scrape=scrape, month="2026-11")))


def page(switch: int = 1, period: str = "month", model: str = "") -> Series:
    """Whether spending more than the budget pages."""
    return series(c.BUDGET_PAGE, f"{switch}x1500", period=period, model=model)


def tokens(values: str) -> tuple[Series, ...]:
    return emit(c.SERVER_INPUT, values), emit(c.SERVER_OUTPUT, values)


def limit(name: str, usd: str, model: str = "") -> Series:
    return override(c.LIMIT_USD, name, f"{usd}x900", model=model)


def firing(text: str, *scopes: Mapping[str, str]) -> tuple[Firing, ...]:
    return (Firing({name: value for scope in scopes for name, value in scope.items()}, text),)


def idle_limit(ratio: str) -> Series:
    return override(c.LIMIT_RATIO, "gpu_idle_cost", f"{ratio}x900", model="")


def counter_with_a_gap(minutes: int) -> str:
    """Ten USD a minute, of which some are not seen."""
    return f"{growing(10, 29)} _x{minutes} {growing(10, 300, 10 * (30 + minutes))}"


TEN = growing(10, 300)  # USD, in a minute of 60 requests and 2 million tokens
# Beside that, twenty times as much for hosted calls, which no engine served.
HOSTED = spent(growing(200, 300))
COSTS = (BUILD, UP, HOSTED, spent(TEN, "other"), requests("success", growing(60, 300)),
         *tokens(growing(1e6, 300)))


def drift(*usd: float, hours: int = 24) -> tuple[Series, ...]:
    """A tenth of a request and 1000 tokens a second, and so many thousandths of a USD, each of
    them for hours. Days of scrapes would take long: these are the recorded rates."""
    paid = " ".join(f"{cost / 1000:g}x{2 * hours - 1}" for cost in usd)
    steps = len(usd) * hours * 2
    rates = ((cost_rules.SELF_HOSTED_RATE, FLEET, paid),
             (cost_rules.MODEL_SELF_HOSTED_RATE, MODEL, paid),
             (cost_rules.FLEET_SERVED, FLEET, f"0.1x{steps}"),
             (cost_rules.FLEET_TOKENS, FLEET, f"1000x{steps}"),
             (cost_rules.SERVED, MODEL, f"0.1x{steps}"),
             (cost_rules.TOKENS, MODEL, f"1000x{steps}"))
    return tuple({"series": selector(str(rule), labels), "values": values}
                 for rule, labels, values in rates)


def used(owner: str, share: str, usd: int, period: str, limit: str, scope: Mapping[str, str]
         ) -> tuple[Firing, ...]:
    return firing(f"Spending {owner} since the {period} began (UTC) is {share} of the {period}'s "
                  f"budget of {usd}.00 USD, limit {limit}.", scope, {"period": period})


DEAR = (
    (unit_costs.REQUEST_DEAR, "request_cost", "0.1", "0.1667",
     "A self-hosted request in east costs", FLEET),
    (unit_costs.MODEL_REQUEST_DEAR, "request_cost", "0.1", "0.1667",
     "A self-hosted request to tiny in east costs", MODEL),
    (unit_costs.TOKENS_DEAR, "million_tokens_cost", "3", "5",
     "A million self-hosted tokens in east cost", FLEET),
    (unit_costs.MODEL_TOKENS_DEAR, "million_tokens_cost", "3", "5",
     "A million self-hosted tokens of tiny in east cost", MODEL),
)
DRIFT = (
    (unit_costs.REQUEST_DRIFTS, "A self-hosted request in east costs", "0.04", "0.01807", FLEET),
    (unit_costs.MODEL_REQUEST_DRIFTS, "A self-hosted request to tiny in east costs", "0.04",
     "0.01807", MODEL),
    (unit_costs.TOKENS_DRIFT, "A million self-hosted tokens in east cost", "4", "1.807", FLEET),
    (unit_costs.MODEL_TOKENS_DRIFT, "A million self-hosted tokens of tiny in east cost", "4",
     "1.807", MODEL),
)
IDLE = (gpu(growing(10, 90)), idle(growing(8, 90)), BUILD)
OF_FLEET = ", the largest of the models' limits"
ALL, TINY = "in east", "on tiny in east"
CASES = (
    Case("it is", cost.DAILY, (BUILD, spent(TEN)), firing(
        "Spending in east since midnight UTC is 1170.00 USD, limit 1000.00 USD.", FLEET),
        minute=118),
    Case("it is not yet", cost.DAILY, (BUILD, spent(TEN)), minute=95),
    Case("two exporters tell of the same", cost.DAILY, (
        BUILD, *(spent(growing(5, 300), "storage", scrape=scrape) for scrape in (SCRAPE, OTHER))),
        minute=119),
    Case("two gateways have each their own", cost.DAILY, (
        BUILD, spent(growing(5, 300)), spent(growing(5, 300), scrape=OTHER)), firing(
        "Spending in east since midnight UTC is 1170.00 USD, limit 1000.00 USD.", FLEET),
        minute=118),
    Case("it may be more", cost.DAILY, (
        BUILD, spent(TEN), limit("daily_spend", "2000")), minute=119),
    Case("nothing has a price", cost.DAILY, (BUILD,), minute=119),

    Case("nobody chose a limit", cost.IDLE, IDLE, minute=85),
    Case("most of it", cost.IDLE, (*IDLE, idle_limit("0.6")), firing(
        "The idle share of the GPUs' cost in east is 80% over 1h, limit 60%. It is what was paid "
        "while no kernel ran.", FLEET), minute=85),
    Case("a part of it", cost.IDLE, (*IDLE, idle_limit("0.9")), minute=85),
    Case("no GPU has a price", cost.IDLE, (spent(TEN), BUILD, idle_limit("0.6")), minute=85),
    Case("most of it", cost.IDLE_BY_DEFAULT, IDLE, firing(
        "The idle share of the GPUs' cost in east is 80% over 1h, limit 50%, the default. It is "
        "what was paid while no kernel ran.", FLEET), minute=85),
    Case("somebody chose a limit", cost.IDLE_BY_DEFAULT, (*IDLE, idle_limit("0.6")), minute=85),
    Case("a part of it", cost.IDLE_BY_DEFAULT, (
        BUILD, gpu(growing(10, 90)), idle(growing(4, 90))), minute=85),
    Case("no GPU has a price", cost.IDLE_BY_DEFAULT, (spent(TEN), BUILD), minute=85),

    Case("an hour of it was not seen", cost.INCOMPLETE, (spent("_x60 0+10x200"),), firing(
        "The cost of the month in east is known for 50.41% of the time since the month began "
        "(UTC), limit 95%. Sums, budgets and the forecast of the month are too low.", FLEET),
        minute=120),
    Case("all of it was", cost.INCOMPLETE, (spent(TEN),), minute=120),
    Case("an hour was not seen, and made up for", cost.INCOMPLETE, (
        spent(counter_with_a_gap(60)),), minute=200),

    Case("a third was not tracked", cost.RECONCILED, reconciled("0.3"), firing(
        "The bill of 2026-11 in east has 30% of it beyond what was tracked, limit 10% either way. "
        "Where that is negative more was tracked than billed.", FLEET, {"month": "2026-11"})),
    Case("a third too much was", cost.RECONCILED, reconciled("-0.3"), firing(
        "The bill of 2026-11 in east has -30% of it beyond what was tracked, limit 10% either way. "
        "Where that is negative more was tracked than billed.", FLEET, {"month": "2026-11"})),
    Case("nearly all was", cost.RECONCILED, reconciled("0.09")),
    Case("it was long ago", cost.RECONCILED, reconciled("0.3", -36 * 86400)),

    Case("it will not", cost.FORECAST, (
        spent(growing(10, 1500)), budget("100000")), firing(
        "Spending in east is forecast to reach 446.4% of the month's budget of 100000.00 USD, "
        "limit 100%. The forecast takes the mean of the last 1d for the rest of the month.", FLEET,
        MONTH), minute=1470),
    Case("it will", cost.FORECAST, (
        spent(growing(10, 1500)), budget("1000000")), minute=1470),
    Case("it is exceeded already", cost.FORECAST, (
        spent(growing(10, 1500)), budget("10000")), minute=1470),
    Case("a first day is no forecast", cost.FORECAST, (spent(TEN), budget("100000")), minute=60),
    Case("there is none", cost.FORECAST, (spent(TEN),), minute=60),

    Case("nine tenths", cost.NEARLY_USED, (BUILD, spent(TEN), budget("1000", "day")),
         used(ALL, "99%", 1000, "day", "80%", FLEET), minute=100),
    Case("a half", cost.NEARLY_USED, (BUILD, spent(TEN), budget("1000", "day")), minute=50),
    Case("all of it, of which another tells", cost.NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day")), minute=118),
    Case("it may be", cost.NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day"),
        override(c.LIMIT_RATIO, "budget_used", "0.95x300", model="")), minute=100),
    Case("most of its own", cost.MODEL_NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day", "tiny")),
        used(TINY, "99%", 1000, "day", "80%", MODEL), minute=100),
    Case("another's", cost.MODEL_NEARLY_USED, (
        BUILD, spent(TEN), budget("1000", "day", "large")), minute=100),

    Case("day and month", cost.EXCEEDED_WARNING, (spent(TEN), budget("1000", "day"),
                                                  budget("500"), page(0, "day")), (
        *used(ALL, "117%", 1000, "day", "100%", FLEET),
        *used(ALL, "234%", 500, "month", "100%", FLEET)), minute=118),
    Case("the one that does not page", cost.EXCEEDED_WARNING, (
        spent(TEN), budget("1000", "day"), page(1, "day"), budget("500"), page(0)),
        used(ALL, "234%", 500, "month", "100%", FLEET), minute=118),
    Case("the month's is not", cost.EXCEEDED_WARNING, (
        spent(TEN), budget("1000", "day"), budget("5000")),
        used(ALL, "117%", 1000, "day", "100%", FLEET), minute=118),
    Case("a model's alone", cost.EXCEEDED_WARNING, (
        spent(TEN), budget("10", model="tiny")), minute=118),
    Case("nothing was spent", cost.EXCEEDED_WARNING, (
        spent("0x300"), budget("10", "day")), minute=118),
    Case("the one that pages", cost.EXCEEDED, (
        spent(TEN), budget("1000", "day"), page(1, "day"), budget("500"), page(0)),
        used(ALL, "117%", 1000, "day", "100%", FLEET), minute=118),
    Case("a model's alone pages", cost.EXCEEDED, (
        spent(TEN), budget("1000", "day"), page(0, "day"), budget("10", model="tiny"),
        page(1, model="tiny")), minute=118),
    Case("nobody asked for a page", cost.EXCEEDED, (spent(TEN), budget("1000", "day")),
         minute=118),
    Case("it is not", cost.EXCEEDED, (spent(TEN), budget("5000", "day"), page(1, "day")),
         minute=118),
    Case("an exporter that restarts takes no page away", cost.EXCEEDED, (
        spent(TEN), budget("1000", "day"),
        {**page(1, "day"), "values": "1x100 stale"}),
        used(ALL, "117%", 1000, "day", "100%", FLEET), minute=118),

    Case("its own", cost.MODEL_EXCEEDED_WARNING, (spent(TEN), budget("1000", "month", "tiny")),
         used(TINY, "117%", 1000, "month", "100%", MODEL), minute=118),
    Case("for its GPU alone", cost.MODEL_EXCEEDED_WARNING, (
        gpu(TEN), of_its_pod(), UP, budget("1000", "day", "tiny")),
        used(TINY, "117%", 1000, "day", "100%", MODEL), minute=118),
    Case("for a GPU that it shares", cost.MODEL_EXCEEDED_WARNING, (
        gpu(TEN), of_its_pod("true"), UP, budget("1000", "day", "tiny")), minute=118),
    Case("all models'", cost.MODEL_EXCEEDED_WARNING, (spent(TEN), budget("1000")), minute=118),
    *(Case("two, of which one pages", alert, (
        spent(TEN), spent(TEN, model="large"), budget("1000", "day", "tiny"),
        budget("1000", "day", "large"), page(1, "day", "tiny"), page(0, "day", "large")),
        used(f"on {model} in east", "117%", 1000, "day", "100%", {**FLEET, "model": model}),
        minute=118)
      for alert, model in ((cost.MODEL_EXCEEDED, "tiny"), (cost.MODEL_EXCEEDED_WARNING, "large"))),
    Case("nobody asked for a page", cost.MODEL_EXCEEDED, (
        spent(TEN), budget("1000", "day", "tiny"), page(1, "day")), minute=118),

    *(Case("they do", alert, (*COSTS, limit(name, most)), firing(
        f"{unit} {usd} USD over 1h, limit {most} USD"
        f"{OF_FLEET if scope is FLEET else ''}.", scope), minute=90)
      for alert, name, most, usd, unit, scope in DEAR),
    *(Case("they do not", alert, (*COSTS, limit(name, "6")), minute=90)
      for alert, name, *_ in DEAR),
    *(Case("nobody set a limit", alert, COSTS, minute=90) for alert, *_ in DEAR),
    *(Case("there is no traffic", alert, (BUILD, UP, spent(TEN, "other"), limit(name, most)),
           minute=90)
      for alert, name, most, *_ in DEAR),
    *(Case("all money is for hosted calls", alert, (
        BUILD, UP, HOSTED, requests("success", growing(60, 300)), *tokens(growing(1e6, 300)),
        limit(name, most)), minute=90)
      for alert, name, most, *_ in DEAR),
    Case("the model may cost more than others", unit_costs.REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.1"), limit("request_cost", "0.2", "tiny")), minute=90),
    Case("only another model has a limit", unit_costs.REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.001", "cheap"),
        emit(c.SERVER_UP, "1x300", model="cheap")), minute=90),
    Case("this model may cost more than others", unit_costs.MODEL_REQUEST_DEAR, (
        *COSTS, limit("request_cost", "0.1"), limit("request_cost", "0.2", "tiny")), minute=90),

    *(Case("they do", alert, drift(1, 1, 1, 4, 4), firing(
        f"{unit} {day} USD over 1d, limit 1.5 times the {week} USD over 7d.", scope),
        minute=98 * 60, step=30)
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
@pytest.mark.parametrize("values", ["0+10x59 0+10x90", counter_with_a_gap(60)],
                         ids=["a restart", "an hour without scrapes"])
def test_a_restart_or_a_gap_takes_little_of_the_day(
        values: str, version: str, tmp_path: Path) -> None:
    """Versions differ in what little a restart takes away."""
    assert severities(version, tmp_path, (cost.DAILY,), (BUILD, spent(values)), (90, 119)) == [
        [], ["warning"]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("pages", "severity"), [(page(0, "day"), "warning"),
                                                 (page(1, "day"), "critical")])
def test_a_spent_budget_stays_spent_in_a_gap_and_has_one_severity(
        pages: Series, severity: str, version: str, tmp_path: Path) -> None:
    """It is spent after 100 minutes; from 120 to 180 nobody scrapes."""
    def away(value: int) -> str:
        return f"{value}x119 _x60 {value}x60"

    inputs = (spent(f"{growing(10, 119)} _x60 {growing(10, 60, 1800)}"),
              {**budget("1000", "day"), "values": away(1000)},
              {**pages, "values": away(int(severity == "critical"))})
    alerts = (cost.EXCEEDED, cost.EXCEEDED_WARNING)
    assert severities(version, tmp_path, alerts, inputs, (95, 115, 150, 190)) == [
        [], [severity], [severity], [severity]]


def severities(version: str, folder: Path, alerts: tuple[Alert, ...], inputs: Iterable[Series],
               minutes: Iterable[int]) -> list[list[str]]:
    """Those of the alerts that fire, minute by minute."""
    text = " ".join(f"{alert.expr} {alert.description}" for alert in alerts)
    groups = (*documents(resting_on(text)), *alert_documents((AlertGroup("alert", alerts),)))
    queries = [f'ALERTS{{alertstate="firing"}} @ {minute * 60}' for minute in minutes]
    answers = ask(version, folder, groups, inputs, queries, "200m")
    return [[labels["severity"] for labels, _ in answers[query]] for query in queries]


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    for alert in (*cost.GROUP.alerts, *unit_costs.GROUP.alerts):
        shown = {bool(case.expected) for case in CASES if case.alert is alert}
        assert shown == {True, False}, alert
