"""Gaps between bills and what was tracked, part by part: six cases and any other one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.config import FleetSection, MonthlyUsd
from inferometer.cost.bill import Bill, BilledItem
from inferometer.cost.reconcile import PARTS, Reconciliation, reconcile
from inferometer.cost.reconcile_cents import apportion, in_cents
from inferometer.cost.reconcile_report import as_csv, as_markdown, buffer_percent
from inferometer.cost.tariffs import Rate, Tariff
from inferometer.cost.tracked import (
    GpuHoursOfDay,
    KindSum,
    Tracked,
    TrackedItem,
    add_calls,
    add_fixed,
    add_gpu_hours,
)
from inferometer.pricing import NANO, DayOfCalls
from tests.exporter.cost.bills import H100, OCTOBER, bill_of

DAY = date(2026, 10, 5)
TARIFF = Tariff(Rate(2 * NANO), Rate(NANO), None, Rate(8 * NANO))  # USD for a million tokens


def gpus(hours: str, price: float | None = 2.5) -> Tracked:
    tracked = Tracked(OCTOBER)
    add_gpu_hours(tracked, [GpuHoursOfDay(H100, Decimal(hours))],
                  {} if price is None else {H100: price})
    return tracked


def calls(tracked: Tracked, *days: DayOfCalls, tariff: Tariff | None = TARIFF) -> Tracked:
    add_calls(tracked, days, lambda provider, model, moment: tariff)
    return tracked


def day_of(input_tokens: int, output: int, cost: str, requests: int = 1000, usage_missing: int = 0,
           price_unknown: int = 0, cached: int = 0, model: str = "gpt-4o") -> DayOfCalls:
    return DayOfCalls(DAY, "openai", model, requests, usage_missing, price_unknown, input_tokens,
                      cached, 0, output, 0, int(Decimal(cost) * NANO))


def parts(reconciliation: Reconciliation, category: str = "") -> Mapping[str, Decimal]:
    """Those that are not 0, of a category or all."""
    one = next((one for one in reconciliation.comparisons if one.category == category),
               reconciliation.total)
    return {part: usd for part, usd in one.parts.items() if usd}


def test_what_nobody_tracks_is_the_gap() -> None:
    """5,000 USD tracked, 7,000 billed: storage, network and a vector database."""
    result = reconcile(bill_of("untracked.csv"), gpus("2000"))
    assert (result.total.billed, result.total.tracked) == (Decimal(7000), Decimal(5000))
    assert result.total.gap == 2000
    assert parts(result) == {"untracked": 2000}
    assert [one.category for one in result.comparisons if not one.is_tracked] == [
        "storage", "vector_db", "network"]
    assert buffer_percent([(Decimal(7000), Decimal(5000))]) == 40


def test_once_fixed_costs_are_tracked_there_is_no_gap_left() -> None:
    tracked = gpus("2000")
    add_fixed(tracked, FleetSection(monthly_usd=MonthlyUsd(storage=800, vector_db=700,
                                                           network=450)))
    result = reconcile(bill_of("untracked.csv"), tracked)
    assert parts(result) == {"price": 50}  # a month of the network has another price
    assert "- price, 50.00: " in as_markdown(result, None)


def test_credits_lower_the_price_refunds_the_quantity_too_and_taxes_are_overhead() -> None:
    result = reconcile(bill_of("credits.csv"), gpus("2000"))
    # 4,900 for 245 instances, less a credit of 500; 40 hours of a GPU fewer than we saw.
    assert parts(result, "gpu") == {"usage": -100, "price": -500}
    assert parts(result, "overhead") == {"untracked": 836}
    assert result.total.gap == 236


def test_a_commitment_counts_as_billed_or_as_used_up() -> None:
    billed = reconcile(bill_of("commitments.csv"), gpus("2000"))
    assert parts(billed) == {"price": -1000}
    effective = reconcile(bill_of("commitments.csv", basis="effective"), gpus("2000"))
    assert parts(effective) == {"price": -1600}


def test_another_quantity_is_usage_and_another_price_is_price() -> None:
    tracked = calls(Tracked(OCTOBER), day_of(10_000_000, 5_000_000, "60"))
    result = reconcile(bill_of("model-calls.csv"), tracked)
    # Billed: 12 M input at 2.5, 4 M output at 10. Tracked: 10 M at 2, 5 M at 8.
    assert parts(result) == {"usage": 2 * 2 - 1 * 8, "price": 12 * Decimal("0.5") + 4 * 2}


def test_a_rule_may_name_models_by_a_pattern_and_the_longer_name_has_a_model() -> None:
    tracked = calls(
        Tracked(OCTOBER), day_of(1_000_000, 0, "2", model="gpt-4o-2024-08-06"),
        day_of(2_000_000, 0, "4", model="GPT-4o"), day_of(5_000_000, 0, "10", model="gpt-4o-mini"))
    bill = Bill(OCTOBER, {
        ("api", "gpt-4o*"): BilledItem(Decimal(7), 1, {"input": Decimal(3_000_000)}),
        ("api", "gpt-4o-mini*"): BilledItem(Decimal(9), 1, {"input": Decimal(4_500_000)})})
    assert parts(reconcile(bill, tracked)) == {"price": 1, "usage": -1}


def test_cached_tokens_that_a_bill_has_no_line_of_are_input() -> None:
    tracked = calls(Tracked(OCTOBER), day_of(12_000_000, 4_000_000, "52", cached=4_000_000))
    result = reconcile(bill_of("model-calls.csv"), tracked)
    assert parts(result) == {"price": 18}


def test_calls_without_usage_explain_what_their_like_cost() -> None:
    tracked = calls(Tracked(OCTOBER), day_of(9_600_000, 3_200_000, "44.8", 1000, 200))
    result = reconcile(bill_of("model-calls.csv"), tracked)
    # 800 calls cost 44.80; 200 more as much each.
    assert parts(result) == {"missing": Decimal("11.2"), "price": 14}


def test_calls_without_a_price_are_missing_not_usage() -> None:
    tracked = calls(Tracked(OCTOBER), day_of(12_000_000, 4_000_000, "0", price_unknown=1000),
                    tariff=None)
    assert parts(reconcile(bill_of("model-calls.csv"), tracked)) == {"missing": 70}
    later = calls(Tracked(OCTOBER), day_of(12_000_000, 4_000_000, "0", price_unknown=1000))
    assert parts(reconcile(bill_of("model-calls.csv"), later)) == {"missing": 56, "price": 14}


def test_gpus_without_a_price_are_missing_as_far_as_they_were_there() -> None:
    result = reconcile(bill_of("untracked.csv"), gpus("1000", None))
    assert parts(result, "gpu") == {"missing": 2500, "usage": 2500}


def test_where_no_quantities_tell_usage_from_price_the_gap_is_the_rest() -> None:
    bill = Bill(OCTOBER, {("gpu", ""): BilledItem(Decimal(6000), 1, {}, Decimal(6000))})
    assert parts(reconcile(bill, gpus("2000"))) == {"overhead": 1000}


def test_what_is_tracked_and_not_billed_is_usage_below_0() -> None:
    assert parts(reconcile(Bill(OCTOBER), gpus("2"))) == {"usage": -5}
    assert reconcile(Bill(OCTOBER), gpus("2")).gap_ratio is None


def test_self_hosted_calls_are_nothing_a_bill_would_have() -> None:
    assert calls(Tracked(OCTOBER), day_of(10**9, 10**9, "0"), tariff=Tariff()).items == {}


_USD = st.decimals(-10**6, 10**6, places=7, allow_nan=False)
_QUANTITY = st.decimals(0, 10**9, places=3, allow_nan=False)
_BILLED = st.builds(
    lambda amount, quantities, uncounted: BilledItem(amount, 1, quantities, uncounted),
    _USD, st.dictionaries(st.sampled_from(["input", "output", "hours", "all"]), _QUANTITY),
    st.sampled_from([Decimal(0), Decimal(1)]))
_TRACKED = st.builds(
    lambda amount, counted, missing, is_unpriced: TrackedItem(
        amount, {kind: KindSum(*one) for kind, one in counted.items()}, missing, is_unpriced),
    _USD.map(abs), st.dictionaries(
        st.sampled_from(["input", "cached", "output", "reasoning", "hours"]),
        st.tuples(_QUANTITY, st.none() | _USD.map(abs))),
    _USD.map(abs), st.booleans())
_KEYS = st.tuples(st.sampled_from(["gpu", "api", "storage", "other", "overhead", "unmapped"]),
                  st.sampled_from(["", "a", "A", "b"]))


@given(st.dictionaries(_KEYS, _BILLED, max_size=6), st.dictionaries(_KEYS, _TRACKED, max_size=6))
def test_the_parts_sum_to_the_gap_whatever_is_billed_and_tracked(
        billed: dict[tuple[str, str], BilledItem], ours: dict[tuple[str, str], TrackedItem]
        ) -> None:
    result = reconcile(Bill(OCTOBER, billed), Tracked(OCTOBER, ours))
    total = result.total
    for one in (*result.comparisons, total):
        assert sum(one.parts.values()) == one.gap
    assert total.billed == sum(item.amount for item in billed.values())
    assert total.tracked == sum(item.amount for item in ours.values())
    rows, foot = in_cents(result)
    for row in (*rows, foot):
        assert sum(row.parts.values()) == row.gap == row.billed - row.tracked
    for shown, exact in ((foot.billed, total.billed), (foot.tracked, total.tracked),
                         (foot.gap, total.gap)):
        assert abs(shown - exact * 100) <= 1
    for part in PARTS:
        assert foot.parts[part] == sum(row.parts[part] for row in rows)


@given(st.lists(_USD, min_size=1, max_size=8))
def test_cents_add_up_and_are_each_within_one_of_the_amount(amounts: list[Decimal]) -> None:
    total = round(sum(amounts) * 100)
    shown = apportion(amounts, total)
    assert sum(shown) == total
    assert all(abs(cents - amount * 100) <= 1 for cents, amount in zip(shown, amounts,
                                                                      strict=True))


def test_the_report_has_each_amount_once_and_says_what_to_do() -> None:
    result = reconcile(bill_of("untracked.csv"), gpus("2000"), ["the month is not over"])
    assert as_csv(result).splitlines()[-1] == (
        "total,7000.00,5000.00,2000.00,2000.00,0.00,0.00,0.00,0.00")
    text = as_markdown(result, 40)
    assert "a gap of 2,000.00 USD, 28.6% of the bill." in text
    assert "**The month is incomplete, so its gap is not published**: the month is not over." in (
        text)
    assert "- Track storage: `fleet.monthly_usd.storage: 800.00`." in text
    assert "plan with 40 % on top of what is tracked" in text


@pytest.mark.parametrize(("sides", "percent"), [
    ([(70, 50)], 40), ([(50, 50)], None), ([(40, 50)], None), ([(70, 0)], None),
    ([(51, 50), (60, 50), (55, 50), (500, 50)], 20), ([(1001, 1000)], 1)])
def test_the_buffer_covers_the_worst_of_three_months(sides: list[tuple[int, int]],
                                                     percent: int | None) -> None:
    assert buffer_percent([(Decimal(billed), Decimal(ours)) for billed, ours in sides]) == percent
