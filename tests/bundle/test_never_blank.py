"""Every panel answers for every engine that tells what the panel is about.

Captured pages go through the real exporter into virtual time, which is long enough for the hour,
the day and the month to fill. Which panels may be empty is nobody's list: it follows from the
signals that the exporter says an engine has, through the syntax of rules and queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from alerts import RECORDING_GROUPS
from dashboards import DASHBOARDS, queries
from inferometer import catalogue as c
from recording_rules import GROUPS
from tests.bundle import promtool
from tests.bundle.needs import Needs
from tests.bundle.virtual import PAGES, Cluster, clusters

HOURS = 26
SCRAPED = 2  # minutes
RECORDED = (*GROUPS, *RECORDING_GROUPS)
NEEDS = Needs(rule for group in RECORDED for rule in group.rules)
ALL = dict.fromkeys(("cluster", "namespace", "engine", "model", "node"), ".*")
ENGINES = [engine for engine in c.ENGINES if engine != "unknown"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> list[Cluster]:
    return clusters(tmp_path_factory.mktemp("exporter"), PAGES)


def unlike(fleet: Iterable[Cluster]) -> list[Cluster]:
    """One of those that tell the same of the same engine."""
    return list({(cluster.labels["engine"], cluster.told): cluster for cluster in fleet}.values())


def panels(cluster: Cluster) -> dict[str, str]:
    """Every board's questions about the cluster, by where they stand."""
    chosen = {**ALL, "cluster": cluster.name, "engine": cluster.labels["engine"]}
    return {f"{asked.board} / {asked.panel} / {number}": asked.expr
            for board in DASHBOARDS for number, asked in enumerate(queries(board, chosen))}


def recorded(cluster: Cluster) -> dict[str, str]:
    """Every recorded series of the cluster, by its name."""
    return {rule.name: f'{rule}{{cluster="{cluster.name}"}}'
            for group in RECORDED for rule in group.rules if "cluster" in rule.labels}


def blank(version: str, folder: Path, fleet: Iterable[Cluster], minutes: int) -> list[str]:
    """What answers otherwise than it should after rules were evaluated every so many minutes."""
    asked = {cluster.name: recorded(cluster) | panels(cluster) for cluster in fleet}
    exprs = list(dict.fromkeys(expr for these in asked.values() for expr in these.values()))
    used = {name for expr in exprs for name in NEEDS.scraped(expr)}
    inputs = [series.input(HOURS * 60, SCRAPED) for cluster in fleet
              for series in cluster.series if series.name in used]
    said = promtool.ask(version, folder, promtool.documents(RECORDED), inputs,
                        [f"count({expr})" for expr in exprs], f"{HOURS}h", f"{minutes}m",
                        f"{SCRAPED}m")
    return [f"{cluster.name}: {where}: {'is blank' if should else 'should be empty'}"
            for cluster in fleet for where, expr in asked[cluster.name].items()
            if (should := NEEDS.answered(expr, cluster)) is not None
            and should is not bool(said[f"count({expr})"])]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_rule_and_panel_answers_where_the_engine_tells_and_nowhere_else(
        engine: str, fleet: list[Cluster], tmp_path: Path) -> None:
    of_engine = [cluster for cluster in unlike(fleet) if cluster.labels["engine"] == engine]
    assert of_engine
    wrong = blank("3", tmp_path, of_engine, minutes=60)
    assert not wrong, "\n".join(wrong)


@pytest.mark.heavy
@pytest.mark.parametrize("version", promtool.VERSIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_captured_page_is_answered_for_in_both_versions(
        engine: str, version: str, fleet: list[Cluster], tmp_path: Path) -> None:
    of_engine = [cluster for cluster in fleet if cluster.labels["engine"] == engine]
    wrong = blank(version, tmp_path, of_engine, minutes=30)
    assert not wrong, "\n".join(wrong)
