"""Rates of judged answers on the page: from rows of the ledger, while its gateway goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inferometer.collector import Deadline
from inferometer.evaluations import FAITHFULNESS, REFUSAL, VOTED
from inferometer.ledger.judged_rates import JudgedRates
from inferometer.ledger.opening import open_beside
from inferometer.quality.watched import QualityLimits
from inferometer.sinks.evaluation import EvaluationCollector
from tests.exporter.ledger.judged_rows import JudgedRows
from tests.exporter.ledger.making import SECOND, Bench, ledger_in, section
from tests.exporter.support import exporter, get, wait_for

pytestmark = pytest.mark.usefixtures("each_store")
DAY = 86_400 * SECOND
OF_SHOP = "shop", "m", FAITHFULNESS


class Scene:
    """A ledger, and what reckons beside it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.limits = QualityLimits()
        self.rows = JudgedRows(bench.file)
        self.rates = self.runner()

    def runner(self) -> JudgedRates:
        """One more that reckons, from the beginning."""
        return JudgedRates(lambda: open_beside(section(self.bench.folder)), lambda: self.limits,
                           lambda: self.bench.now)

    def judge(self, flagged: int, judged: int, ago: float = 1.0, **fields: Any) -> None:
        """Have so many answers judged, some days ago."""
        at_first = self.bench.now - int(ago * DAY)
        for i in range(judged):
            self.rows.add(i < flagged, at_first + i, **fields)
        self.rows.write()

    def page(self, rates: JudgedRates | None = None) -> Mapping[str, Mapping[Any, Any]]:
        """What a scrape has, reckoned anew."""
        reckoning = rates or self.rates
        reckoning.reckon()
        return page_of(reckoning)


def page_of(rates: JudgedRates) -> Mapping[str, Mapping[Any, Any]]:
    """The points of each family."""
    return {family.metric.name: family.points
            for family in EvaluationCollector(rates.reading).collect(Deadline(1))}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ledger_in(tmp_path) as bench:
        yield Scene(bench)


def test_a_rate_is_of_the_random_sample_by_the_present_judge_in_28_days(scene: Scene) -> None:
    scene.judge(5, 5, stratum=VOTED)
    scene.judge(9, 9, ago=29)
    scene.judge(8, 100)
    scene.judge(3, 50, evaluation=REFUSAL)
    page = scene.page()
    points = page["llm_evaluation_rate_ratio"]
    assert points[*OF_SHOP, "judged", "point"] == pytest.approx(0.08)
    assert points[*OF_SHOP, "judged", "lower"] == pytest.approx(0.0411, abs=1e-4)  # Wilson
    assert points[*OF_SHOP, "judged", "upper"] == pytest.approx(0.1500, abs=1e-4)
    assert points["shop", "m", REFUSAL, "judged", "point"] == pytest.approx(0.06)
    assert not any(key[3] == "corrected" for key in points)
    assert page["llm_evaluation_sample_answers"] == {
        (*OF_SHOP, "judged"): 100, (*OF_SHOP, "labelled"): 0,
        ("shop", "m", REFUSAL, "judged"): 50, ("shop", "m", REFUSAL, "labelled"): 0}
    assert page["llm_evaluation_unjudged_ratio"][OF_SHOP] == 0
    assert page["llm_evaluation_limit_ratio"][FAITHFULNESS, "rate"] == 0.05
    assert page["llm_judge_sensitivity_ratio"] == {}


def test_a_gateway_that_runs_has_the_rate_on_its_page(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        Scene(bench).judge(8, 100)
        ledger = section(bench.folder)
    file = tmp_path / "inferometer.yml"
    place = f"dsn_file: {ledger.dsn_file}" if ledger.dsn_file else f"path: {ledger.path}"
    file.write_text(f"role: gateway\nintake: {{listen: '127.0.0.1:0'}}\n"
                    f"ledger: {{{place}, key_file: {ledger.key_file}}}\n")
    with exporter(config=file) as gateway:
        wait_for(lambda: 'llm_evaluation_rate_ratio{service_name="shop",model="m",'
                 'evaluation="faithfulness",estimate="judged",bound="point"} 0.08\n'
                 in get(gateway.port, "/metrics").text)
        metrics = get(gateway.port, "/metrics").text
    assert 'inferometer_collector_success{collector="evaluation"} 1.0' in metrics
