"""What counters grow by for a verdict on an answer of which the ledger has no row of its own."""

from __future__ import annotations

from bisect import bisect_left

from inferometer.catalogue import SCORE_BOUNDS
from inferometer.ledger.columns import billionths_of
from inferometer.ledger.counting import EVALUATED, PARTS, SCORE, SUM, CounterKey
from inferometer.ledger.seats import SeatTable


def growth_of(seats: SeatTable, service_name: str, model: str, evaluation: str, label: str,
              score: float | None) -> dict[CounterKey, int]:
    """By how much: for `Settler.meter` and `write_metered`.

    `label` is one of evaluations.LABELS; a score is 0 to 1, and observed only where it is.
    """
    seat = seats.shown(seats.id_of(("evaluation", "", model, "", service_name, evaluation)))
    grown = {(seat, EVALUATED, label): 1}
    if (billionths := billionths_of(score)) is not None:
        bucket = bisect_left(SCORE_BOUNDS, billionths / 1e9)
        grown |= {(seat, SCORE, PARTS[SCORE][bucket]): 1, (seat, SCORE, SUM): billionths}
    return grown
