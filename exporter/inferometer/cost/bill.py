"""A bill of one month, added up by what its lines are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Context, Decimal, localcontext

from inferometer.config import IGNORED, BillRule
from inferometer.cost.bill_lines import USAGE, BillColumns, BillLine, MonthLines
from inferometer.cost.bill_rules import UNMAPPED, BillRules, Mapped
from inferometer.cost.bill_table import BillError
from inferometer.outside import shown

EXACT = Context(prec=80)  # digits: sums of amounts are never rounded
USD = "USD"
MOST_UNMAPPED = Decimal("0.01")  # of all amounts, signs aside
NAMES_SHOWN = 5
_SLACK = timedelta(days=1)  # a period may end a second before midnight
ZERO = Decimal(0)


@dataclass
class BilledItem:
    """What a bill has for one model, one GPU, or all of a category that names neither."""

    amount: Decimal = ZERO
    lines: int = 0
    quantities: dict[str, Decimal] = field(default_factory=dict)  # by what is counted
    # Amounts of usage whose quantity is not to be compared, signs aside.
    uncounted: Decimal = ZERO


@dataclass
class Bill:
    """A month's bill in USD. Credits, refunds and purchases are in the amounts of their items."""

    month: date
    items: dict[tuple[str, str], BilledItem] = field(default_factory=dict)
    lines: int = 0
    others: int = 0  # lines of other months
    totals: int = 0  # lines that add up others
    charges: dict[str, Decimal] = field(default_factory=dict)  # by FOCUS' ChargeCategory
    ignored: Decimal = ZERO
    unmapped_ratio: Decimal = ZERO
    unmapped: Sequence[str] = ()  # what it is, the most expensive first
    begin: date | None = None  # of what it covers; None where it has no days
    end: date | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        """All but what is ignored."""
        with localcontext(EXACT):
            return sum((item.amount for item in self.items.values()), ZERO)


def next_month(month: date) -> date:
    """The first day of the month after that of a first day."""
    return (month + timedelta(days=31)).replace(day=1)


def add_up(lines: MonthLines, rules: Sequence[BillRule], month: date, path: str,
           usd: Decimal | None = None) -> Bill:
    """Read all of it. `usd`: of one unit of its currency. Raises BillError."""
    bill, gross, names = Bill(month), {UNMAPPED: ZERO, "": ZERO}, Counter[str]()
    mapping: BillRules | None = None
    with localcontext(EXACT):
        for line in lines.read():
            mapping = mapping or BillRules(rules, lines.columns)
            mapped = mapping.mapped(line)
            gross[""] += abs(line.amount)
            if mapped.category == UNMAPPED:
                gross[UNMAPPED] += abs(line.amount)
                _name(line, lines.columns, names)
            _add(bill, line, mapped)
        if not lines.lines:
            raise BillError(f"{path}: has no line of {month:%Y-%m}" + (
                f", and {lines.others} of other months" if lines.others else ""))
        _convert(bill, path, lines.currency, usd)
        if gross[""]:
            bill.unmapped_ratio = gross[UNMAPPED] / gross[""]
    bill.unmapped = [name for name, _ in names.most_common(NAMES_SHOWN)]
    bill.lines, bill.others, bill.totals = lines.lines, lines.others, lines.totals
    return bill


def is_covered(bill: Bill) -> bool:
    """Whether its days reach from the first to the last of its month, where it has any."""
    return bill.begin is None or bill.end is None or (
        bill.begin <= bill.month + _SLACK and bill.end >= next_month(bill.month) - _SLACK)


def _add(bill: Bill, line: BillLine, mapped: Mapped) -> None:
    bill.charges[line.charge] = bill.charges.get(line.charge, ZERO) + line.amount
    if line.begin is not None and line.end is not None and line.charge == USAGE:
        bill.begin = min(bill.begin or line.begin, line.begin)
        bill.end = max(bill.end or line.end, line.end)
    if mapped.category == IGNORED:
        bill.ignored += line.amount
        return
    item = bill.items.setdefault((mapped.category, mapped.item), BilledItem())
    item.amount += line.amount
    item.lines += 1
    if line.charge != USAGE:  # what is not used up has no quantity that we count
        return
    if mapped.kind and line.quantity is not None:
        item.quantities[mapped.kind] = item.quantities.get(mapped.kind, ZERO) + (
            line.quantity * mapped.units)
    else:
        item.uncounted += abs(line.amount)


def _convert(bill: Bill, path: str, currency: str, usd: Decimal | None) -> None:
    """Put all amounts into USD."""
    if not currency or currency == USD:
        rate = Decimal(1)
    elif usd is None:
        raise BillError(f"{path}: is in {shown(currency, 20)}, and costs are tracked in USD: give "
                        f"--exchange-rate, the USD of one {shown(currency, 20)}")
    else:
        rate = usd
        bill.remarks.append(f"One {currency} is taken for {usd} USD.")
    for item in bill.items.values():
        item.amount, item.uncounted = item.amount * rate, item.uncounted * rate
    bill.ignored *= rate
    bill.charges = {charge: amount * rate for charge, amount in bill.charges.items()}


_TELLING = ("ServiceName", "Service", "Product", "SkuMeter", "ChargeDescription", "Description")


def _name(line: BillLine, columns: BillColumns, names: Counter[str]) -> None:
    """Note what an unmapped line is, in whole cents, for who writes rules."""
    name = next((cell for column in _TELLING if (place := columns.place(column)) is not None
                 and (cell := line.row[place].strip())), "a line without a name")
    names[shown(name, 60)] += int(abs(line.amount) * 100) + 1


def refuse_unmapped(bill: Bill, path: str) -> None:
    """Raise BillError where more of it is about nothing that any rule names than may be."""
    if bill.unmapped_ratio > MOST_UNMAPPED:
        raise BillError(
            f"{path}: no rule of cost.bill is for {bill.unmapped_ratio:.1%} of it, at most "
            f"{MOST_UNMAPPED:.0%} may be ({', '.join(bill.unmapped)}); add rules, or give "
            "--allow-unmapped")


