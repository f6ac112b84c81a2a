"""A bill against what was tracked: a gap for each category, and what it is made of.

The gap of an item (a model, a GPU, a fixed cost) is what was billed less what was tracked. With Q'
and Q the quantities of each kind that were billed and tracked, and p our price of one:

- untracked: all of it, where nothing of the category or the item was tracked;
- usage:     the sum of (Q' - Q) p;
- missing:   of calls that were counted without usage or price, what these cost by estimate; it is
             taken out of usage, never more than that is;
- price:     what is left, which is what was billed less Q' p;
- overhead:  all of it where no quantities tell usage from price, and what is not for an item.

So the parts sum to the gap by construction: each is a decimal that is never rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fnmatch import fnmatchcase

from inferometer.catalogue import COST_CATEGORIES
from inferometer.cost.bill import EXACT, ZERO, Bill, BilledItem
from inferometer.cost.bill_rules import MONTHS, OVERHEAD, UNMAPPED
from inferometer.cost.tracked import FIXED, KindSum, Tracked, TrackedItem, fold

PARTS = ("untracked", "usage", "price", "missing", "overhead")
_FINEST = Decimal("1e-12")  # USD, to which an estimate is rounded before it is subtracted


@dataclass
class Comparison:
    """One category: what was billed and tracked in USD, and the parts of the gap."""

    category: str
    billed: Decimal = ZERO
    tracked: Decimal = ZERO
    parts: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(PARTS, ZERO))
    is_tracked: bool = False  # whether anything of it is

    @property
    def gap(self) -> Decimal:
        """Billed less tracked."""
        with localcontext(EXACT):
            return self.billed - self.tracked


@dataclass
class Reconciliation:
    """A month's, category by category."""

    bill: Bill
    tracked: Tracked
    comparisons: Sequence[Comparison]
    reasons: Sequence[str]  # why it is not complete; none: it is

    @property
    def total(self) -> Comparison:
        """All categories together."""
        total = Comparison("total", is_tracked=True)
        with localcontext(EXACT):
            for one in self.comparisons:
                total.billed += one.billed
                total.tracked += one.tracked
                for part, usd in one.parts.items():
                    total.parts[part] += usd
        return total

    @property
    def gap_ratio(self) -> Decimal | None:
        """The gap as a share of what was billed; None where nothing was, or less than that."""
        total = self.total
        return total.gap / total.billed if total.billed > 0 else None


def reconcile(bill: Bill, tracked: Tracked, reasons: Sequence[str] = ()) -> Reconciliation:
    """Compare them, and explain the difference."""
    with localcontext(EXACT):
        comparisons = [_compare(category, bill, tracked)
                       for category in (*COST_CATEGORIES, UNMAPPED)]
    return Reconciliation(
        bill, tracked, [one for one in comparisons if one.billed or one.tracked or one.is_tracked],
        reasons)


def _compare(category: str, bill: Bill, tracked: Tracked) -> Comparison:
    billed = {item: one for (name, item), one in bill.items.items() if name == category}
    ours = {item: one for (name, item), one in tracked.items.items() if name == category}
    comparison = Comparison(category, is_tracked=bool(ours))
    for theirs, own in _paired(billed, ours):
        comparison.billed += theirs.amount
        comparison.tracked += own.amount if own is not None else ZERO
        for part, usd in explain(category, theirs, own).items():
            comparison.parts[part] += usd
    return comparison


def _paired(billed: Mapping[str, BilledItem], ours: Mapping[str, TrackedItem]
            ) -> Iterable[tuple[BilledItem, TrackedItem | None]]:
    """What is to be compared with what.

    A rule may have named several models or GPUs by `*`. What a bill says of none in particular is
    held against those that it has no lines of.
    """
    left = dict(ours)
    # A bill that says more of a name has it before one that says less.
    for item in sorted(filter(None, billed), key=lambda name: ("*" in name, -len(name), name)):
        fitting = [name for name in left if fnmatchcase(_bare(name), _bare(item))]
        yield billed[item], _pooled([left.pop(name) for name in fitting]) if fitting else None
    if "" in billed:
        yield billed[""], _pooled(left.values()) if left else None
        return
    for own in left.values():
        yield BilledItem(), own


def _bare(name: str) -> str:
    return name.casefold().strip()


def _pooled(items: Iterable[TrackedItem]) -> TrackedItem:
    pool = TrackedItem()
    for item in items:
        pool.amount += item.amount
        pool.missing += item.missing
        pool.is_unpriced |= item.is_unpriced
        for kind, more in item.counted.items():
            so_far = pool.counted.setdefault(kind, KindSum())
            so_far.quantity += more.quantity
            so_far.usd = None if so_far.usd is None or more.usd is None else so_far.usd + more.usd
    return pool


def explain(category: str, theirs: BilledItem, own: TrackedItem | None) -> dict[str, Decimal]:
    """The parts of one item's gap, by the names of PARTS; in exact decimals."""
    parts = dict.fromkeys(PARTS, ZERO)
    gap = theirs.amount - (own.amount if own is not None else ZERO)
    if own is None:
        parts["untracked"] = gap
        return parts
    quantities = _quantities(category, theirs)
    if category == OVERHEAD or (theirs.lines and not quantities):
        parts["missing"] = _within(own.missing, gap)
        parts["overhead"] = gap - parts["missing"]
        return parts
    counted = fold(own.counted, quantities)
    prices, missing = _prices(own, counted)
    if not prices and own.is_unpriced:
        unpriced = _share_of_bill(theirs.amount, quantities, counted) - own.amount
        parts["missing"] = _within(unpriced, gap)
        parts["usage"] = gap - parts["missing"]
        return parts
    usage = sum(((quantities.get(kind, ZERO) - counted.get(kind, KindSum()).quantity) * price
                 for kind, price in prices.items()), ZERO).quantize(_FINEST)
    estimate = _within(own.missing, usage)
    parts["missing"] = missing + estimate
    parts["usage"] = usage - estimate
    parts["price"] = gap - parts["missing"] - parts["usage"]
    return parts


def _quantities(category: str, theirs: BilledItem) -> Mapping[str, Decimal]:
    """What was billed, where all of its usage is counted; a fixed cost is billed for a month."""
    if category in FIXED:
        return {MONTHS: Decimal(1)} if theirs.lines else {}
    return {} if theirs.uncounted else theirs.quantities


def _prices(own: TrackedItem, counted: Mapping[str, KindSum]) -> tuple[dict[str, Decimal], Decimal]:
    """Our price of each kind, and what was counted without one, at that price.

    Prices are such that what was tracked comes to its amount by them. Where no list has a price
    any more, it is the mean of all kinds.
    """
    priced = {kind: one for kind, one in counted.items() if one.usd is not None and one.quantity}
    value = sum((one.usd or ZERO for one in priced.values()), ZERO)
    quantity = sum((one.quantity for one in counted.values()), ZERO)
    if own.is_unpriced:
        prices = {kind: (one.usd or ZERO) / one.quantity for kind, one in priced.items()}
        return prices if value else {}, max(ZERO, value - own.amount).quantize(_FINEST)
    if not value or len(priced) < len(counted):
        mean = own.amount / quantity if quantity else ZERO
        return dict.fromkeys(counted, mean), ZERO
    return {kind: (one.usd or ZERO) / one.quantity * own.amount / value
            for kind, one in priced.items()}, ZERO


def _share_of_bill(billed: Decimal, quantities: Mapping[str, Decimal],
                   counted: Mapping[str, KindSum]) -> Decimal:
    """What is billed for as much as was counted without any price."""
    theirs = sum(quantities.values(), ZERO)
    ours = sum((one.quantity for one in counted.values()), ZERO)
    if theirs <= 0:
        return billed
    return (billed * min(Decimal(1), ours / theirs)).quantize(_FINEST)


def _within(estimate: Decimal, most: Decimal) -> Decimal:
    """The estimate as far as there is something to explain."""
    return min(estimate, max(ZERO, most)).quantize(_FINEST) if most > 0 else ZERO
