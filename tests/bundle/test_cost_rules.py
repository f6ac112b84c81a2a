"""Money in virtual time: known prices, and what recording rules make of them.

Each trouble has a cluster of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from recording_rules import cost, requests, tokens
from recording_rules.calendar import STARTS
from recording_rules.model import Group, Rule
from tests.bundle.money import A_MINUTE, figures, per_cluster, spent
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, documents, growing, series

RATES, GAPS, CALENDAR, BUDGETS, UNITS = cost.GROUPS
NOWHERE = {name: value for name, value in SCRAPE.items() if name not in ("cluster", "namespace")}
STEADY = growing(A_MINUTE, 640)
CLUSTERS = (
    spent("steady", STEADY),
    series(c.COST, STEADY, scrape=NOWHERE, category="gpu", model="", uuid="GPU-0"),
    spent("two exporters", STEADY),
    spent("two exporters", growing(A_MINUTE, 640, 1000), "10.0.0.2:9835"),
    spent("two replicas", STEADY, category="storage"),
    spent("two replicas", STEADY, "10.0.0.2:9835", category="storage"),
    spent("two kinds", STEADY),
    spent("two kinds", STEADY, category="network"),
    spent("reset", f"{growing(A_MINUTE, 300)} {growing(A_MINUTE, 340)}"),
    spent("moved", growing(A_MINUTE, 300)),
    spent("moved", f"_x301 {growing(A_MINUTE, 340)}", "10.0.0.2:9835"),
    spent("late", f"_x440 {growing(A_MINUTE, 200)}"),
    spent("ended", growing(A_MINUTE, 480)),
)
HOURS = {"steady": 10.5, "": 10.5, "two exporters": 10.5, "two replicas": 10.5, "two kinds": 21.0,
         "reset": 10.5, "moved": 10.5, "late": 3 + 1 / 6, "ended": 8.0}
COVERED = {cluster: hours / 10.5 for cluster, hours in HOURS.items()} | {"two kinds": 1.0}
NOW_SPENT = {cluster: 0.001 for cluster in HOURS if cluster != "ended"} | {"two kinds": 0.002}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_money_is_counted_once_whatever_happens_to_its_exporters(
        version: str, tmp_path: Path) -> None:
    rate, today, month, covered, projected = figures(
        version, tmp_path, (RATES, GAPS, CALENDAR), CLUSTERS,
        (cost.TOTAL_RATE, cost.TODAY, cost.MONTH, cost.MONTH_COVERED, cost.PROJECTED), "10h30m")
    so_far = {cluster: hours * 3.6 for cluster, hours in HOURS.items()}
    lately = NOW_SPENT | {"ended": 0.001}
    rest = (31 * 24 - 10.5) * 3600
    month_total = {cluster: usd + lately[cluster] * rest for cluster, usd in so_far.items()}
    assert rate == pytest.approx(per_cluster(NOW_SPENT), rel=0.01)
    assert today == pytest.approx(per_cluster(so_far), rel=0.01)
    assert month == pytest.approx(per_cluster(so_far), rel=0.01)
    assert covered == pytest.approx(per_cluster(COVERED), rel=0.01)
    # A rate takes five minutes to rise and to fall, which is much of so short a day.
    assert projected == pytest.approx(per_cluster(month_total), rel=0.02)


def test_a_day_begins_at_midnight_to_the_minute(version: str, tmp_path: Path) -> None:
    expected = {23 * 60 + 59: 24 * 3.6, 24 * 60: A_MINUTE, 24 * 60 + 10: 11 * A_MINUTE,
                25 * 60: 61 * A_MINUTE, 25 * 60 + 30: 91 * A_MINUTE}
    queries = {minute: f"{cost.TODAY} @ {minute * 60}" for minute in expected}
    group = Group("cost", (*STARTS.values(), cost.RATE, cost.INCREASE_HOUR, cost.TODAY))
    answers = ask(version, tmp_path, documents([group]), [spent("east", growing(A_MINUTE, 1600))],
                  queries.values(), "25h30m")
    totals = {minute: answers[query][0][1] for minute, query in queries.items()}
    assert totals == pytest.approx(expected, rel=0.01)


def test_money_is_split_by_category_and_by_model(version: str, tmp_path: Path) -> None:
    inputs = (
        spent("east", growing(A_MINUTE, 200)),
        spent("east", growing(2 * A_MINUTE, 200), category="api", model="tiny"),
        spent("west", growing(A_MINUTE, 200), category="api", model="tiny"),
    )
    by_category = {("east", "gpu"): 1.0, ("east", "api"): 2.0, ("west", "api"): 1.0}
    by_model = {("east", "tiny"): 2.0, ("west", "tiny"): 1.0}
    expected = (
        (cost.RATE, by_category, 0.001), (cost.INCREASE_HOUR, by_category, 3.6),
        (cost.MONTH_BY_CATEGORY, by_category, 10.8), (cost.MODEL_RATE, by_model, 0.001),
        (cost.MODEL_TODAY, by_model, 10.8), (cost.MODEL_MONTH, by_model, 10.8))
    rules = [row[0] for row in expected]
    results = figures(version, tmp_path, (RATES, GAPS, CALENDAR), inputs, rules, "3h")
    for figure, (rule, shares, usd) in zip(results, expected, strict=True):
        money = {key: usd * share for key, share in shares.items()}
        assert figure == pytest.approx(money, rel=0.01), rule


def test_money_of_calls_is_added_up_over_gateways_and_no_other(
        version: str, tmp_path: Path) -> None:
    """Two gateways, and two exporters of the fleet that tell the same fixed costs."""
    gateways = "10.0.1.1:9839", "10.0.1.2:9839"
    inputs = (
        *(spent("east", growing(A_MINUTE, 200), instance, category="storage")
          for instance in ("10.0.0.1:9835", "10.0.0.2:9835")),
        *(spent("east", growing(A_MINUTE * share, 200), instance, category="api", model=model)
          for instance, model, share in (
              (gateways[0], "gpt", 1), (gateways[1], "gpt", 2), (gateways[1], "claude", 4))),
    )
    by_category: dict[tuple[str, ...], float] = {("east", "storage"): 1.0, ("east", "api"): 7.0}
    by_model: dict[tuple[str, ...], float] = {("east", "gpt"): 3.0, ("east", "claude"): 4.0}
    expected: tuple[tuple[Rule, dict[tuple[str, ...], float], float], ...] = (
        (cost.RATE, by_category, 0.001), (cost.INCREASE_HOUR, by_category, 3.6),
        (cost.MONTH_BY_CATEGORY, by_category, 10.8), (cost.TODAY, {("east",): 8.0}, 10.8),
        (cost.MODEL_RATE, by_model, 0.001), (cost.MODEL_MONTH, by_model, 10.8),
        (cost.UNATTRIBUTED_MONTH, {("east",): 1.0}, 10.8))
    results = figures(version, tmp_path, (RATES, GAPS, CALENDAR), inputs,
                      [row[0] for row in expected], "3h")
    for figure, (rule, shares, usd) in zip(results, expected, strict=True):
        money = {key: usd * share for key, share in shares.items()}
        assert figure == pytest.approx(money, rel=0.01), rule


def served(cluster: str, engine: str, a_second: float,
           without: Iterable[Metric] = ()) -> Iterable[Series]:
    """An engine that serves: 30 tokens in and 20 out for each request, and one more rejected."""
    identity = {"target": engine, "engine": engine, "model": "tiny"}
    scrape = {**SCRAPE, "cluster": cluster}
    yield series(c.SERVER_UP, "1x200", scrape=scrape, **identity)
    for metric, number in ((c.SERVER_INPUT, 30), (c.SERVER_OUTPUT, 20)):
        if metric not in without:
            yield series(metric, growing(60 * number * a_second, 200), scrape=scrape, **identity)
    for outcome, reason in (("success", "stop"), ("rejected", "http_429")):
        if c.SERVER_REQUESTS not in without:
            yield series(c.SERVER_REQUESTS, growing(60 * a_second, 200), scrape=scrape, **identity,
                         outcome=outcome, reason=reason)


def test_without_money_no_cost_rule_gives_a_series(version: str, tmp_path: Path) -> None:
    money = [rule for group in cost.GROUPS for rule in group.rules
             if rule not in STARTS.values()]
    groups = (*requests.GROUPS, *tokens.GROUPS, *cost.GROUPS)
    results = figures(version, tmp_path, groups, served("east", "vllm", 2), money, "1h")
    assert results == [{}] * len(money)


def test_a_unit_costs_what_is_spent_while_it_is_served(version: str, tmp_path: Path) -> None:
    fleets = {
        "one": served("one", "vllm", 2),
        "behind a front": (*served("behind a front", "vllm", 2),
                           *served("behind a front", "dynamo", 2)),
        "a front alone": served("a front alone", "dynamo", 2),
        "two engines": (*served("two engines", "vllm", 0.5), *served("two engines", "tgi", 1.5)),
        "no traffic": served("no traffic", "vllm", 0),
        "no input": served("no input", "vllm", 2, [c.SERVER_INPUT]),
        "no requests": served("no requests", "vllm", 2, [c.SERVER_REQUESTS]),
    }
    inputs = [series for fleet in fleets.values() for series in fleet]
    # Beside what is self-hosted, nine times as much for calls to a hosted model of the same name.
    inputs += [spent(cluster, growing(A_MINUTE * share, 200), category=category, model="tiny")
               for cluster in fleets for category, share in (("other", 1), ("api", 9))]
    served_all = ("one", "behind a front", "a front alone", "two engines")
    by_request, by_token = {*served_all, "no input"}, {*served_all, "no requests"}
    expected = (
        (cost.PER_REQUEST, by_request, 0.0005), (cost.PER_REQUEST_DAY, by_request, 0.0005),
        (cost.PER_REQUEST_WEEK, by_request, 0.0005), (cost.MODEL_PER_REQUEST, by_request, 0.0005),
        (cost.MODEL_PER_REQUEST_WEEK, by_request, 0.0005), (cost.PER_1K_TOKENS, by_token, 0.01),
        (cost.PER_1M_TOKENS, by_token, 10), (cost.PER_1M_TOKENS_WEEK, by_token, 10),
        (cost.MODEL_PER_1M_TOKENS, by_token, 10), (cost.MODEL_PER_1M_TOKENS_DAY, by_token, 10))
    groups = (*requests.GROUPS, *tokens.GROUPS, RATES, UNITS)
    results = figures(version, tmp_path, groups, inputs, [row[0] for row in expected], "90m")
    for figure, (rule, clusters, usd) in zip(results, expected, strict=True):
        keys = [(cluster, "tiny")[:len(rule.labels)] for cluster in clusters]
        assert figure == pytest.approx(dict.fromkeys(keys, usd), rel=0.01), rule


def test_calls_to_hosted_models_are_in_no_cost_of_a_request_or_a_token(
        version: str, tmp_path: Path) -> None:
    """GPU money, and hosted calls of a gateway: to another model, or to one of the same name."""
    def gateway(cluster: str, model: str) -> Series:
        return spent(cluster, growing(9 * A_MINUTE, 200), "10.0.1.1:9839", "api", model)

    clusters = ("self-hosted", "beside", "same name")
    inputs = [
        *(one for cluster in (*clusters, "hosted alone") for one in served(cluster, "vllm", 2)),
        *(spent(cluster, growing(A_MINUTE, 200)) for cluster in clusters),
        gateway("beside", "gpt"), gateway("same name", "tiny"), gateway("hosted alone", "tiny"),
    ]
    of_fleet = ((cost.SELF_HOSTED_RATE, 0.001), (cost.PER_REQUEST, 0.0005),
                (cost.PER_REQUEST_DAY, 0.0005), (cost.PER_REQUEST_WEEK, 0.0005),
                (cost.PER_1K_TOKENS, 0.01), (cost.PER_1M_TOKENS, 10),
                (cost.PER_1M_TOKENS_DAY, 10), (cost.PER_1M_TOKENS_WEEK, 10))
    # Here it is not known which model has the GPU: none has money that a request may cost.
    of_models = (cost.MODEL_SELF_HOSTED_RATE, cost.MODEL_PER_REQUEST, cost.MODEL_PER_REQUEST_DAY,
                 cost.MODEL_PER_REQUEST_WEEK, cost.MODEL_PER_1M_TOKENS,
                 cost.MODEL_PER_1M_TOKENS_DAY, cost.MODEL_PER_1M_TOKENS_WEEK)
    groups = (*requests.GROUPS, *tokens.GROUPS, RATES, UNITS)
    total, *results = figures(version, tmp_path, groups, inputs, (
        cost.TOTAL_RATE, *(rule for rule, _ in of_fleet), *of_models), "90m")
    assert total == pytest.approx(per_cluster({
        "self-hosted": 0.001, "beside": 0.01, "same name": 0.01, "hosted alone": 0.009}), rel=0.01)
    for figure, (rule, usd) in zip(results, of_fleet, strict=False):
        assert figure == pytest.approx(per_cluster(dict.fromkeys(clusters, usd)), rel=0.01), rule
    assert results[len(of_fleet):] == [{}] * len(of_models)


def test_money_goes_on_while_no_engine_counts_requests(
        version: str, tmp_path: Path) -> None:
    inputs: list[Series] = [
        {**one, "values": f"{growing(120, 29)} _x60"} for one in served("one", "vllm", 2)]
    inputs.append(spent("one", growing(A_MINUTE, 90)))
    (result,) = figures(version, tmp_path, (*requests.GROUPS, *tokens.GROUPS, RATES, UNITS), inputs,
                        [cost.PER_REQUEST], "60m")
    # Half an hour of requests for an hour's money; the rate goes on for some minutes.
    assert result == {("one",): pytest.approx(2 * 0.0005, rel=0.12)}


def idle(cluster: str, a_minute: float, instance: str = "10.0.0.1:9835") -> Series:
    scrape = {**SCRAPE, "cluster": cluster, "instance": instance}
    return series(c.COST_IDLE, growing(a_minute, 60), scrape=scrape, gpu="0", uuid="GPU-0")


def test_the_idle_share_is_of_what_gpus_cost(version: str, tmp_path: Path) -> None:
    inputs = (
        spent("east", growing(A_MINUTE, 60)), spent("east", growing(A_MINUTE, 60), category="api"),
        idle("east", 0.75 * A_MINUTE), idle("east", 0.75 * A_MINUTE, "10.0.0.2:9835"),
        spent("free", growing(0, 60)), idle("free", 0),
        spent("west", growing(A_MINUTE, 60)), idle("west", 1.003 * A_MINUTE),
    )
    rate, share = figures(
        version, tmp_path, (RATES,), inputs, (cost.IDLE_RATE, cost.IDLE_SHARE), "30m")
    assert rate == pytest.approx(per_cluster({"east": 0.00075, "free": 0, "west": 0.001}), rel=0.01)
    assert share == pytest.approx(per_cluster({"east": 0.75, "west": 1}))


def budget(values: str, period: str, model: str = "", cluster: str = "east",
           instance: str = "10.0.0.1:9835") -> Series:
    scrape = {**SCRAPE, "cluster": cluster, "instance": instance}
    return series(c.BUDGET, values, scrape=scrape, period=period, model=model)


def test_budgets_are_held_against_what_is_spent_of_their_period(
        version: str, tmp_path: Path) -> None:
    inputs = (
        spent("east", growing(A_MINUTE, 400), category="api", model="tiny"),
        spent("west", growing(A_MINUTE, 400)),
        budget("100x400", "day"), budget("100x400", "day", instance="10.0.0.2:9835"),
        budget("1000x60 stale", "month"),
        budget("10x400", "day", "tiny"), budget("360x400", "month", "tiny"),
    )
    rules = (cost.BUDGET, cost.BUDGET_USED, cost.BUDGET_PROJECTED, cost.MODEL_BUDGET,
             cost.MODEL_BUDGET_USED)
    all_of_it, used, projected, of_model, used_by_model = figures(
        version, tmp_path, (RATES, GAPS, CALENDAR, BUDGETS), inputs, rules, "5h")
    day, month = ("east", "day"), ("east", "month")
    own_day, own_month = ("east", "tiny", "day"), ("east", "tiny", "month")
    assert all_of_it == {day: 100, month: 1000}
    assert used == pytest.approx({day: 0.18, month: 0.018}, rel=0.01)
    assert projected == pytest.approx(per_cluster({"east": 2.6784}), rel=0.01)
    assert of_model == {own_day: 10, own_month: 360}
    assert used_by_model == pytest.approx({own_day: 1.8, own_month: 0.05}, rel=0.01)


def test_a_budget_is_the_one_published_now_or_else_within_a_day(
        version: str, tmp_path: Path) -> None:
    other = "10.0.0.2:9835"
    inputs = (
        budget("100x1300 50x200", "day", cluster="lowered"),
        budget("100x1300 stale", "day", cluster="lowered by another pod"),
        budget("_x1301 50x200", "day", cluster="lowered by another pod", instance=other),
        budget("100x1500", "day", cluster="replicas disagree"),
        budget("50x1500", "day", cluster="replicas disagree", instance=other),
        budget("100x60 stale", "day", cluster="exporter gone"),
        budget("100x30 stale", "day", cluster="removed"),
    )
    budgets, = figures(version, tmp_path, [Group("cost", (cost.BUDGET,))], inputs, (cost.BUDGET,),
                       "24h40m", "10m")
    assert budgets == {(cluster, "day"): usd for cluster, usd in (
        ("lowered", 50), ("lowered by another pod", 50), ("replicas disagree", 100),
        ("exporter gone", 100))}


@pytest.mark.heavy
@pytest.mark.parametrize(("time", "month", "covered", "projected"), [
    ("743h59m", {"reset": 31 * 86.4, "gap": 29 * 86.4}, {"reset": 1, "gap": 29 / 31},
     {"reset": 31 * 86.4, "gap": 29 * 86.4}),
    ("746h", {"reset": 7.2, "gap": 7.2}, {"reset": 1, "gap": 1},
     {"reset": 28 * 86.4, "gap": 28 * 86.4}),
], ids=["last minute", "next month"])
def test_a_whole_month_is_what_its_counters_came_to(
        version: str, tmp_path: Path, time: str, month: dict[str, float],
        covered: dict[str, float], projected: dict[str, float]) -> None:
    """January 1970, where promtool's time begins, and the first hours of February."""
    day = 24 * 60
    inputs = (
        spent("reset", f"{growing(A_MINUTE, 12 * day)} {growing(A_MINUTE, 20 * day)}"),
        spent("gap", f"{growing(A_MINUTE, 10 * day)} _x{2 * day} {growing(A_MINUTE, 20 * day)}"),
    )
    rules = (*STARTS.values(), cost.RATE, cost.TOTAL_RATE, cost.INCREASE_HOUR, cost.KNOWN_HOUR)
    total = cost.MONTH.expr.replace(cost.MONTH_BY_CATEGORY.name, cost.MONTH_BY_CATEGORY.expr)
    expected = {total: month, cost.MONTH_COVERED.expr: covered,
                cost.PROJECTED.expr.replace(cost.MONTH.name, total): projected}
    answers = ask(version, tmp_path, documents([Group("cost", rules)]), inputs, expected, time,
                  "5m")
    results = {query: {labels["cluster"]: value for labels, value in answer}
               for query, answer in answers.items()}
    assert results == {query: pytest.approx(usd, rel=0.01) for query, usd in expected.items()}
