"""A reconciliation for people and programs: Markdown, CSV, and what to do about the gap."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal

from inferometer.cost.bill_rules import API, GPU, UNMAPPED
from inferometer.cost.reconcile import PARTS, Reconciliation
from inferometer.cost.reconcile_cents import CentRow, in_cents
from inferometer.cost.tracked import FIXED
from inferometer.outside import shown

COLUMNS = ("category", "billed", "tracked", "gap", *PARTS)
TITLES: Mapping[str, str] = {
    "category": "category", "billed": "billed", "tracked": "tracked", "gap": "gap",
    "untracked": "not tracked", "usage": "usage", "price": "price",
    "missing": "missing usage", "overhead": "overhead"}
MEANINGS: Mapping[str, str] = {
    "untracked": "nothing of the category, model or GPU was tracked",
    "usage": "the bill has another quantity, at our price",
    "price": "the bill has another price, at its quantity",
    "missing": "calls were counted without usage or price, by estimate",
    "overhead": "the rest: taxes, support, and what no quantities explain"}
BUFFER_MONTHS = 3


def usd(cents: int) -> str:
    """Cents as USD, with thousands apart."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def values(row: CentRow) -> Sequence[int]:
    """Cents by the names of COLUMNS but the first."""
    return [row.billed, row.tracked, row.gap, *(row.parts[part] for part in PARTS)]


def as_csv(reconciliation: Reconciliation) -> str:
    """A row for each category and one for their sum, in USD."""
    rows, total = in_cents(reconciliation)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in (*rows, total):
        writer.writerow([row.category, *(usd(one).replace(",", "") for one in values(row))])
    return text.getvalue()


def as_markdown(reconciliation: Reconciliation, buffer: int | None) -> str:
    """The table, what it says in sentences, and what to do."""
    rows, total = in_cents(reconciliation)
    lines = [f"# The bill of {reconciliation.bill.month:%Y-%m} and what was tracked", "",
             *headline(reconciliation), "",
             "| " + " | ".join(TITLES[name] for name in COLUMNS) + " |",
             "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    for row in rows:
        lines.append(f"| {row.category} | " + " | ".join(map(usd, values(row))) + " |")
    lines.append("| **total** | " + " | ".join(f"**{usd(one)}**" for one in values(total)) + " |")
    lines += ["", "All in USD.", "", "## What the gap is made of", ""]
    lines += [f"- {TITLES[part]}, {usd(total.parts[part])}: {MEANINGS[part]}"
              for part in PARTS if total.parts[part]] or ["There is none."]
    if advice := [*suggestions(rows, total, buffer)]:
        lines += ["", "## What to do", "", *(f"- {one}" for one in advice)]
    lines += ["", "## What was read", "", *(f"- {one}" for one in remarks(reconciliation)), ""]
    return "\n".join(lines)


def headline(reconciliation: Reconciliation) -> Iterator[str]:
    """What it comes to, and whether that is all of the month."""
    _, total = in_cents(reconciliation)
    ratio = reconciliation.gap_ratio
    share = "" if ratio is None else f", {ratio:.1%} of the bill"
    yield (f"Billed {usd(total.billed)} USD, tracked {usd(total.tracked)} USD: a gap of "
           f"{usd(total.gap)} USD{share}.")
    if reconciliation.reasons:
        yield ("**The month is incomplete, so its gap is not published**: "
               f"{'; '.join(reconciliation.reasons)}.")


def remarks(reconciliation: Reconciliation) -> Iterator[str]:
    """What was read, and how it was taken."""
    bill = reconciliation.bill
    yield f"{bill.lines:,} lines of the month."
    if bill.others:
        yield f"{bill.others:,} lines of other months are left out."
    if bill.totals:
        yield f"{bill.totals:,} lines that add up others are left out."
    charges = ", ".join(f"{shown(charge, 40)} {bill.charges[charge]:,.2f}"
                        for charge in sorted(bill.charges))
    yield f"Charges, in USD: {charges}."
    if bill.ignored:
        yield f"{bill.ignored:,.2f} USD are of lines that a rule ignores."
    if bill.unmapped:
        yield f"No rule is for: {', '.join(bill.unmapped)}."
    yield from bill.remarks
    yield from reconciliation.tracked.remarks


def suggestions(rows: Sequence[CentRow], total: CentRow, buffer: int | None) -> Iterator[str]:
    """What would close the gap, the most expensive first."""
    for row in sorted(rows, key=lambda one: -abs(one.gap)):
        if row.is_tracked or not row.billed:
            continue
        if row.category in FIXED:
            yield (f"Track {row.category}: `fleet.monthly_usd.{row.category}: "
                   f"{row.billed // 100}.{row.billed % 100:02}`." if row.billed > 0
                   else f"Look at the credits of {row.category}, of which nothing is tracked.")
        elif row.category == API:
            yield "Track calls: have applications send their telemetry to a gateway."
        elif row.category == GPU:
            yield ("Track GPUs: `cost.gpu_hour_usd` has their prices, --prometheus or --gpu-hours "
                   "their hours.")
        elif row.category == UNMAPPED:
            yield "Add rules to `cost.bill` for what no rule is for."
    if buffer:
        yield (f"Until then plan with {buffer} % on top of what is tracked: that covers the "
               f"largest gap of the last {BUFFER_MONTHS} months that are kept, this one included.")


def buffer_percent(sides: Sequence[tuple[Decimal, Decimal]]) -> int | None:
    """Whole percents to put upon what is tracked, so that it covers each of the bills.

    `sides`: billed and tracked of months, the newest first. None where nothing was tracked, or no
    bill was more.
    """
    shares = [billed / tracked - 1 for billed, tracked in sides[:BUFFER_MONTHS] if tracked > 0]
    greatest = max(shares, default=Decimal(0))
    return int((greatest * 100).to_integral_value(ROUND_CEILING)) if greatest > 0 else None
