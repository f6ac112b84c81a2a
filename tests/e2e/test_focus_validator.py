"""What `inferometer cost export --focus` writes, before the official validator of FOCUS.

The validator has the rules of 1.2. What 1.4 has renamed is given it under both names.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.exporter.cost.test_focus import exported

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".cache/focus"
# The one rule that is left: an id for charges that are on an invoice, and ours are on none.
NO_INVOICE = "InvoiceId-C-005-C"

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600), pytest.mark.skipif(
    not (INSTALLED / "installed").exists(), reason="`make focus` installs it, on Python 3.12")]


def failures(path: Path) -> tuple[set[str], int]:
    """Rules that fail, and how many pass."""
    (package,) = INSTALLED.glob("lib/*/site-packages")
    process = subprocess.run(
        [(INSTALLED / "bin/focus-validator").absolute(), "--data-file", path, "--validate-version",
         "1.2", "--block-download"], cwd=package,  # where it looks for its currencies
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}, check=False)
    total = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+)", process.stdout)
    assert total is not None, process.stdout + process.stderr
    failed = set(re.findall(r"^\S* ?([\w-]+): FAIL ", process.stdout, re.MULTILINE))
    assert len(failed) == int(total[2])
    return failed, int(total[1])


def of_older_version(text: str, **changes: str) -> str:
    rows = [*csv.DictReader(io.StringIO(text))]
    for row in rows:
        provider = row["ServiceProviderName"]
        row.update(ProviderName=provider, PublisherName=provider, InvoiceId="", **changes)
    written = io.StringIO()
    writer = csv.DictWriter(written, [*rows[0]])
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def test_the_official_validator_has_nothing_against_the_export(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(of_older_version(exported()))
    failed, passed = failures(path)
    assert failed == {NO_INVOICE}
    assert passed > 130


def test_the_validator_notices_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(of_older_version(exported(), ChargeCategory="Fee", BillingCurrency="Dollars"))
    failed, _ = failures(path)
    assert {rule.split("-")[0] for rule in failed} > {"ChargeCategory", "BillingCurrency"}


def test_a_bill_in_parquet_is_read_where_pyarrow_is(tmp_path: Path) -> None:
    """The validator's environment has it, and this one need not."""
    program = """
import sys
from decimal import Decimal
import pyarrow, pyarrow.parquet
from tests.exporter.cost.bills import OCTOBER, amounts, bill_of
from pathlib import Path
path = Path(sys.argv[1])
pyarrow.parquet.write_table(pyarrow.table({
    "BilledCost": [Decimal("1.25"), Decimal("2.50")], "ServiceCategory": ["Storage", "Storage"],
    "BillingPeriodStart": [OCTOBER] * 2, "ServiceName": ["a", None], "SkuId": ["", ""],
    "Tags": ["", ""]}), path)
assert amounts(bill_of(path)) == {("storage", ""): Decimal("3.75")}, amounts(bill_of(path))
"""
    process = subprocess.run(
        [(INSTALLED / "bin/python").absolute(), "-c", program, tmp_path / "bill.parquet"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}/exporter:{ROOT}"},
        capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
