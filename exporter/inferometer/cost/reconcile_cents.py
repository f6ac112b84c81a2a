"""Exact amounts in whole cents, so that every row and every column of a table adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from typing import NamedTuple

from inferometer.cost.bill import EXACT, ZERO
from inferometer.cost.reconcile import PARTS, Comparison, Reconciliation

CENT = Decimal("0.01")


class CentRow(NamedTuple):
    """A category, or all of them, in cents."""

    category: str
    billed: int
    tracked: int
    parts: Mapping[str, int]
    is_tracked: bool = True

    @property
    def gap(self) -> int:
        """Billed less tracked, which is the sum of the parts."""
        return self.billed - self.tracked


def in_cents(reconciliation: Reconciliation) -> tuple[Sequence[CentRow], CentRow]:
    """The rows of categories, and their sum."""
    rows, total = reconciliation.comparisons, reconciliation.total
    with localcontext(EXACT):
        billed = apportion([row.billed for row in rows], cents(total.billed))
        tracked = apportion([row.tracked for row in rows], cents(total.tracked))
        shown = [_row(row, *sides) for row, *sides in zip(rows, billed, tracked, strict=True)]
    return shown, CentRow(
        total.category, sum(billed), sum(tracked),
        {part: sum(row.parts[part] for row in shown) for part in PARTS})


def _row(comparison: Comparison, billed: int, tracked: int) -> CentRow:
    parts = apportion([comparison.parts[part] for part in PARTS], billed - tracked)
    return CentRow(comparison.category, billed, tracked, dict(zip(PARTS, parts, strict=True)),
                   comparison.is_tracked)


def cents(usd: Decimal) -> int:
    """To the nearest, halves to the even one."""
    return int((usd / CENT).to_integral_value(ROUND_HALF_EVEN))


def apportion(amounts: Sequence[Decimal], total: int) -> list[int]:
    """Amounts of USD as cents that add up to the total, each as near as that allows.

    What rounding down leaves goes to those of the largest remainders, and never to an amount of 0.
    """
    exact = [amount / CENT for amount in amounts]
    floors = [int(amount.to_integral_value(ROUND_FLOOR)) for amount in exact]
    left = total - sum(floors)
    order = sorted(range(len(exact)), key=lambda place: (
        exact[place] == ZERO, floors[place] - exact[place], place))
    for turn in range(abs(left)):
        floors[order[turn % len(order)] if left > 0 else order[-1 - turn % len(order)]] += (
            1 if left > 0 else -1)
    return floors
