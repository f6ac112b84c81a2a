"""Limits in force: whose word counts, and for how long. Each case has a cluster of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferometer import catalogue as c
from recording_rules import limits
from recording_rules.limits import Limit
from recording_rules.model import Group
from tests.bundle.promtool import SCRAPE, VERSIONS, Series, ask, documents, series

A_DAY_LATER, LENGTH = "24h40m", 1500
ONE, OTHER = "10.0.0.1:9835", "10.0.0.2:9835"
PLAIN = {"job": "inferometer", "instance": ONE}  # neither cluster nor namespace


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def scraped(cluster: str, instance: str = ONE, namespace: str = "monitoring") -> dict[str, str]:
    return {**SCRAPE, "cluster": cluster, "instance": instance, "namespace": namespace}


def serves(scrape: dict[str, str], *models: str) -> list[Series]:
    return [series(c.SERVER_UP, f"1x{LENGTH}", scrape=scrape, target=model, engine="vllm",
                   model=model) for model in models]


def configured(limit: Limit, value: float, scrape: dict[str, str], model: str = "", start: int = 0,
               end: int = LENGTH) -> Series:
    """An exporter configured so for some minutes; then it is gone, or the override is."""
    before = f"_x{start} " if start else ""
    return series(limit.metric, f"{before}{value:g}x{end - start} stale", scrape=scrape,
                  limit=limit.name, model=model)


def in_force(version: str, folder: Path, limit: Limit, inputs: list[Series],
             time: str = A_DAY_LATER) -> dict[tuple[str, ...], float]:
    rules = documents([Group("limits", (limit.rule(),))])
    answers = ask(version, folder, rules, inputs, [limit.selector], time, "10m")
    answer = answers[limit.selector]
    for labels, _ in answer:
        assert set(labels) <= {"__name__", "limit", limits.SET_BY, *limit.labels}
    return {tuple(labels.get(name, "") for name in limit.labels): value for labels, value in answer}


def test_a_limit_says_who_set_it(version: str, tmp_path: Path) -> None:
    limit = limits.DURATION
    inputs = [*serves(scraped("east", namespace="chat"), "tiny", "large"),
              *serves(scraped("west", namespace="chat"), "tiny"),
              configured(limit, 3, scraped("east")), configured(limit, 5, scraped("east"), "tiny")]
    rules = documents([Group("limits", (limit.rule(),))])
    queries = [limit.selector, limit.chosen]
    answers = ask(version, tmp_path, rules, inputs, queries, "20m", "10m")
    setters = [{(labels["cluster"], labels["model"]): labels[limits.SET_BY]
                for labels, _ in answers[query]} for query in queries]
    chosen = {("east", "tiny"): "model", ("east", "large"): "fleet"}
    assert setters == [{**chosen, ("west", "tiny"): limits.DEFAULT}, chosen]


def test_a_models_own_limit_comes_before_the_fleets_and_that_before_the_default(
        version: str, tmp_path: Path) -> None:
    limit = limits.DURATION
    inputs = [
        *serves(scraped("default", namespace="chat"), "tiny"),
        *serves(scraped("fleet", namespace="chat"), "tiny", "large"),
        configured(limit, 3, scraped("fleet")),
        *serves(scraped("own", namespace="chat"), "tiny", "large"),
        *serves(scraped("own", namespace="search"), "tiny"),
        configured(limit, 3, scraped("own")), configured(limit, 5, scraped("own"), "tiny"),
        configured(limit, 5, scraped("own"), "nobody serves"),
        *serves(PLAIN, "tiny", "large"), configured(limit, 4, PLAIN, "tiny"),
    ]
    assert in_force(version, tmp_path, limit, inputs, "20m") == {
        ("default", "tiny"): 2, ("fleet", "tiny"): 3, ("fleet", "large"): 3,
        ("own", "tiny"): 5, ("own", "large"): 3, ("", "tiny"): 4, ("", "large"): 2}


def test_an_override_outlives_its_exporter_by_a_day_and_gives_way_to_a_new_one(
        version: str, tmp_path: Path) -> None:
    limit = limits.DURATION
    clusters = ("restarts", "removed", "removed lately", "disagree", "tightened",
                "tightened by another pod", "fleet restarts", "fleet removed")
    inputs = [one for cluster in clusters for one in serves(scraped(cluster), "tiny")]
    inputs += [
        configured(limit, 5, scraped("restarts"), "tiny", end=60),
        configured(limit, 5, scraped("removed"), "tiny", end=30),
        configured(limit, 3, scraped("disagree"), "tiny"),
        configured(limit, 5, scraped("disagree", OTHER), "tiny"),
        configured(limit, 5, scraped("removed lately"), "tiny", end=1300),
        configured(limit, 3, scraped("removed lately")),
        series(limit.metric, "5x1300 3x200", scrape=scraped("tightened"), limit=limit.name,
               model="tiny"),
        configured(limit, 5, scraped("tightened by another pod"), "tiny", end=1300),
        configured(limit, 3, scraped("tightened by another pod", OTHER), "tiny", start=1301),
        configured(limit, 3, scraped("fleet restarts"), end=60),
        configured(limit, 3, scraped("fleet removed"), end=30),
    ]
    assert in_force(version, tmp_path, limit, inputs) == {
        ("restarts", "tiny"): 5, ("removed", "tiny"): 2, ("removed lately", "tiny"): 5,
        ("disagree", "tiny"): 5, ("tightened", "tiny"): 3, ("tightened by another pod", "tiny"): 3,
        ("fleet restarts", "tiny"): 3, ("fleet removed", "tiny"): 2}


@pytest.mark.parametrize(("limit", "strict", "lax"), [
    (limits.GPU_BUSY, 0.7, 0.5), (limits.GPU_MEMORY, 0.9, 0.95), (limits.BUDGET_USED, 0.5, 0.9),
    (limits.DAILY_SPEND, 100, 2000)], ids=lambda value: getattr(value, "name", str(value)))
def test_replicas_that_disagree_wake_nobody_for_the_stricter_one(
        version: str, tmp_path: Path, limit: Limit, strict: float, lax: float) -> None:
    inputs = [series(c.BUILD_INFO, "1x60", scrape=scrape, version="1")
              for scrape in (scraped("rollout"), scraped("rollout", OTHER), scraped("default"))]
    inputs += [configured(limit, strict, scraped("rollout")),
               configured(limit, lax, scraped("rollout", OTHER))]
    assert limit.default is not None
    assert in_force(version, tmp_path, limit, inputs, "20m") == {
        ("rollout",): lax, ("default",): limit.default}


def test_a_limit_without_default_is_none_until_it_is_configured(
        version: str, tmp_path: Path) -> None:
    limit = limits.REQUEST_COST
    inputs = [*serves(scraped("silent"), "tiny"), *serves(scraped("says"), "tiny", "large"),
              configured(limit, 0.02, scraped("says")),
              configured(limit, 0.01, scraped("says"), "tiny")]
    assert in_force(version, tmp_path, limit, inputs, "20m") == {
        ("says", "tiny"): 0.01, ("says", "large"): 0.02}


def test_every_limit_that_can_be_configured_is_one_that_holds() -> None:
    configurable = {limit for limits_of_unit in c.LIMITS.values() for limit in limits_of_unit}
    assert {limit.name for limit in limits.LIMITS} == configurable
