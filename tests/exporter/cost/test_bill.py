"""Bills as providers and spreadsheets write them: read whole, or refused in one line."""

from __future__ import annotations

import gzip
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.config import parse
from inferometer.cost.bill import is_covered, refuse_unmapped
from inferometer.cost.bill_amounts import AmountError, amount_of, mark_of
from inferometer.cost.bill_table import BillError
from tests.exporter.cost.bills import BILLS, H100, amounts, bill_of

SIMPLE = "date,service,amount,category\n2026-10-02,disks,1.50,storage\n"


def written(folder: Path, text: str | bytes, name: str = "bill.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(("text", "amount"), [
    ("", "0"), ("5", "5"), ("1234.56", "1234.56"), ("1,234.56", "1234.56"),
    ("1.234,56", "1234.56"), ("1 234,56", "1234.56"), ("1\u202f234,56", "1234.56"),
    ("1'234.56", "1234.56"), ("12,34,567.89", "1234567.89"), ("1.234.567", "1234567"),
    ("$1,234.56", "1234.56"), ("-$5.00", "-5"), ("$-5.00", "-5"), ("5.00-", "-5"),
    ("(12.34)", "-12.34"), ("\u22123", "-3"), ("USD 7.10", "7.1"), ("7,10 €", "7.1"),
    ("1.5E-7", "0.00000015"), ("0.123", "0.123"), ("0,123", "0.123"), ("+2", "2"),
])
def test_an_amount_is_read_as_it_is_meant(text: str, amount: str) -> None:
    assert amount_of(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["n/a", "1.2.3", "1,2,3.4", "nan", "Infinity", "1e999999", "--1",
                                  "9" * 60, "1..2", "12 USD EUR"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        amount_of(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-10**9,
                   max_value=10**9))
def test_an_amount_comes_back_however_it_is_written(amount: Decimal) -> None:
    english = f"{amount:,.2f}"
    assert amount_of(english) == amount
    assert amount_of(english.translate(str.maketrans(",.", ".,"))) == amount
    assert amount_of(f"{amount:f}") == amount


def test_the_decimal_mark_is_that_of_the_cells_that_go_with_one_alone() -> None:
    assert mark_of(["1.234", "5,5"]) == ","
    assert mark_of(["1,234", "5.5"]) == "."
    assert mark_of(["12", ""]) == "."
    assert mark_of(["1,234"]) is None
    with pytest.raises(AmountError, match="points in some"):
        mark_of(["5,5", "5.5"])


def test_quoted_line_breaks_unknown_columns_and_windows_line_ends_are_read() -> None:
    bill = bill_of("untracked.csv")
    assert amounts(bill) == {("gpu", H100): 5000, ("storage", ""): 800, ("network", ""): 500,
                             ("vector_db", ""): 700}
    assert bill.items["gpu", H100].quantities == {"hours": 2000}
    assert (bill.lines, is_covered(bill)) == (4, True)
    assert (bill.total, bill.unmapped_ratio) == (Decimal(7000), Decimal(0))


def test_a_simple_file_with_semicolons_commas_a_byte_order_mark_and_a_total_is_read() -> None:
    bill = bill_of("european.csv", usd="2")
    assert amounts(bill) == {("unmapped", ""): 2400}
    assert (bill.lines, bill.totals) == (2, 1)
    assert bill.remarks == ["One EUR is taken for 2 USD."]


@pytest.mark.parametrize("pack", [
    gzip.compress, lambda text: b"\xff\xfe" + text.decode().encode("utf-16-le"),
    lambda text: b"sep=,\r\n" + text, lambda text: b"\xef\xbb\xbf" + text,
    lambda text: text.replace(b",", b"\t"), lambda text: text.replace(b",", b"|")])
def test_a_file_is_read_however_it_is_packed(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    bill = bill_of(written(tmp_path, pack(SIMPLE.encode())))
    assert amounts(bill) == {("storage", ""): Decimal("1.5")}


def test_lines_of_other_months_are_left_out_and_counted(tmp_path: Path) -> None:
    bill = bill_of(written(tmp_path, SIMPLE + "2026-11-01,disks,9,storage\n"))
    assert (bill.total, bill.others) == (Decimal("1.5"), 1)


@pytest.mark.parametrize(("text", "why"), [
    ("", "has no header"),
    ("date,service\n2026-10-01,x\n", "has no column of amounts"),
    (SIMPLE + "2026-10-03,x,much,storage\n", ":3: 'much' is no amount"),
    (SIMPLE + '2026-10-03,"x,1,other\n2026-10-03,x,1,other\n', "quotes are not closed"),
    (SIMPLE + "soon,x,1,storage\n", "is no day or time"),
    (SIMPLE + "2026-10-03,x,1,storage,more\n", "has 5 cells, and the header has 4"),
    ("date,amount\n2026-09-01,1\n", "has no line of 2026-10, and 1 of other months"),
    ("date,amount\n2026-10-01,\"1,234\"\n", "--decimal-mark"),
    ("date,amount\n2026-10-01,\"5,5\"\n2026-10-01,5.5\n", "decimal points in some"),
    ("amount,currency\n1,EUR\n", "is in EUR, and costs are tracked in USD"),
    (b"amount\n\xff\n", "is neither UTF-8 nor UTF-16"),
    (b"\x1f\x8b\x08broken", "cannot be read"),
    (b"PAR1....PAR1", "Parquet"),
])
def test_what_cannot_be_read_is_refused_in_one_line(text: str | bytes, why: str, tmp_path: Path
                                                    ) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BillError) as caught:
        bill_of(path)
    assert why in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_currencies_are_refused_with_the_line() -> None:
    with pytest.raises(BillError, match=r"two-currencies\.csv:3: is in EUR, and lines before in "):
        bill_of("two-currencies.csv")


def test_a_bill_in_focus_that_a_spreadsheet_wrote_anew_is_asked_for_its_decimals(
        tmp_path: Path) -> None:
    text = "BilledCost;ChargeCategory;ServiceName\n1,234;Usage;a\n"
    with pytest.raises(BillError, match="--decimal-mark"):
        bill_of(written(tmp_path, text), [])
    assert bill_of(written(tmp_path, text + "5,5;Usage;b\n"), []).total == Decimal("6.734")


def test_an_ambiguous_amount_is_taken_as_the_flag_says(tmp_path: Path) -> None:
    path = written(tmp_path, "date,amount,category\n2026-10-01,\"1,234\",other\n")
    assert bill_of(path, mark=".").total == 1234
    assert bill_of(path, mark=",").total == Decimal("1.234")


def test_more_than_a_hundredth_that_no_rule_is_for_is_refused_by_name() -> None:
    bill = bill_of("unmapped.csv")
    assert bill.unmapped == ["Example Mail"]
    with pytest.raises(BillError, match=r"2\.0% of it.*Example Mail.*--allow-unmapped"):
        refuse_unmapped(bill, "unmapped.csv")


def test_the_first_rule_that_fits_counts_and_ignored_lines_are_no_part_of_the_bill() -> None:
    rules = parse("cost: {bill: [{category: ignored, match: {ServiceName: '*Mail'}},"
                  "{category: other, match: {servicename: '*'}},"
                  "{category: gpu, match: {ServiceName: '*Compute'}}]}", "x").cost.bill
    bill = bill_of("unmapped.csv", rules)
    assert amounts(bill) == {("other", ""): 5000}
    assert bill.ignored == 100


def test_a_rule_for_a_column_that_no_bill_has_is_a_mistake() -> None:
    rules = parse("cost: {bill: [{category: other, match: {ServiceNmae: '*'}}]}", "x").cost.bill
    with pytest.raises(BillError, match=r"cost\.bill\[0\]\.match.*ServiceNmae"):
        bill_of("untracked.csv", rules)


@pytest.mark.parametrize("column", ["ServiceProviderName", "ProviderName", "provider_name"])
def test_a_rule_finds_the_provider_in_each_version_of_the_specification(column: str) -> None:
    rules = parse(f"cost: {{bill: [{{category: other, match: {{{column}: Example*}}}}]}}",
                  "x").cost.bill
    assert amounts(bill_of("untracked.csv", rules)) == {("other", ""): 7000}


def test_a_tax_is_overhead_but_for_a_rule_about_charges() -> None:
    assert amounts(bill_of("credits.csv"))["overhead", ""] == 836
    rules = parse("cost: {bill: [{category: other, match: {ChargeCategory: Tax}},"
                  "{category: gpu, match: {ServiceName: '*'}}]}", "x").cost.bill
    assert amounts(bill_of("credits.csv", rules)) == {("gpu", ""): 4400, ("other", ""): 836}


def test_effective_cost_spreads_a_commitment_over_its_use() -> None:
    assert amounts(bill_of("commitments.csv")) == {("gpu", H100): 4000}
    assert amounts(bill_of("commitments.csv", basis="effective")) == {("gpu", H100): 3400}


def test_a_bill_of_some_days_does_not_cover_its_month() -> None:
    assert not is_covered(bill_of("incomplete.csv"))


def test_a_large_bill_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    header, line = (BILLS / "model-calls.csv").read_bytes().splitlines(keepends=True)[:2]
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(header)
        for _ in range(40):
            file.write(line * 1000)
    size = path.stat().st_size
    assert size > 8_000_000
    tracemalloc.start()
    try:
        bill = bill_of(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bill.total == 30 * 40_000
    assert peak < size / 8
