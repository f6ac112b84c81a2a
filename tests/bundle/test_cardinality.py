"""How many series there are at worst, and that nothing grows past it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.build import series as counts
from deploy.build.bundle import assemble
from deploy.build.proofs.cardinality import over_budget
from deploy.build.writers import metrics_page, prometheus
from inferometer import catalogue as c
from inferometer.guard import Guard
from inferometer.roles import NO_ROLE, ROLES
from recording_rules import capacity, evaluation, gpus
from recording_rules.model import Rule
from recording_rules.promql import MODEL
from tests.exporter.test_guard import FOLDING, admit, flood, series

BUNDLE = assemble()


def rule(*labels: str, fixed: dict[str, str] | None = None) -> Rule:
    return Rule("model:some:thing", "1", labels, "It is so.", fixed or {})


def over(metrics: tuple[c.Metric, ...], *rules: Rule) -> list[str]:
    """What is over its budget, without what to do about it."""
    return [finding.rpartition(": ")[0] for finding in over_budget(metrics, rules)]


def test_the_bundle_is_within_its_budgets() -> None:
    assert over_budget(BUNDLE.metrics, BUNDLE.rules) == []
    print(metrics_page.page(BUNDLE))


@pytest.mark.parametrize(("metric", "most"), [
    (c.GPU_UP, 64),
    (c.GPU_CLOCK, 64 * 4),
    (c.SERVER_WAITING, 400),
    (c.SERVER_OUTPUT, 400 + 100),
    (c.SERVER_REQUESTS, (400 + 100) * len(c.ENDINGS)),
    (c.SERVER_TTFT, (400 + 100) * (40 + 3)),
    (c.COST, (1000 + 64) * 7),
    (c.BUDGET, 200 * 2),
    (c.BUILD_INFO, 1),
], ids=lambda value: getattr(value, "name", None))
def test_a_family_holds_its_seats_times_its_closed_labels(metric: c.Metric, most: int) -> None:
    assert counts.family_series(metric) == most


@pytest.mark.parametrize("metric", FOLDING, ids=lambda metric: metric.name)
def test_the_guard_lets_no_family_past_it(metric: c.Metric) -> None:
    """The flood is of one engine and one value of each closed label; the others multiply it."""
    engines = len(c.ENGINE.values) if c.ENGINE in metric.labels else 1
    most = counts.family_series(metric) * engines // metric.closed_series
    assert 0 < series(metric, admit(Guard(), metric, flood(metric, 0))) <= most


@pytest.mark.parametrize(("recorded", "most"), [
    (capacity.WAITING, counts.MODELS),
    (gpus.BUSY, counts.GPUS),
    (gpus.MEMORY, counts.GPUS * c.MIG.budget),
    (gpus.NODE_BUSY, counts.NODES),
    (evaluation.RATE, c.JUDGED_SEATS * 4 * 2 * 3),
    (evaluation.SAMPLE, c.JUDGED_SEATS * 4 * 2),
    (evaluation.UNANSWERED, counts.CALLERS),
    (evaluation.LIMIT, 4 * 2),
    (gpus.FLEET_BUSY, 1),
    (rule(*MODEL, "outcome"), counts.MODELS * 5),
    (rule("cluster", "model", "period", fixed={"period": "day"}), counts.MODELS),
    (rule(*MODEL, "le"), counts.MODELS * 41),
], ids=str)
def test_a_recorded_rule_has_as_many_as_there_is_to_record(recorded: Rule, most: int) -> None:
    assert counts.rule_series(recorded) == most


def test_every_sum_over_its_budget_is_a_finding() -> None:
    user = c.Label("user", "Who.", budget=1001)
    of_users = c.Metric("llm_user_cost_usd", "gauge", "Whose.", (user,), 10_000)
    assert over((of_users,)) == ["label user may have 1001 values, budget 1000"]
    large = replace(of_users, seats=counts.EXPORTER_BUDGET + 1)
    assert over((large,))[1:] == [
        "family llm_user_cost_usd: 400001 series, budget 65000",
        "page of an exporter without a role: 400001 series, budget 400000",
        "sum of all: 40000100 series, budget 2500000"]


def test_an_exporter_without_a_role_has_the_fullest_page_and_each_role_its_own_families() -> None:
    pages = {role: counts.exporter_series(role) for role in ROLES}
    own = sum(map(counts.family_series, c.SELF_METRICS))
    assert counts.fullest_role() == NO_ROLE
    assert pages["gateway"] == own + sum(map(counts.family_series, (
        *c.CLIENT_METRICS, *c.QUALITY_METRICS, *c.EVALUATION_METRICS, *c.FEEDBACK_METRICS,
        *c.ANOMALY_METRICS, *c.RECONCILIATION_METRICS,
        *c.USER_METRICS, *c.INTAKE_METRICS, *c.LEDGER_METRICS, *c.FORWARD_METRICS,
        *c.HEARTBEAT_METRICS, c.COST, c.PRICE_SOURCE_INFO)))
    assert pages["sidecar"] + pages["node"] < pages[NO_ROLE] + own
    assert pages[NO_ROLE] == sum(map(counts.family_series, c.METRICS))


@pytest.mark.parametrize(("metric", "most"), [
    (c.GPU_UP, counts.GPUS),
    (c.SERVER_UP, 400 * counts.TARGETS / c.TARGETS),
    (c.BUDGET, 400 * counts.FLEET_EXPORTERS),
    (c.REFUSALS, 804 * counts.GATEWAYS),
    (c.EVALUATION_RATE, c.JUDGED_SEATS * 4 * 2 * 3 * counts.GATEWAYS),
    (c.COST, (1000 + 64) * 7 * (
        counts.GPUS / c.GPUS + counts.FLEET_EXPORTERS + counts.GATEWAYS)),
    (c.COLLECTOR_SUCCESS, len(c.COLLECTOR.values) * counts.EXPORTERS),
], ids=lambda value: getattr(value, "name", None))
def test_the_fleet_has_as_many_as_its_gpus_endpoints_and_exporters_make(
        metric: c.Metric, most: int) -> None:
    assert counts.fleet_series((metric,)) == most


def test_a_label_that_is_open_without_a_budget_is_over_it() -> None:
    open_label = c.Metric("llm_cost_usd", "gauge", "Whose.", (c.Label("user", "Who."),))
    assert over((open_label,)) == ["label user may have 0 values, budget 1000"]


def test_recorded_rules_over_budget_or_with_a_label_of_unknown_size_are_findings() -> None:
    wide = rule(*MODEL, "le", "outcome")
    assert over((), wide) == ["rule model:some:thing: 20500 series, budget 8000"]
    assert over((), rule("cluster", "user", "le")) == [
        "model:some:thing: it is not declared how many user there are"]
    many = [rule(*MODEL, "le")] * 15
    assert over((), *many) == [
        "sum of all recorded rules: 61500 series, budget 58000"]


def test_a_scrape_has_room_for_a_page_that_is_full_and_little_more() -> None:
    limits = prometheus.limits()
    page = max(map(counts.exporter_series, ROLES))
    assert page < limits["sample_limit"] < 1.25 * page
    longest = max(len(metric.labels) for metric in c.METRICS) + len(("le", "job", "instance"))
    assert longest < limits["label_limit"] < 100
    assert limits["label_value_length_limit"] >= 200 * len("😀".encode())
    names = [label for metric in c.METRICS for label in metric.label_names]
    assert max(map(len, names)) < limits["label_name_length_limit"]


def test_the_page_lists_every_metric_rule_and_alert_with_its_counts() -> None:
    page = metrics_page.page(BUNDLE)
    assert f"| one exporter's page, without a role | {counts.exporter_series():,} |" in page
    assert f"| one exporter's page, in the role node | {counts.exporter_series('node'):,} |" in page
    assert "| `llm_server_requests_waiting` | gauge | Requests waiting their turn. |" in page
    for metric in BUNDLE.metrics:
        assert f"| `{metric.name}` | {metric.kind} |" in page
    for recorded in BUNDLE.rules:
        assert f"| `{recorded}" in page
    for alert in BUNDLE.alerts:
        assert f"| `{alert}` | {alert.severity} |" in page
