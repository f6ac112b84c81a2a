"""Rates of judged answers on the page: from rows of the ledger, while its gateway goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inferometer.collector import Deadline
from inferometer.config import JudgeSection
from inferometer.evaluations import FAITHFULNESS, REFUSAL, VOTED, JudgementResult
from inferometer.ledger.errors import LedgerError
from inferometer.ledger.judging.rates import KEPT, MARKS, JudgedRates, quality_limits
from inferometer.ledger.opening import open_beside
from inferometer.quality.rates.estimates import LabelCounts, corrected_rate
from inferometer.quality.rates.stream import QualityLimits
from inferometer.sinks.judged_rates import EvaluationCollector
from tests.exporter.ledger.judging.rows import JudgedRows, label, unlabel
from tests.exporter.ledger.making import SECOND, Bench, ledger_in, section
from tests.exporter.ledger.shared import gateways
from tests.exporter.process import command
from tests.exporter.support import exporter, get, wait_for

pytestmark = pytest.mark.usefixtures("each_store")
DAY = 86_400 * SECOND
OF_SHOP = "shop", "m", FAITHFULNESS
ALARM = *OF_SHOP, "rate", "judged"


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
        """Have so many answers judged, some days ago, those that are flagged first."""
        begin = self.bench.now - int(ago * DAY)
        for i in range(judged):
            self.rows.add(i < flagged, begin + i, **fields)
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


def test_labels_make_a_corrected_rate_with_the_errors_of_the_judge(scene: Scene) -> None:
    scene.judge(80, 1000)
    for unit in [*range(1, 25), *range(81, 121)]:
        label(scene.bench.file, unit, unit <= 16 or unit > 118, scene.bench.now - SECOND)
    page = scene.page()
    counts = LabelCounts(16, 8, 2, 38)
    corrected = corrected_rate(80, 1000, counts, 20)
    assert corrected is not None
    assert [page["llm_evaluation_rate_ratio"][*OF_SHOP, "corrected", bound] for bound in (
        "point", "lower", "upper")] == pytest.approx(corrected.rate)
    assert page["llm_judge_sensitivity_ratio"] == pytest.approx({OF_SHOP: corrected.sensitivity})
    assert page["llm_judge_specificity_ratio"] == pytest.approx({OF_SHOP: corrected.specificity})
    assert page["llm_evaluation_sample_answers"][*OF_SHOP, "labelled"] == 64
    unlabel(scene.bench.file, 1, 5)  # 19 of the flagged ones are left
    page = scene.page()
    assert (*OF_SHOP, "corrected", "point") not in page["llm_evaluation_rate_ratio"]
    assert page["llm_judge_sensitivity_ratio"] == {}


def test_a_judge_that_seldom_answers_has_no_rate(scene: Scene) -> None:
    scene.judge(5, 80)
    for _ in range(20):
        scene.rows.add(None, scene.bench.now, result=JudgementResult.TIMEOUT.value)
    scene.rows.write()
    page = scene.page()
    assert page["llm_evaluation_unjudged_ratio"] == {OF_SHOP: pytest.approx(0.2)}
    assert page["llm_evaluation_rate_ratio"] == {}


def test_another_judge_begins_new_figures(scene: Scene) -> None:
    scene.judge(30, 30)
    assert scene.page()["llm_quality_alarm_ratio"][ALARM] > 1
    other = JudgedRows(scene.bench.file, judge=2, number=scene.rows.number)
    assert scene.page()["llm_evaluation_rate_ratio"] == {}
    other.add(False, scene.bench.now)
    other.write()
    page = scene.page()
    assert page["llm_evaluation_rate_ratio"][*OF_SHOP, "judged", "point"] == 0
    assert page["llm_evaluation_sample_answers"][*OF_SHOP, "judged"] == 1
    assert page["llm_quality_alarm_ratio"][ALARM] < 0.01


def test_who_starts_anew_has_the_same_figures(scene: Scene) -> None:
    for day in range(40, 0, -1):
        scene.judge(2, 20, ago=day + 0.25, score=0.9)
        if day == 20:
            for unit in [*range(1, 400, 20), *range(10, 400, 20)]:
                label(scene.bench.file, unit, unit % 20 == 1, scene.bench.now - 20 * DAY)
        if day % 3 == 0:
            scene.page()
    page = scene.page()
    assert {(key[3], key[4]) for key in page["llm_quality_alarm_ratio"]} == {
        ("rate", "corrected"), ("mean", "judged")}
    assert scene.page(scene.runner()) == page
    scene.bench.restart()
    assert scene.page(scene.runner()) == page


def test_what_changes_in_the_past_is_reckoned_anew(scene: Scene) -> None:
    scene.judge(4, 100, ago=10)
    for unit in range(1, 100):
        label(scene.bench.file, unit, unit < 4, scene.bench.now - 8 * DAY)
    before = scene.page()
    unlabel(scene.bench.file, 1, 3)
    assert scene.page() == scene.page(scene.runner()) != before
    # A verdict with an earlier number that another runner wrote later.
    number = scene.rows.number
    scene.rows.number = number + 1
    scene.judge(1, 1)
    scene.page()
    scene.rows.number = number
    scene.judge(1, 1)
    page = scene.page()
    assert page["llm_evaluation_sample_answers"][*OF_SHOP, "judged"] == 102
    assert scene.page(scene.runner()) == page


def test_verdicts_that_retention_deletes_leave_figures_as_they_are(scene: Scene) -> None:
    scene.judge(3, 100, ago=60)
    scene.judge(3, 100)
    for _ in range(MARKS):
        before = scene.page()
    scene.bench.file.connection.execute("DELETE FROM judgements WHERE number <= 100")
    assert scene.page() == before
    # Who starts anew begins with what is kept.
    assert scene.page(scene.runner())["llm_evaluation_rate_ratio"] == (
        before["llm_evaluation_rate_ratio"])


def test_another_limit_is_what_answers_are_held_against_from_the_next_time_on(
        scene: Scene) -> None:
    for _ in range(20):
        scene.judge(1, 5)
    assert scene.page()["llm_quality_alarm_ratio"][ALARM] > 1
    scene.limits = quality_limits(JudgeSection(max_unfaithful_ratio=0.3, max_score_drop=0.1))
    page = scene.page()
    assert page["llm_evaluation_limit_ratio"][FAITHFULNESS, "rate"] == 0.3
    assert page["llm_evaluation_limit_ratio"][REFUSAL, "rate"] == 0.05
    assert page["llm_evaluation_limit_ratio"][FAITHFULNESS, "mean"] == 0.1
    assert page["llm_quality_alarm_ratio"][ALARM] < 0.01


def test_figures_that_cannot_be_reckoned_are_shown_for_two_hours(scene: Scene) -> None:
    scene.judge(8, 100)
    page = scene.page()
    key = scene.bench.folder / "ledger.key"
    key.rename(scene.bench.folder / "elsewhere")
    with pytest.raises(LedgerError):
        scene.rates.reckon()
    scene.bench.passed += KEPT / SECOND - 1
    assert page_of(scene.rates) == page
    scene.bench.passed += 1
    assert not any(page_of(scene.rates).values())


def test_two_gateways_of_one_database_have_the_same_figures(
        tmp_path: Path, in_postgres: object) -> None:
    with gateways(tmp_path, "one", "two") as (one, two):
        Scene(one).judge(8, 100)
        pages = []
        for bench in (one, two):
            rates = JudgedRates(lambda bench=bench: open_beside(  # type: ignore[misc]  # by its name
                section(tmp_path, bench.file.gateway)), QualityLimits, lambda: one.now)
            rates.reckon()
            pages.append(page_of(rates))
    assert pages[0] == pages[1]
    assert pages[0]["llm_evaluation_rate_ratio"][*OF_SHOP, "judged", "point"] == 0.08


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
        page = gateway.scrape()
        reckoned = command("review", "rates", "--format", "json", "--config", file)
    assert page.value("inferometer_collector_success", collector="evaluation") == 1
    (rates,) = json.loads(reckoned.stdout)["rates"]
    labels = dict(zip(("service_name", "model", "evaluation"), OF_SHOP, strict=True))
    for name, bound in (("rate", "point"), ("lower", "lower"), ("upper", "upper")):
        assert rates[name] == page.value("llm_evaluation_rate_ratio", estimate="judged",
                                         bound=bound, **labels)
    assert rates["alarm"] == page.value("llm_quality_alarm_ratio", detector="rate",
                                        estimate="judged", **labels)
