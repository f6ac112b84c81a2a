"""`inferometer cost`: a bill against a ledger, what is kept and published, and what is refused."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inferometer import cli
from inferometer.facts import Usage
from inferometer.ledger.opening import open_beside
from inferometer.ledger.reconciliations import months_of
from inferometer.pricing import NANO, CallToPrice, PricedCall, PriceSource
from inferometer.sinks.reconciliation import ReconciledMonth
from tests.exporter.cost.bills import BILLS, H100
from tests.exporter.ledger.making import Bench, call, ledger_in, section

Run = Callable[..., tuple[int, str, str]]
FIRST = int(datetime(2026, 10, 1, 8, tzinfo=UTC).timestamp()) * NANO
CONFIG = f"""
cost:
  gpu_hour_usd: {{{H100}: 2.5}}
  bill:
    - {{category: gpu, match: {{ServiceName: Example Compute}}, gpu: {H100}, units: 8}}
    - {{category: storage, match: {{ServiceName: "*Storage"}}}}
    - {{category: network, match: {{ServiceName: "*Network"}}}}
    - {{category: vector_db, match: {{ServiceName: "*Vector*"}}}}
    - {{category: api, match: {{SkuId: gpt-4o.in}}, model: gpt-4o, tokens: input, units: 1000}}
    - {{category: api, match: {{SkuId: gpt-4o.out}}, model: gpt-4o, tokens: output, units: 1000}}
prices:
  - {{model: gpt-4o, provider: openai, input: 2, output: 8}}
ledger: {{path: ledger.db, key_file: ledger.key}}
"""


def priced(asked: CallToPrice) -> PricedCall:
    usage = asked.usage
    return PricedCall(PriceSource.HOSTED, (usage.input or 0) * 2000 + (usage.output or 0) * 8000)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "cost.yml").write_text(CONFIG)
    (tmp_path / "hours.csv").write_text(f"gpu,hours\n{H100},2000\n")
    with ledger_in(tmp_path, pricing=priced) as bench:
        bench.began = FIRST
        for _ in range(4):  # 12 M tokens in and 4 M out, as the bill has them
            bench.send(call(os.urandom(16), request_model="gpt-4o",
                            usage=Usage(3_000_000, None, None, 1_000_000)))
            bench.wait()
        yield bench


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*arguments: object) -> tuple[int, str, str]:
        code = cli.main(["cost", *map(str, arguments), "--config",
                         str(bench.folder / "cost.yml")])
        printed = capsys.readouterr()
        return code, printed.out, printed.err
    return ran


def reconcile(bill: str, *more: object) -> tuple[object, ...]:
    return "reconcile", "--bill", BILLS / bill, "--month", "2026-10", *more


def kept(bench: Bench) -> list[ReconciledMonth]:
    with closing(open_beside(section(bench.folder))) as database:
        return months_of(database)


def test_a_bill_of_calls_is_explained_by_the_ledger_and_kept_with_its_parts(
        run: Run, bench: Bench) -> None:
    code, printed, complaint = run(*reconcile("model-calls.csv", "--format", "csv"))
    assert (code, complaint) == (0, "")
    rows = {row["category"]: row for row in csv.DictReader(io.StringIO(printed))}
    assert [*rows["api"].values()] == [
        "api", "70.00", "56.00", "14.00", "0.00", "0.00", "14.00", "0.00", "0.00"]
    (one,) = kept(bench)
    assert one._replace(reconciled=0) == ReconciledMonth(
        "2026-10", 0, 70 * NANO, 56 * NANO, 0, 0, 14 * NANO, 0, 0)


def test_the_case_of_storage_network_and_a_vector_database(run: Run, bench: Bench,
                                                           tmp_path: Path) -> None:
    bench.file.connection.execute("DELETE FROM rollups")
    code, printed, _ = run(*reconcile(
        "untracked.csv", "--gpu-hours", bench.folder / "hours.csv", "--out", tmp_path / "reports"))
    assert code == 0
    assert "Billed 7,000.00 USD, tracked 5,000.00 USD: a gap of 2,000.00 USD, 28.6%" in printed
    assert "- Track network: `fleet.monthly_usd.network: 500.00`." in printed
    page = (tmp_path / "reports" / "reconciliation-2026-10.html").read_text()
    assert "<svg" in page
    assert "2,000.00 USD" in page
    assert "http" not in page
    assert "<script" not in page
    assert {file.suffix for file in (tmp_path / "reports").iterdir()} == {".md", ".csv", ".html"}


@pytest.mark.parametrize(("arguments", "why"), [
    (("incomplete.csv", "--gpu-hours", "hours.csv"),
     "the bill's usage is of 2026-10-01 to before 2026-10-20"),
    (("untracked.csv",), "neither --prometheus nor --gpu-hours tells their hours"),
])
def test_an_incomplete_month_is_compared_and_not_published(
        arguments: tuple[str, ...], why: str, run: Run, bench: Bench) -> None:
    bill, *more = arguments
    code, printed, _ = run(*reconcile(bill, *(
        bench.folder / one if one.endswith(".csv") else one for one in more)))
    assert code == 0
    assert "incomplete, so its gap is not published" in printed
    assert why in printed
    assert kept(bench) == []


def test_a_month_that_is_not_over_is_incomplete(run: Run, bench: Bench, tmp_path: Path) -> None:
    bill = tmp_path / "bill.csv"
    bill.write_text("amount,category\n5,other\n")
    code, printed, _ = run("reconcile", "--bill", bill, "--month", "9998-01")
    assert (code, kept(bench)) == (0, [])
    assert "the month is not over" in printed


def test_a_ledger_that_begins_in_the_month_makes_it_incomplete(run: Run, bench: Bench) -> None:
    bench.file.connection.execute("UPDATE rollups SET hour = hour + 240")
    printed = run(*reconcile("model-calls.csv"))[1]
    assert "the ledger begins on 2026-10-11" in printed
    assert kept(bench) == []


def test_a_dry_run_keeps_nothing(run: Run, bench: Bench) -> None:
    assert run(*reconcile("model-calls.csv", "--dry-run"))[0] == 0
    assert kept(bench) == []


@pytest.mark.parametrize(("arguments", "code", "why"), [
    (reconcile("two-currencies.csv"), 1, "two-currencies.csv:3: is in EUR"),
    (reconcile("unmapped.csv"), 1, "no rule of cost.bill is for 2.0% of it"),
    (reconcile("none.csv"), 1, "none.csv: cannot be read"),
    (("reconcile", "--month", "2026-10"), 2, "needs --bill"),
    (("reconcile", "--bill", "x"), 2, "needs --month"),
    (("export", "--month", "2026-10"), 2, "needs --focus"),
    (reconcile("untracked.csv", "--gpu-hours", "x", "--prometheus", "http://x"), 2, "excludes"),
    (reconcile("untracked.csv", "--prometheus", "http://u:secret@127.0.0.1:1"), 1, "127.0.0.1:1"),
])
def test_what_cannot_be_compared_is_refused_in_one_line(
        arguments: tuple[object, ...], code: int, why: str, run: Run) -> None:
    ended, printed, complaint = run(*arguments)
    assert (ended, printed) == (code, "")
    assert len(complaint.splitlines()) == 1
    assert why in complaint
    assert "secret" not in complaint


def test_a_bill_beyond_what_can_be_is_refused(run: Run, bench: Bench, tmp_path: Path) -> None:
    bill = tmp_path / "bill.csv"
    bill.write_text("amount,category\n99999999999,other\n")
    code, printed, complaint = run("reconcile", "--bill", bill, "--month", "2026-10")
    assert (code, printed, kept(bench)) == (1, "", [])
    assert "comes to more than 1,000,000,000 USD" in complaint


def test_unmapped_lines_are_compared_where_that_is_allowed(run: Run, bench: Bench) -> None:
    code, printed, _ = run(*reconcile("unmapped.csv", "--allow-unmapped", "--gpu-hours",
                                      bench.folder / "hours.csv"))
    assert code == 0
    assert "| unmapped | 100.00 | 0.00 | 100.00 | 100.00 |" in printed
    assert "- No rule is for: Example Mail." in printed


def test_what_was_tracked_is_exported_day_by_day(run: Run, bench: Bench) -> None:
    code, printed, complaint = run("export", "--focus", "--month", "2026-10", "--gpu-hours",
                                   bench.folder / "hours.csv")
    assert (code, complaint) == (0, "")
    rows = [*csv.DictReader(io.StringIO(printed))]
    assert [(row["ServiceProviderName"], row["SkuMeter"], row["EffectiveCost"])
            for row in rows] == [
        ("openai", "Input tokens", "24.0"), ("openai", "Output tokens", "32.0"),
        ("Self-hosted", "GPU hours", "5000.0")]
