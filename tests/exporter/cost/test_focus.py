"""Our own costs as FOCUS 1.4, held against the columns of the specification."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from inferometer.config import BillRule, FleetSection, MonthlyUsd
from inferometer.cost.bill import add_up
from inferometer.cost.bill_lines import MonthLines
from inferometer.cost.bill_table import BillTable
from inferometer.cost.focus import COLUMNS, focus_lines, write
from inferometer.cost.reconcile import reconcile
from inferometer.cost.tariffs import Rate, Tariff
from inferometer.cost.tracked import (
    GpuHoursOfDay,
    Tracked,
    add_calls,
    add_fixed,
    add_gpu_hours,
)
from inferometer.pricing import NANO, DayOfCalls
from tests.exporter.cost.bills import H100, OCTOBER

SPECIFICATION: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "focus" / "cost-and-usage-1.4.json").read_text())
FORMS: Mapping[str, Callable[[str], object]] = {
    "Decimal": re.compile(r"-?\d+(\.\d+)?(E-?\d+)?").fullmatch,
    "Date/Time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch,
    "String": str.strip, "JSON": json.loads}
TARIFF = Tariff(Rate(2 * NANO + 500_000_000), Rate(1_250_000_000), None, Rate(10 * NANO))
CALLS = [
    DayOfCalls(OCTOBER + timedelta(days=day), "openai", "gpt-4o", 10, day, 0, 1_000_001, 300_000, 0,
               70_007, 0, 2_800_000_123 + day) for day in range(3)] + [
    DayOfCalls(OCTOBER, "openai", "lost", 1, 0, 0, 10, 0, 0, 10, 0, 7),
    DayOfCalls(OCTOBER, "vllm", "own", 100, 0, 0, 10**6, 0, 0, 10**6, 0, 0)]
HOURS = [GpuHoursOfDay(H100, Decimal("23.9167"), day=date(2026, 10, 2)),
         GpuHoursOfDay("old", Decimal(10), Decimal("0.1")), GpuHoursOfDay("free", Decimal(5))]
FLEET = FleetSection(monthly_usd=MonthlyUsd(storage=800.1, vector_db=0, network=12.5),
                     overhead_percent=3.3)
PRICES = {H100: 2.99}


def tariff_of(provider: str, model: str, moment: int) -> Tariff | None:
    return TARIFF if model == "gpt-4o" else None


def month() -> Tracked:
    tracked = Tracked(OCTOBER)
    add_calls(tracked, CALLS, tariff_of)
    add_gpu_hours(tracked, HOURS, PRICES)
    add_fixed(tracked, FLEET)
    return tracked


def exported() -> str:
    text = io.StringIO()
    write(focus_lines(month(), CALLS, HOURS, tariff_of, PRICES, "acc"), text)
    return text.getvalue()


@pytest.fixture(scope="module")
def lines() -> Sequence[Mapping[str, str]]:
    return [*csv.DictReader(io.StringIO(exported()))]


def faults(line: Mapping[str, str]) -> list[str]:
    """What the specification's columns refuse in a line."""
    columns = SPECIFICATION["columns"]
    wrong = [f"{name} is unknown" for name in line if name not in columns and name[:2] != "x_"]
    wrong += [f"{name} is missing" for name, column in columns.items()
              if column["level"] == "Mandatory" and name not in line]
    for name, text in line.items():
        column = columns.get(name, {"type": "String", "nulls": True})
        if not text:
            wrong += [] if column["nulls"] else [f"{name} is null"]
        elif not FORMS[column["type"]](text) or text not in column.get("values", [text]):
            wrong.append(f"{name} is {text}")
    parents = SPECIFICATION["subcategories"]
    if parents.get(line["ServiceSubcategory"]) != line["ServiceCategory"]:
        wrong.append(f"{line['ServiceSubcategory']} is none of {line['ServiceCategory']}")
    return wrong


def test_every_line_has_the_columns_types_and_values_of_the_specification(
        lines: Sequence[Mapping[str, str]]) -> None:
    assert {name for line in lines for name in line} == {*COLUMNS}
    assert {fault for line in lines for fault in faults(line)} == set()
    assert len(lines) == 3 * 4 + 1 + 2 + 4  # days, a lost price, GPUs, fixed costs


@pytest.mark.parametrize(("name", "text"), [
    ("BilledCost", ""), ("BilledCost", "1e+3"), ("ChargeCategory", "Fee"), ("Surprise", "x"),
    ("BillingPeriodStart", "2026-10-01"), ("ServiceSubcategory", "Generative AI")])
def test_the_check_notices_what_the_specification_refuses(
        name: str, text: str, lines: Sequence[Mapping[str, str]]) -> None:
    assert faults({**lines[-1], name: text}) != []
    without = {key: value for key, value in lines[-1].items() if key != "InvoiceIssuerName"}
    assert faults(without) == ["InvoiceIssuerName is missing"]


def test_a_cost_is_its_quantity_at_its_price_and_its_quantities_go_with_its_sku(
        lines: Sequence[Mapping[str, str]]) -> None:
    for line in lines:
        assert line["EffectiveCost"] == line["ContractedCost"] == line["ListCost"]
        assert line["BilledCost"] == "0.0"  # nobody is sent an invoice by us
        if line["SkuPriceId"]:
            product = Decimal(line["PricingQuantity"]) * Decimal(line["ListUnitPrice"])
            assert product == Decimal(line["ListCost"]), line
        else:
            assert line["PricingQuantity"] == line["PricingUnit"] == line["ListUnitPrice"] == ""
            assert line["ChargeCategory"] == "Adjustment"
        assert bool(line["ConsumedQuantity"]) == (line["ChargeCategory"] == "Usage")


def test_the_export_sums_to_what_was_tracked_and_reconciles_without_a_gap(
        lines: Sequence[Mapping[str, str]], tmp_path: Path) -> None:
    assert sum(Decimal(line["EffectiveCost"]) for line in lines) == month().total()
    path = tmp_path / "own.csv"
    path.write_text(exported())
    rules = [BillRule(category, {"x_Category": category}) for category in (
        "api", "gpu", "storage", "vector_db", "network", "overhead")]
    bill = add_up(MonthLines(BillTable(path), OCTOBER, "effective"), rules, OCTOBER, str(path))
    result = reconcile(bill, month())
    assert [(one.category, one.gap) for one in result.comparisons] == [
        (category, Decimal(0)) for category in (
            "gpu", "api", "storage", "vector_db", "network", "overhead")]
