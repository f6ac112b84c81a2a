"""What a request of a service costs and takes, held against four weeks of a real ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inferometer.collector import Deadline
from inferometer.facts import ErrorType, ModelCall, Outcome, Usage
from inferometer.guard import Guard
from inferometer.ledger.anomalies import UsageHistory
from inferometer.ledger.counting import HOUR
from inferometer.ledger.hourly import HourlyReading
from inferometer.ledger.opening import open_beside
from inferometer.pricing import NANO, CallToPrice, PricedCall, PriceSource
from inferometer.sinks.anomalies import AnomaliesCollector, JudgedUsages
from inferometer.values import Key, Value
from tests.exporter.ledger.making import Bench, call, ledger_in, section

pytestmark = pytest.mark.usefixtures("each_store")
WEEK = 168 * 3600  # seconds
TOKENS = 100
FAILED: dict[str, Any] = {"outcome": Outcome.ERROR, "error_type": ErrorType.TIMEOUT,
                          "usage": Usage()}
Page = Mapping[str, Mapping[Key, Value]]


class Scene:
    """A ledger, what reckons beside it, and the guard before the page."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.price = 1.0  # USD for 1,000 tokens
        self.anomalies: HourlyReading[JudgedUsages] = HourlyReading(
            "anomalies", lambda: open_beside(section(bench.folder)), UsageHistory().judged, {},
            lambda: bench.now)
        self.guard = Guard(lambda: bench.passed)

    def priced(self, asked: CallToPrice) -> PricedCall:
        if asked.call.model == "strange":
            return PricedCall(PriceSource.UNKNOWN)
        return PricedCall(PriceSource.HOSTED, int(
            (asked.usage.input or 0) * self.price * NANO / 1000))

    def hour(self, *calls: ModelCall) -> None:
        """An hour in which these came."""
        self.bench.passed += 600  # into it
        self.bench.send(*calls)
        self.bench.wait()
        self.bench.passed += 3600 - (self.bench.now // NANO) % 3600

    def weeks_before(self, *calls: ModelCall, count: int = 4, hours: int = 1) -> None:
        """The same calls in the same hours of the weeks before, up to now."""
        begin = self.bench.passed
        for week in range(count):
            self.bench.passed = begin + week * WEEK
            for _ in range(hours):
                self.hour(*(again(one) for one in calls))
        self.bench.passed = begin + count * WEEK

    def page(self) -> Page:
        """What it shows, reckoned when the hour is over and counted."""
        self.bench.passed += 121
        self.anomalies.reckon()
        shown = self.shown()
        self.bench.passed -= 121
        return shown

    def shown(self) -> Page:
        families = self.guard.admit(AnomaliesCollector(self.anomalies.reading).collect(
            Deadline(1)))
        return {family.metric.name.removeprefix("llm_client_"): family.points
                for family in families if family.points}


def calls(number: int = 30, tokens: int = TOKENS, **fields: object) -> list[ModelCall]:
    fields = {"usage": Usage(tokens, None, None, 0), **fields}
    return [again(call(**fields)) for _ in range(number)]  # type: ignore[arg-type]  # any of its fields


def again(one: ModelCall) -> ModelCall:
    return replace(one, trace_id=os.urandom(16), span_id=os.urandom(8))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scenes: list[Scene] = []
    with ledger_in(tmp_path, pricing=lambda asked: scenes[0].priced(asked)) as bench:
        bench.began -= bench.began % HOUR
        scenes.append(Scene(bench))
        yield scenes[0]


def band(lower: float, median: float, upper: float, service: str = "shop") -> Mapping[Key, object]:
    return {(service, edge): pytest.approx(value)
            for edge, value in zip(("lower", "median", "upper"), (lower, median, upper),
                                   strict=True)}


def unexpected(cost: int, tokens: int) -> Mapping[Key, float]:
    return {("shop", "cost"): cost, ("shop", "tokens"): tokens}


def test_an_hour_as_ever_is_within_its_band(scene: Scene) -> None:
    scene.weeks_before(*calls())
    scene.hour(*calls(tokens=110))
    assert scene.page() == {
        "request_tokens": {("shop",): 110}, "request_expected_tokens": band(80, 100, 120),
        "request_cost_usd": {("shop",): pytest.approx(0.11)},
        "request_expected_cost_usd": band(0.08, 0.1, 0.12), "request_outliers": unexpected(0, 0)}


def test_a_price_that_rises_is_seen_in_cost_and_not_in_tokens(scene: Scene) -> None:
    scene.weeks_before(*calls(), hours=3)
    scene.price = 2.0
    for hours in (1, 2, 3):
        scene.hour(*calls())
        page = scene.page()
        assert page["request_outliers"] == unexpected(hours, 0)
    assert page["request_cost_usd"] == {("shop",): pytest.approx(0.2)}
    assert page["request_expected_cost_usd"] == band(0.08, 0.1, 0.12)


def test_hours_on_both_sides_are_no_two_of_one_anomaly(scene: Scene) -> None:
    scene.weeks_before(*calls(), hours=3)
    for tokens, outside in ((500, 1), (10, 1), (10, 2)):
        scene.hour(*calls(tokens=tokens))
        assert scene.page()["request_outliers"] == unexpected(outside, outside)


def test_a_service_that_began_last_week_has_figures_and_no_band(scene: Scene) -> None:
    scene.weeks_before(*calls(), count=1)
    scene.hour(*calls(tokens=900))
    assert {*scene.page()} == {"request_tokens", "request_cost_usd"}


def test_an_hour_of_fewer_than_30_answers_is_neither_shown_nor_compared_with(
        scene: Scene) -> None:
    scene.weeks_before(*calls(29), *calls(20, **FAILED))
    scene.hour(*calls())
    assert {*scene.page()} == {"request_tokens", "request_cost_usd"}
    scene.hour(*calls(29))
    assert scene.page() == {}


def test_an_outage_of_a_week_before_is_left_out_and_one_of_now_is_no_anomaly(
        scene: Scene) -> None:
    scene.weeks_before(*calls())
    scene.weeks_before(*calls(5), *calls(60, **FAILED), count=1)  # most calls of it failed
    scene.weeks_before(*calls(), count=1)
    scene.hour(*calls(tokens=110), *calls(200, **FAILED))
    page = scene.page()
    assert page["request_tokens"] == {("shop",): 110}
    assert page["request_expected_tokens"] == band(80, 100, 120)
    assert page["request_outliers"] == unexpected(0, 0)


def test_failed_calls_embeddings_and_calls_without_a_price_change_nothing(scene: Scene) -> None:
    scene.weeks_before(*calls())
    scene.hour(*calls(), *calls(60, **FAILED),
               *calls(60, 5, operation="embeddings"), *calls(40, request_model="strange"))
    page = scene.page()
    assert page["request_tokens"] == {("shop",): 100}
    assert page["request_cost_usd"] == {("shop",): pytest.approx(0.1)}
    assert page["request_outliers"] == unexpected(0, 0)


def test_what_costs_nothing_has_tokens_and_no_cost(scene: Scene) -> None:
    scene.price = 0.0
    scene.weeks_before(*calls())
    scene.hour(*calls())
    assert {*scene.page()} == {"request_tokens", "request_expected_tokens", "request_outliers"}


def test_an_hour_without_requests_shows_nothing_of_itself(scene: Scene) -> None:
    scene.weeks_before(*calls(), hours=3)
    for _ in range(2):
        scene.hour(*calls(tokens=900))
    scene.bench.passed += 3600
    assert scene.page() == {"request_outliers": unexpected(2, 2)}
    scene.bench.passed += 2 * 3600
    assert scene.page() == {}


def test_what_is_in_memory_is_as_what_is_read_anew(scene: Scene) -> None:
    scene.weeks_before(*calls(), hours=3)
    for tokens in (100, 900, 900):
        scene.hour(*calls(tokens=tokens))
        page = scene.page()
    anew = Scene(scene.bench)
    assert anew.page() == page


def test_a_reading_is_gone_two_hours_after_none_could_be_reckoned(scene: Scene) -> None:
    scene.weeks_before(*calls(), count=1)
    scene.hour(*calls())
    assert scene.page()
    scene.bench.passed += 3600
    assert scene.shown()
    scene.bench.passed += 2 * 3600
    assert scene.shown() == {}
