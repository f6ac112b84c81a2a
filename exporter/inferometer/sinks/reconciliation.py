"""The gaps between bills and what was tracked, as families of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family

MONTHS_KEPT = c.RECONCILED_MONTHS


class ReconciledMonth(NamedTuple):
    """What came of a month's bill, in nano-USD. The parts sum to `billed` less `tracked`."""

    month: str  # 2026-11
    reconciled: int  # Unix nanoseconds
    billed: int
    tracked: int
    untracked: int
    usage: int
    price: int
    missing: int
    overhead: int


class ReconciliationCollector:
    """A point for each month whose bill was reconciled."""

    name = "reconciliation"
    punctual = True

    def __init__(self, read: Callable[[], Mapping[str, ReconciledMonth]]) -> None:
        self._read = read

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Gaps as shares of the bills, and when these were reconciled."""
        gap, moment = Family(c.RECONCILIATION_GAP), Family(c.RECONCILIATION_TIME)
        for month, one in self._read().items():
            gap.add((one.billed - one.tracked) / one.billed if one.billed > 0 else None,
                    month=month)
            moment.add(one.reconciled / 1e9, month=month)
        return [gap, moment]
