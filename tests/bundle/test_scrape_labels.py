"""What rules and boards lose without a label of the scrape: what docs/install.md says of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recording_rules import GROUPS
from recording_rules.attribution import POD_GPUS
from tests.bundle import promtool
from tests.bundle.needs import Needs
from tests.bundle.test_never_blank import HOURS, SCRAPED, panels, recorded
from tests.bundle.virtual import PAGES, Cluster, clusters

pytestmark = pytest.mark.heavy
BUSY = "vllm/0.32.0/busy"
NEEDS = Needs(rule for group in GROUPS for rule in group.rules)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    (cluster,) = clusters(tmp_path_factory.mktemp("exporter"), {BUSY: PAGES[BUSY]})
    return cluster


def answered(busy: Cluster, folder: Path, *left_out: str) -> set[str]:
    """Which rules and panels answer if the scrape does not set these labels."""
    asked = panels() | recorded()
    inputs = [replace(series, labels={name: value for name, value in series.labels.items()
                                      if name not in left_out}).input(HOURS * 60, SCRAPED)
              for series in busy.series]
    answers = promtool.ask("3", folder, promtool.documents(GROUPS), inputs,
                           [f"count({expr})" for expr in dict.fromkeys(asked.values())],
                           f"{HOURS}h", "30m", f"{SCRAPED}m")
    return {where for where, expr in asked.items() if answers[f"count({expr})"]}


@pytest.fixture(scope="module")
def complete(busy: Cluster, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return answered(busy, tmp_path_factory.mktemp("complete"))


def test_without_cluster_node_container_and_service_all_answer(
        busy: Cluster, complete: set[str], tmp_path: Path) -> None:
    assert answered(busy, tmp_path, "cluster", "node", "container", "service") == complete


@pytest.mark.parametrize("label", ["namespace", "pod"])
def test_without_it_nothing_of_gpus_and_money_is_a_models_and_all_else_answers(
        label: str, busy: Cluster, complete: set[str], tmp_path: Path) -> None:
    exprs = panels() | recorded()
    by_model = {where for where in complete if where == POD_GPUS.name
                or "gpu_pod_info" in NEEDS.scraped(exprs[where])}
    lost = complete - answered(busy, tmp_path, label)
    assert POD_GPUS.name in lost
    assert lost <= by_model
