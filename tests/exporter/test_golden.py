"""Golden pages: what a user gets from each captured engine page, recorded and linted.

Record anew with `make golden`, and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.config import parse
from inferometer.cost.collector import CostCollector
from inferometer.engines.collector import EnginesCollector
from inferometer.engines.fetch import Access
from inferometer.engines.tables import TABLES
from inferometer.engines.target import Target
from inferometer.exposition import OPENMETRICS, TEXT, render
from inferometer.families import Family
from inferometer.gpu.registry import Gpu
from inferometer.guard import Guard
from tests.exporter.engines.pages import GOLDEN_PAGES
from tests.exporter.support import Engine, Page, fixture

GOLDEN = Path(__file__).parents[1] / "golden"
TOOLS = Path(os.environ.get("TOOLS", Path(__file__).parents[2] / ".cache" / "tools"))
PROMTOOLS = ("promtool-2.42", "promtool-3")  # the oldest supported, and a current one
COST = """
cost: {gpu_hour_usd: {NVIDIA H100 80GB HBM3: 3.6}}
fleet:
  monthly_usd: {storage: 310, vector_db: 62, network: 31, other: 31}
  overhead_percent: 10
  budgets_usd: {day: 100, month: {usd: 3000, page: true}}
  limits: {request_duration_p95_seconds: 2.0, error_ratio: 0.01, daily_spend_usd: 1000}
  models: {tiny: {budgets_usd: {day: 10}, limits: {time_to_first_token_p95_seconds: 0.5}}}
"""


def engine_page(path: str) -> list[Family]:
    with Engine(fixture(path)) as engine:
        target = Target("chat", engine.url, TABLES, Access(), 5.0, clock=lambda: 1.79e9)
        families = EnginesCollector(lambda: [target]).collect(Deadline(10))
        return Guard().admit(families)


def cost_page() -> list[Family]:
    now = [0.0]
    gpu = Gpu("GPU-0", 0, "NVIDIA H100 80GB HBM3")
    cost = CostCollector(parse(COST, "golden"), lambda: [gpu], clock=lambda: now[0],
                         wall=lambda: 1767225600.0)  # in a month of 31 days
    now[0], gpu.observed_seconds, gpu.busy_seconds = 3600.0, 3600.0, 900.0
    return list(cost.collect(Deadline(1)))


def pages() -> dict[str, list[Family]]:
    return {**{name: engine_page(path) for name, path in GOLDEN_PAGES.items()}, "cost": cost_page()}


@pytest.fixture(scope="module")
def made() -> dict[str, list[Family]]:
    return pages()


@pytest.mark.parametrize("name", [*GOLDEN_PAGES, "cost"])
def test_the_page_is_the_recorded_one(name: str, made: dict[str, list[Family]]) -> None:
    file = GOLDEN / f"{name}.prom"
    page = render(made[name], TEXT)
    if os.environ.get("GOLDEN") == "record":
        file.write_bytes(page)
    if not file.exists():
        pytest.fail(f"tests/golden/{file.name} is not there; run: make golden", pytrace=False)
    assert page.decode() == file.read_text(), (
        f"if tests/golden/{file.name} should have changed, run: make golden")


@pytest.mark.parametrize("name", [*GOLDEN_PAGES, "cost"])
def test_the_openmetrics_page_passes_a_strict_parser_and_says_the_same(
        name: str, made: dict[str, list[Family]]) -> None:
    text = render(made[name], OPENMETRICS).decode()
    strict = {(s.name, tuple(sorted(s.labels.items()))): s.value
              for family in openmetrics.text_string_to_metric_families(  # type: ignore[no-untyped-call]
                 text)
              for s in family.samples}
    plain = {(s.name, tuple(sorted(s.labels.items()))): s.value
             for s in Page(render(made[name], TEXT).decode()).series}
    assert strict == plain


@pytest.mark.parametrize("promtool", PROMTOOLS)
@pytest.mark.parametrize("name", [*GOLDEN_PAGES, "cost"])
def test_promtool_finds_nothing_to_say_about_the_page(name: str, promtool: str) -> None:
    lint(promtool, (GOLDEN / f"{name}.prom").read_bytes())


@pytest.mark.parametrize("promtool", PROMTOOLS)
def test_promtool_finds_nothing_to_say_about_any_family_of_the_catalogue(promtool: str) -> None:
    families = []
    for metric in c.METRICS:
        if metric.kind != "histogram":
            key = tuple(label.values[0] if label.values else "x" for label in metric.labels)
            families.append(Family(metric, {key: 1.0}))
    lint(promtool, render(families, TEXT))


def lint(promtool: str, page: bytes) -> None:
    tool = TOOLS / promtool / "promtool"
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    print((version.stdout or version.stderr).splitlines()[0])
    checked = subprocess.run([tool, "check", "metrics"], input=page, capture_output=True,
                             check=False)
    assert (checked.returncode, checked.stderr.decode(), checked.stdout.decode()) == (0, "", "")


def test_every_catalogue_family_is_made_somewhere() -> None:
    """A name nobody says would be a promise broken."""
    package = Path(c.__file__).parents[1]
    source = "".join(file.read_text() for file in package.rglob("*.py")
                     if file.parent.name != "catalogue")
    constants = {id(value): name for name, value in vars(c).items() if isinstance(value, c.Metric)}
    constants |= dict.fromkeys(map(id, c.LIMIT_METRICS.values()), "LIMIT_METRICS")
    missing = [metric.name for metric in c.METRICS
               if not any(word in source for word in (f"c.{constants[id(metric)]}",
                                                      f"{constants[id(metric)]},",
                                                      f"{constants[id(metric)]}\n"))]
    assert missing == []


def test_every_metric_is_defined_in_the_catalogue() -> None:
    """What is defined elsewhere is in no contract, no cap and no list of metrics."""
    package = Path(c.__file__).parents[1]
    elsewhere = [f"{file.relative_to(package)}: define it in catalogue/ instead"
                 for file in package.rglob("*.py")
                 if file.parent.name != "catalogue" and re.search(r"\bMetric\(", file.read_text())]
    assert elsewhere == []
