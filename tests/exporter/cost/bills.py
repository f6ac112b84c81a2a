"""Bills of the fixtures, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from inferometer.config import BillRule, parse
from inferometer.cost.bill import Bill, add_up
from inferometer.cost.bill_lines import MonthLines
from inferometer.cost.bill_table import BillTable

BILLS = Path(__file__).parents[2] / "fixtures" / "bills"
OCTOBER = date(2026, 10, 1)
H100 = "NVIDIA H100 80GB HBM3"
RULES = parse("""
cost:
  bill:
    - {category: gpu, match: {ServiceName: Example Compute}, gpu: NVIDIA H100 80GB HBM3, units: 8}
    - {category: storage, match: {ServiceCategory: storage}}
    - {category: network, match: {ServiceName: "*Network"}}
    - {category: vector_db, match: {ServiceName: "* Vector *", Tags: "*quotes*"}}
    - {category: api, match: {SkuId: gpt-4o.in}, model: gpt-4o, tokens: input, units: 1000}
    - {category: api, match: {SkuId: gpt-4o.out}, model: gpt-4o, tokens: output, units: 1000}
""", "rules").cost.bill


def bill_of(path: Path | str, rules: Sequence[BillRule] = RULES, month: date = OCTOBER,
            basis: str = "billed", usd: str = "", mark: str | None = None) -> Bill:
    """A bill of the fixtures by its name, or any file, added up."""
    file = BILLS / path if isinstance(path, str) else path
    return add_up(MonthLines(BillTable(file), month, basis, mark), rules, month, str(file),
                  Decimal(usd) if usd else None)


def amounts(bill: Bill) -> Mapping[tuple[str, str], Any]:
    """What its items come to."""
    return {key: item.amount for key, item in bill.items.items()}
