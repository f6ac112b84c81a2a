"""Cost: what is accrued, with clocks and GPUs that the test sets."""

from __future__ import annotations

import logging
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.collector import Deadline
from inferometer.config import LIMITS, Config, parse
from inferometer.cost.accrual import months
from inferometer.cost.collector import CostCollector
from inferometer.gpu.registry import Gpu
from inferometer.values import Key

HOUR, DAY = 3600.0, 86400.0
H100, L4 = "NVIDIA H100 80GB HBM3", "NVIDIA L4"
PRICES = f"cost: {{gpu_hour_usd: {{{H100}: 3.6, {L4}: 0.72}}}}\n"
EVERYTHING = PRICES + """
fleet:
  monthly_usd: {storage: 310, vector_db: 62, network: 31, other: 3.1}
  overhead_percent: 10
"""


def unix(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


class Fleet:
    """A cost collector, the GPUs it sees, and the time that passes for both."""

    def __init__(self, text: str, *names: str, wall: float = unix(2026, 1, 10)) -> None:
        self.now = 50_000.0
        self.wall = wall
        self.gpus = [Gpu(f"GPU-{i}", i, name, adopted_at=self.now) for i, name in enumerate(names)]
        self.cost = CostCollector(parse(text, "test"), lambda: self.gpus,
                                  clock=lambda: self.now, wall=lambda: self.wall)

    def passes(self, seconds: float, busy: float = 0.0, observed: float = 1.0) -> None:
        """Time, in which GPUs were observed and busy for these shares of it."""
        self.now += seconds
        self.wall += seconds
        for gpu in self.gpus:
            if not gpu.lost:
                gpu.observed_seconds += seconds * observed
                gpu.busy_seconds += seconds * busy

    def points(self, metric: Metric) -> dict[Key, float]:
        families = {family.metric: family for family in self.cost.collect(Deadline(1))}
        return {key: value for key, value in families[metric].points.items()
                if isinstance(value, float)}

    def usd(self, category: str) -> float:
        """What went to a category."""
        return sum(value for key, value in self.points(c.COST).items() if key[0] == category)

    def idle(self) -> list[float]:
        return list(self.points(c.COST_IDLE).values())


def test_a_gpu_costs_its_price_per_hour_by_the_second() -> None:
    fleet = Fleet(PRICES, H100, L4)
    fleet.passes(1)
    assert fleet.points(c.COST) == {("gpu", "", "GPU-0"): pytest.approx(0.001),
                                    ("gpu", "", "GPU-1"): pytest.approx(0.0002)}
    fleet.passes(HOUR - 1)
    assert fleet.points(c.COST) == {("gpu", "", "GPU-0"): pytest.approx(3.6),
                                    ("gpu", "", "GPU-1"): pytest.approx(0.72)}


def test_two_gpus_without_a_uuid_cost_what_two_cost() -> None:
    fleet = Fleet(PRICES, H100, L4)
    for gpu in fleet.gpus:
        gpu.uuid = ""
    fleet.passes(HOUR)
    assert fleet.points(c.COST) == {("gpu", "", ""): pytest.approx(3.6 + 0.72)}
    assert fleet.idle() == [pytest.approx(3.6), pytest.approx(0.72)]


def test_it_costs_the_same_however_often_one_looks() -> None:
    seldom, often = Fleet(EVERYTHING, H100), Fleet(EVERYTHING, H100)
    seldom.passes(DAY, busy=0.3)
    for _ in range(2880):
        often.passes(30, busy=0.3)
        often.points(c.COST)
    for category in ("gpu", "storage", "overhead"):
        assert often.usd(category) == pytest.approx(seldom.usd(category), rel=1e-9)
    assert often.idle() == pytest.approx(seldom.idle(), rel=1e-9)


def test_idle_is_what_was_observed_and_not_busy() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR, busy=0.25)
    assert fleet.idle() == [pytest.approx(0.75 * 3.6)]
    fleet.passes(HOUR, busy=1.0)
    assert fleet.idle() == [pytest.approx(0.75 * 3.6)]
    fleet.passes(HOUR, busy=0.0)
    assert fleet.idle() == [pytest.approx(1.75 * 3.6)]
    assert fleet.usd("gpu") == pytest.approx(3 * 3.6)


def test_time_in_which_nothing_was_observed_costs_and_is_not_called_idle() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR, observed=0.5, busy=0.25)
    assert fleet.usd("gpu") == pytest.approx(3.6)
    assert fleet.idle() == [pytest.approx(0.25 * 3.6)]


def test_a_gpu_whose_utilization_is_unknown_has_no_idle_cost() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR, observed=0.0)
    assert fleet.usd("gpu") == pytest.approx(3.6)
    assert fleet.idle() == []


def test_without_a_price_there_is_no_cost_rather_than_none() -> None:
    fleet = Fleet(PRICES, "NVIDIA A100")
    fleet.passes(HOUR)
    for metric in (c.COST, c.COST_IDLE, c.GPU_PRICE):
        assert fleet.points(metric) == {}


def test_without_any_configuration_there_are_no_series() -> None:
    fleet = Fleet("", H100)
    fleet.passes(HOUR)
    assert [family for family in fleet.cost.collect(Deadline(1)) if family.points] == []


def test_a_price_of_nothing_is_a_cost_of_nothing() -> None:
    fleet = Fleet(f"cost: {{gpu_hour_usd: {{{H100}: 0}}}}", H100)
    fleet.passes(HOUR)
    assert fleet.points(c.COST) == {("gpu", "", "GPU-0"): 0.0}
    assert fleet.points(c.GPU_PRICE) == {("0", "GPU-0"): 0.0}


def test_the_price_of_each_gpu_is_shown() -> None:
    fleet = Fleet(PRICES, L4, "NVIDIA A100", H100)
    assert fleet.points(c.GPU_PRICE) == {("0", "GPU-0"): 0.72, ("2", "GPU-2"): 3.6}


def test_a_missing_price_is_logged_once_for_each_product(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet(PRICES, H100, "NVIDIA A100", "NVIDIA A100", "NVIDIA T4", "")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            fleet.passes(15)
            fleet.points(c.COST)
    assert [vars(record)["gpu_name"] for record in caplog.records] == ["NVIDIA A100", "NVIDIA T4"]


def test_where_no_price_is_configured_none_is_missed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Fleet("", H100).points(c.COST)
    assert caplog.records == []


def test_a_lost_gpu_goes_on_costing() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR, busy=0.5)
    fleet.points(c.COST)
    fleet.gpus[0].lost = "GPU is lost"
    fleet.passes(HOUR)
    assert fleet.usd("gpu") == pytest.approx(7.2)
    assert fleet.idle() == [pytest.approx(1.8)]
    assert fleet.points(c.GPU_PRICE) == {("0", "GPU-0"): 3.6}


def test_a_gpu_no_longer_listed_stops_costing_and_keeps_what_it_cost() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR)
    fleet.points(c.COST)
    fleet.gpus[0].lost, fleet.gpus[0].gone = "no longer there", True
    fleet.passes(HOUR)
    assert fleet.usd("gpu") == pytest.approx(3.6)
    assert fleet.points(c.GPU_PRICE) == {}
    fleet.gpus[0].lost, fleet.gpus[0].gone = "", False
    fleet.passes(HOUR, busy=0.5)
    assert fleet.usd("gpu") == pytest.approx(7.2)


def test_a_gpu_that_comes_later_costs_from_then_on() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR)
    fleet.gpus.append(Gpu("GPU-9", 9, H100, adopted_at=fleet.now))
    fleet.passes(HOUR, busy=0.5)  # nobody looked in between
    assert fleet.points(c.COST) == {("gpu", "", "GPU-0"): pytest.approx(7.2),
                                    ("gpu", "", "GPU-9"): pytest.approx(3.6)}
    assert fleet.points(c.COST_IDLE)["9", "GPU-9"] == pytest.approx(1.8)


@pytest.mark.parametrize(("year", "month", "days"), [
    (2026, 1, 31), (2026, 2, 28), (2028, 2, 29), (2026, 4, 30), (2026, 12, 31), (2100, 2, 28),
])
@pytest.mark.parametrize("looks", [1, 700])
def test_a_whole_month_comes_to_the_bill(year: int, month: int, days: int, looks: int) -> None:
    fleet = Fleet("fleet: {monthly_usd: {storage: 12345.67}}", wall=unix(year, month, 1))
    for _ in range(looks):
        fleet.passes(days * DAY / looks)
        fleet.points(c.COST)
    assert fleet.usd("storage") == pytest.approx(12345.67, abs=0.005)


def test_a_second_costs_the_months_share() -> None:
    fleet = Fleet("fleet: {monthly_usd: {storage: 2419.2}}", wall=unix(2026, 2, 10))
    fleet.passes(1)
    assert fleet.usd("storage") == pytest.approx(0.001)  # of 28 days


def test_a_year_of_looking_at_odd_times_comes_to_twelve_bills() -> None:
    fleet = Fleet("fleet: {monthly_usd: {network: 100}}", wall=unix(2026, 1, 1))
    dice = random.Random(1)
    while fleet.wall < unix(2027, 1, 1):
        fleet.passes(min(dice.uniform(1, 5 * DAY), unix(2027, 1, 1) - fleet.wall))
        fleet.points(c.COST)
    assert fleet.usd("network") == pytest.approx(1200, abs=0.005)


def test_a_stretch_over_the_end_of_a_month_has_a_share_of_both() -> None:
    assert months(2 * DAY, unix(2026, 3, 2)) == pytest.approx(1 / 28 + 1 / 31)
    assert months(DAY, unix(2026, 3, 1)) == pytest.approx(1 / 28)
    assert months(59 * DAY, unix(2026, 3, 1)) == pytest.approx(2)
    assert months(0.0, unix(2026, 3, 1)) == 0.0


@settings(deadline=None)
@given(st.floats(0, 4e9), st.floats(0.01, 3e8))
def test_months_never_run_backwards_and_add_up(now: float, seconds: float) -> None:
    total = months(seconds, now)
    assert seconds / (31 * DAY) * 0.999 <= total <= seconds / (28 * DAY) * 1.001
    parts = months(seconds / 2, now - seconds / 2) + months(seconds / 2, now)
    assert parts == pytest.approx(total, rel=1e-6, abs=1e-12)


def test_a_step_of_the_wall_clock_costs_nothing() -> None:
    fleet = Fleet("fleet: {monthly_usd: {storage: 310}}", wall=unix(2026, 1, 10))
    fleet.wall -= 400 * DAY  # into December, 31 days too
    fleet.passes(DAY)
    assert fleet.usd("storage") == pytest.approx(10)


def test_only_what_has_a_figure_has_a_series() -> None:
    fleet = Fleet("fleet: {monthly_usd: {vector_db: 31, other: 0}}")
    fleet.passes(DAY)
    assert fleet.points(c.COST) == {
        ("vector_db", "", ""): pytest.approx(1.0), ("other", "", ""): 0.0}


def test_overhead_is_a_percentage_of_all_that_is_accrued() -> None:
    fleet = Fleet(EVERYTHING, H100, L4)
    for _ in range(10):
        fleet.passes(DAY / 10)
        fleet.points(c.COST)
    spent = 24 * (3.6 + 0.72) + (310 + 62 + 31 + 3.1) / 31
    assert fleet.usd("overhead") == pytest.approx(0.1 * spent)
    assert sum(fleet.points(c.COST).values()) == pytest.approx(1.1 * spent)


def test_overhead_without_anything_to_put_it_on_is_nothing() -> None:
    fleet = Fleet("fleet: {overhead_percent: 10}", H100)
    fleet.passes(DAY)
    assert fleet.points(c.COST) == {("overhead", "", ""): 0.0}


def test_budgets_are_shown_for_the_fleet_and_for_models() -> None:
    fleet = Fleet("fleet: {budgets_usd: {day: 100},"
                  " models: {tiny: {budgets_usd: {day: 10, month: 0}}, big: {}}}")
    assert fleet.points(c.BUDGET) == {("day", ""): 100.0, ("day", "tiny"): 10.0,
                                      ("month", "tiny"): 0.0}


def test_a_budget_pages_only_where_its_configuration_asks_for_it() -> None:
    fleet = Fleet("fleet: {budgets_usd: {day: 100, month: {usd: 3000, page: true}},"
                  " models: {tiny: {budgets_usd: {day: {usd: 10}}}}}")
    assert fleet.points(c.BUDGET) == {("day", ""): 100.0, ("month", ""): 3000.0,
                                      ("day", "tiny"): 10.0}
    assert fleet.points(c.BUDGET_PAGE) == {("day", ""): 0.0, ("month", ""): 1.0,
                                           ("day", "tiny"): 0.0}


@pytest.mark.parametrize("key", LIMITS)
def test_a_limit_is_shown_in_its_unit_for_the_fleet_and_for_a_model(key: str) -> None:
    fleet = Fleet(f"fleet: {{limits: {{{key}: 1}}, models: {{tiny: {{limits: {{{key}: 0}}}}}}}}")
    limit, unit = LIMITS[key]
    assert key.endswith(f"_{unit}")
    for other, metric in c.LIMIT_METRICS.items():
        expected = {(limit, ""): 1.0, (limit, "tiny"): 0.0} if other == unit else {}
        assert fleet.points(metric) == expected


def test_every_limit_and_period_is_a_value_of_the_contract() -> None:
    for limit, unit in LIMITS.values():
        assert limit in c.LIMIT_METRICS[unit].labels[0].values
    assert len(LIMITS) == sum(len(metric.labels[0].values) for metric in c.LIMIT_METRICS.values())


def configure(fleet: Fleet, text: str) -> None:
    fleet.cost.configure(parse(text, "test"))


def test_a_new_price_counts_from_the_reload_on() -> None:
    fleet = Fleet(PRICES, H100)
    fleet.passes(HOUR)
    configure(fleet, f"cost: {{gpu_hour_usd: {{{H100}: 1.8}}}}")  # and nobody looked before
    fleet.passes(HOUR)
    assert fleet.usd("gpu") == pytest.approx(3.6 + 1.8)
    assert fleet.idle() == [pytest.approx(3.6 + 1.8)]
    assert fleet.points(c.GPU_PRICE) == {("0", "GPU-0"): 1.8}


def test_a_price_set_later_does_not_cost_what_went_before() -> None:
    fleet = Fleet("", H100)
    fleet.passes(HOUR)
    configure(fleet, PRICES)
    assert (fleet.usd("gpu"), fleet.idle()) == (0.0, [0.0])
    fleet.passes(HOUR, busy=0.5)
    assert (fleet.usd("gpu"), *fleet.idle()) == pytest.approx((3.6, 1.8))


def test_what_is_no_longer_configured_stops_growing_and_stays() -> None:
    fleet = Fleet(EVERYTHING, H100)
    fleet.passes(DAY)
    before = fleet.points(c.COST)
    assert len(before) == 6
    configure(fleet, "")
    fleet.passes(DAY)
    assert fleet.points(c.COST) == before
    assert fleet.points(c.GPU_PRICE) == {}


def test_counters_only_grow_whatever_happens() -> None:
    dice = random.Random(7)
    fleet = Fleet(EVERYTHING, H100, L4, H100, wall=unix(2026, 1, 25))
    texts = ("", PRICES, EVERYTHING, EVERYTHING.replace("10", "0").replace("3.6", "0.01"))
    last: dict[Key, float] = {}
    for _ in range(400):
        happens = dice.randrange(5)
        gpu = dice.choice(fleet.gpus)
        if happens == 0:
            configure(fleet, dice.choice(texts))
        elif happens == 1:
            gpu.lost = "" if gpu.lost else "lost"
            gpu.gone = bool(gpu.lost) and dice.random() < 0.5
        elif happens == 2:
            fleet.wall += dice.uniform(-40, 40) * DAY
        fleet.passes(dice.choice((0, 0.5, 15, 9 * DAY)), busy=dice.random())
        counters = {("cost", *key): value for key, value in fleet.points(c.COST).items()}
        counters |= {("idle", *key): value for key, value in fleet.points(c.COST_IDLE).items()}
        for key, value in last.items():
            assert counters[key] >= value
        last = counters
    assert len(last) == 3 + 4 + 1 + 3


def test_the_defaults_have_no_price() -> None:
    assert Config().cost.gpu_hour_usd == {}
