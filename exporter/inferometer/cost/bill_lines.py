"""Lines of a bill, by the columns of FOCUS 1.0 to 1.4 or by the plain names of a simple CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from inferometer.cost.bill_amounts import POINT, AmountError, amount_of, mark_of
from inferometer.cost.bill_table import BillCells, BillError, BillTable
from inferometer.outside import shown

# Columns by what they are: those of FOCUS first, then what simple files call them.
_NAMES: Mapping[str, Sequence[str]] = {
    "amount": ("amount", "cost", "total", "usd", "price", "charge"),
    "currency": ("billingcurrency", "currency"),
    "month": ("billingperiodstart",),
    "begin": ("chargeperiodstart", "date", "day", "start", "from"),
    "end": ("chargeperiodend", "end", "to"),
    "charge": ("chargecategory",),
    "consumed": ("consumedquantity", "quantity", "usage"),
    "priced": ("pricingquantity",),
    "category": ("category",),
}
BASES = {"billed": "billedcost", "effective": "effectivecost"}  # what of a FOCUS bill is compared
# Names that a rule may use, and those that another version of FOCUS has in their place.
_OTHER_NAMES = {"providername": "serviceprovidername", "serviceprovidername": "providername",
                "publishername": "serviceprovidername", "invoiceissuer": "invoiceissuername"}
TAX, USAGE = "Tax", "Usage"
# What a cell says in lines that add up others, as simple files have them.
_TOTALS = frozenset(("total", "totals", "subtotal", "sub total", "grand total", "sum",
                     "invoice total", "total:", "grand total:"))


class BillLine(NamedTuple):
    """One line of the month."""

    number: int  # in the file
    amount: Decimal  # in the bill's currency
    charge: str  # FOCUS' ChargeCategory; a simple file's lines are usage
    quantity: Decimal | None
    begin: date | None  # the days it is of; `end` is the first after them
    end: date | None
    category: str  # that the file itself names
    row: BillCells


class BillColumns:
    """Where a bill has what."""

    def __init__(self, table: BillTable, header: BillCells, basis: str) -> None:
        names = [name.strip().casefold().replace(" ", "").replace("_", "") for name in header]
        self._places = {name: place for place, name in reversed([*enumerate(names)])}
        self.is_focus = BASES["billed"] in self._places
        if basis != "billed" and BASES[basis] not in self._places:
            raise BillError(f"{table.path}: has no column EffectiveCost, which --basis effective "
                            "asks for")
        amount = self._places.get(BASES[basis], self._first("amount"))
        if amount is None:
            raise BillError(f"{table.path}: has no column of amounts: neither BilledCost, as a "
                            "bill in FOCUS, nor amount, cost or total, as a simple file")
        self.amount = amount
        (self.currency, self.month, self.begin, self.end, self.charge, self.consumed, self.priced,
         self.category) = (self._first(name) for name in (
             "currency", "month", "begin", "end", "charge", "consumed", "priced", "category"))

    def place(self, name: str) -> int | None:
        """The column of a name as a rule has it, whichever version of FOCUS the bill is of."""
        bare = name.casefold().replace(" ", "").replace("_", "")
        return self._places.get(bare, self._places.get(_OTHER_NAMES.get(bare, "")))

    @property
    def amounts(self) -> Sequence[int]:
        """All columns of numbers."""
        return [place for place in (self.amount, self.consumed, self.priced) if place is not None]

    def _first(self, use: str) -> int | None:
        return next((self._places[name] for name in _NAMES[use] if name in self._places), None)


class MonthLines:
    """The lines of a bill that are of one month, and what was seen of the others."""

    def __init__(self, table: BillTable, month: date, basis: str = "billed",
                 mark: str | None = None) -> None:
        self._table, self._month, self._basis, self._mark = table, month, basis, mark
        self.columns: BillColumns
        self.currency = ""
        self.others = 0  # lines of other months
        self.totals = 0  # lines that add up others
        self.lines = 0

    def read(self) -> Iterator[BillLine]:
        """Line by line. Raises BillError."""
        with self._table.read() as (header, rows):
            columns = self.columns = BillColumns(self._table, header, self._basis)
            mark = self._mark or self._decimal_mark(columns)
            width = len(header)
            for number, row in rows:
                if any(row[width:]):
                    raise BillError(f"{self._table.path}:{number}: has {len(row)} cells, and the "
                                    f"header has {width}")
                if len(row) < width:
                    row = [*row, *[""] * (width - len(row))]
                if not columns.is_focus and any(cell.strip().casefold() in _TOTALS
                                                for cell in row):
                    self.totals += 1
                    continue
                line = self._line(number, row, columns, mark)
                if line is not None:
                    self.lines += 1
                    yield line

    def _line(self, number: int, row: BillCells, columns: BillColumns, mark: str
              ) -> BillLine | None:
        cell = row[columns.amount].strip()
        begin = self._day(number, row, columns.begin)
        period = self._day(number, row, columns.month) or begin
        if not cell and period is None and columns.begin is not None:
            return None  # a note below the lines
        if period is not None and (period.year, period.month) != (
                self._month.year, self._month.month):
            self.others += 1
            return None
        self._check_currency(number, row, columns)
        consumed = self._amount(number, row, columns.consumed, mark)
        return BillLine(
            number, self._amount(number, row, columns.amount, mark) or Decimal(0),
            _cell(row, columns.charge) or USAGE,
            consumed if consumed is not None else self._amount(number, row, columns.priced, mark),
            begin, _last(begin, self._day(number, row, columns.end)),
            _cell(row, columns.category).casefold(), row)

    def _amount(self, number: int, row: BillCells, place: int | None, mark: str) -> Decimal | None:
        if place is None or not row[place].strip():
            return None
        try:
            return amount_of(row[place], mark)
        except AmountError as error:
            raise BillError(f"{self._table.path}:{number}: {shown(str(error))}") from error

    def _day(self, number: int, row: BillCells, place: int | None) -> date | None:
        text = _cell(row, place)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
        except ValueError:
            raise BillError(f"{self._table.path}:{number}: {shown(text, 80)!r} is no day or time "
                            "as in 2026-11-30 or 2026-11-30T00:00:00Z") from None
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()

    def _check_currency(self, number: int, row: BillCells, columns: BillColumns) -> None:
        currency = _cell(row, columns.currency).upper()
        if currency and self.currency and currency != self.currency:
            raise BillError(f"{self._table.path}:{number}: is in {shown(currency, 20)}, and lines "
                            f"before in {shown(self.currency, 20)}: a bill is compared in one "
                            "currency; split it")
        self.currency = currency or self.currency

    def _decimal_mark(self, columns: BillColumns) -> str:
        """FOCUS has points. Of other files all amounts are asked, in a reading of its own.

        So is one in FOCUS that a spreadsheet has written anew, with semicolons.
        """
        if columns.is_focus and self._table.delimiter != ";":
            return POINT
        try:
            with self._table.read() as (_, rows):
                mark = mark_of(row[place] for _, row in rows for place in columns.amounts
                               if place < len(row))
        except AmountError as error:
            raise BillError(f"{self._table.path}: {error}") from error
        if mark is None:
            raise BillError(f"{self._table.path}: has amounts as 1,234 that may be thousands or "
                            "thousandths; --decimal-mark says which sign is before decimals")
        return mark


def _cell(row: BillCells, place: int | None) -> str:
    return "" if place is None else row[place].strip()


def _last(begin: date | None, end: date | None) -> date | None:
    """The first day after a line's; one without an end is of one day."""
    return end if end is not None or begin is None else begin + timedelta(days=1)
