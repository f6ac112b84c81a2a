"""The last call of each service that failed: kept in memory alone, and in no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from inferometer.ledger.counting import CountedRow
from inferometer.ledger.seats import SeatTable

FAILED = frozenset(("error", "rejected"))  # outcomes that are nobody's choice


class FailedCall(NamedTuple):
    """One that failed."""

    trace_id: str
    arrived: int  # Unix nanoseconds
    model: str
    error_type: str

    @property
    def words(self) -> str:
        """What failed and when, for people."""
        moment = datetime.fromtimestamp(self.arrived / 1e9, UTC)
        return (f"{self.error_type or 'error'}, {self.model or 'no model'}, "
                f"{moment:%Y-%m-%d %H:%M:%S} UTC")


class FailedCalls:
    """One at most for each service that is shown; a call that arrived earlier takes no place."""

    def __init__(self) -> None:
        self._kept: dict[str, FailedCall] = {}

    def add(self, trace_id: bytes, rows: Iterable[CountedRow], seats: SeatTable) -> None:
        """Take rows of a trace that are counted now."""
        for row in rows:
            if row.kind != "call" or not row.calls or row.outcome not in FAILED:
                continue
            labels = seats.seats[seats.shown(row.seat)].labels
            before = self._kept.get(labels.service_name)
            if before is None or before.arrived <= row.arrived:
                self._kept[labels.service_name] = FailedCall(
                    trace_id.hex(), row.arrived, labels.model, row.error_type)

    def by_service(self) -> Mapping[str, FailedCall]:
        """As they are now."""
        return dict(self._kept)
