"""Which trace the last call of each bucket is in: kept in memory alone, and in no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from inferometer.ledger.counting import BOUNDS, CountedRow, buckets_of
from inferometer.values import Exemplar

_SeatHistogram = tuple[int, str]  # the number of a seat, the name of a histogram
_MILLISECOND = 10**6  # nanoseconds: finer than that Prometheus keeps no time


class Exemplars:
    """One exemplar at most for each bucket of each seat.

    A call that arrived before the one that a bucket has does not take its place, even if it is
    settled later, and of two that arrived together the slower one stays: Prometheus refuses
    exemplars of a series that are out of that order.
    """

    def __init__(self) -> None:
        self._kept: dict[_SeatHistogram, list[Exemplar | None]] = {}

    def add(self, trace_id: bytes, rows: Iterable[CountedRow], shown: Callable[[int], int]) -> None:
        """Take rows of a trace that are counted now. `shown`: as in Additions."""
        for row in rows:
            for name, bucket, took in buckets_of(row):
                place = shown(row.seat), name
                kept = self._kept.get(place)
                if kept is None:
                    kept = self._kept[place] = [None] * (len(BOUNDS[name]) + 1)
                made = Exemplar(trace_id.hex(), took / 1e9, row.arrived // _MILLISECOND / 1000)
                before = kept[bucket]
                if before is None or (before.timestamp, before.value) <= (
                        made.timestamp, made.value):
                    kept[bucket] = made

    def by_histogram(self) -> Mapping[_SeatHistogram, tuple[Exemplar | None, ...]]:
        """The exemplars of all buckets, as they are now."""
        return {place: tuple(kept) for place, kept in self._kept.items()}
