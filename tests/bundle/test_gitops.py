"""The chart as Argo CD, Flux and pipelines take it: fetched, rendered, applied, compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.build.bundle import assemble
from deploy.build.files import differences, render
from deploy.build.writers.helm import FILES, carried
from inferometer.bundle.options import Options
from tests.bundle.chart import CHART, HELMS, helm

MADE = render(assemble(), Options())

# Fetched: Flux's source-controller leaves symbolic links out, and so do some archives.


def test_nothing_of_the_chart_is_a_symbolic_link() -> None:
    entries = [CHART, *CHART.rglob("*")]
    assert len(entries) > 20
    assert [entry for entry in entries if entry.is_symlink()] == []


def test_what_the_chart_carries_is_what_the_definitions_give() -> None:
    assert differences(carried(MADE), FILES) == [], "run `make bundle` and commit what it writes"


@pytest.mark.parametrize("version", HELMS)
@pytest.mark.parametrize(("flags", "missing"), [
    ("rules.enabled=false", "dashboards/*.json"),
    ("dashboards.enabled=false", "prometheus/recording.rules.yml"),
    ("monitoring.kind=operator,dashboards.enabled=false", "prometheus/"),
    ("monitoring.kind=operator,dashboards.enabled=false,rules.enabled=false",
     "prometheus/prometheus.yml"),
    ("dashboards.enabled=false,rules.enabled=false,alertmanagerConfig.enabled=true",
     "alertmanager/alertmanager.yml"),
])
def test_a_chart_that_lost_its_files_is_refused_with_what_is_missing(
        version: str, flags: str, missing: str, tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart", ignore=shutil.ignore_patterns("files"))
    process = helm(version, "template", "inferometer", chart, "--set", flags)
    assert process.returncode != 0
    assert f"files/{missing}" in process.stderr
    assert "missing or empty" in process.stderr


def test_a_board_that_is_empty_is_refused(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "chart")
    (chart / "files/dashboards/inferometer-gpu.json").write_text("")
    process = helm("3", "template", "inferometer", chart)
    assert "files/dashboards/inferometer-gpu.json of the chart is missing" in process.stderr
