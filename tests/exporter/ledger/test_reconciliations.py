"""Reconciled months in the ledger, and calls by day for who reconciles; in each store."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import Usage
from inferometer.guard import Guard
from inferometer.ledger.opening import open_beside
from inferometer.ledger.reconciliations import Reconciliations, keep, months_of
from inferometer.ledger.spending import first_day, spent_days
from inferometer.pricing import NANO, CallToPrice, DayOfCalls, PricedCall, PriceSource
from inferometer.sinks.reconciliation import (
    MONTHS_KEPT,
    ReconciledMonth,
    ReconciliationCollector,
)
from tests.exporter.ledger.making import Bench, call, ledger_in, section

pytestmark = pytest.mark.usefixtures("each_store")

EVENING = int(datetime(2026, 10, 3, 23, 0, tzinfo=UTC).timestamp()) * NANO


def month_of(month: str, billed: int = 7000 * NANO, tracked: int = 5000 * NANO) -> ReconciledMonth:
    return ReconciledMonth(month, EVENING, billed, tracked, billed - tracked, 0, 0, 0, 0)


def priced(asked: CallToPrice) -> PricedCall:
    if asked.call.model == "strange":
        return PricedCall(PriceSource.UNKNOWN)
    return PricedCall(PriceSource.HOSTED, 1_500_000_000)


def test_thirteen_months_are_kept_and_a_month_is_replaced(tmp_path: Path) -> None:
    months = [f"{2025 + month // 12}-{month % 12 + 1:02}" for month in range(16)]
    with ledger_in(tmp_path), closing(open_beside(section(tmp_path))) as beside:
        for month in months:
            keep(beside, month_of(month))
        keep(beside, month_of(months[-1], billed=5000 * NANO))
        kept = months_of(beside)
    assert [one.month for one in kept] == months[:-MONTHS_KEPT - 1:-1]
    assert (kept[0].billed, kept[1].billed) == (5000 * NANO, 7000 * NANO)


def test_the_page_shows_gaps_as_shares_of_the_bill_and_the_guard_lets_them_through(
        tmp_path: Path) -> None:
    with ledger_in(tmp_path), closing(open_beside(section(tmp_path))) as beside:
        read = Reconciliations(lambda: open_beside(section(tmp_path)))
        assert read.reading() == {}
        keep(beside, month_of("2026-10"))
        keep(beside, month_of("2026-09", billed=NANO, tracked=50 * NANO))
        keep(beside, month_of("2026-08", billed=0))
        read.read()
    families = {family.metric: family.points for family in Guard().admit(
        ReconciliationCollector(read.reading).collect(Deadline(1)))}
    assert families[c.RECONCILIATION_GAP] == {
        ("2026-10",): pytest.approx(2 / 7), ("2026-09",): -49.0}
    assert families[c.RECONCILIATION_TIME]["2026-10",] == EVENING / 1e9


def test_calls_are_added_up_by_day_provider_and_model(tmp_path: Path) -> None:
    with ledger_in(tmp_path, pricing=priced) as bench:
        bench.began = EVENING
        send(bench, Usage(100, 40, 5, 20, 7))
        send(bench, Usage(100, 40, None, 20, None), model="strange")
        send(bench, Usage())
        bench.passed += 2 * 3600  # the next day
        send(bench, Usage(1, None, None, 2, None), provider="azure")
        with closing(open_beside(section(tmp_path))) as beside:
            assert first_day(beside) == date(2026, 10, 3)
            days = [*spent_days(beside, date(2026, 10, 1), date(2026, 11, 1))]
            assert [*spent_days(beside, date(2026, 11, 1), date(2026, 12, 1))] == []
    assert days == [
        DayOfCalls(date(2026, 10, 3), "openai", "m", 2, 1, 0, 100, 40, 5, 20, 7, 1_500_000_000),
        DayOfCalls(date(2026, 10, 3), "openai", "strange", 1, 0, 1, 100, 40, 0, 20, 0, 0),
        DayOfCalls(date(2026, 10, 4), "azure", "m", 1, 0, 0, 1, 0, 0, 2, 0, 1_500_000_000)]


def test_a_ledger_without_calls_begins_on_no_day(tmp_path: Path) -> None:
    with ledger_in(tmp_path), closing(open_beside(section(tmp_path))) as beside:
        assert first_day(beside) is None


def send(bench: Bench, usage: Usage, model: str = "m", provider: str = "openai") -> None:
    bench.send(call(os.urandom(16), usage=usage, request_model=model, provider=provider))
    bench.wait()
