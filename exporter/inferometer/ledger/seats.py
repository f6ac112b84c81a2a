"""Label tuples by number: which have series of their own, and the one that stands for the rest.

A seat is given once and for good, and stored: folding decided anew after a restart would count
what is folded a second time. A tuple without one keeps its number, by which roll-ups tell it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from inferometer.catalogue import CLIENT_SEATS, EVALUATION_SEATS, OTHER, STEP_SEATS

LONGEST = 200  # characters of a value: the label guard's own limit
MOST_NUMBERS = 10_000  # tuples of one kind that have a number of their own
NUMBERS_BITS = 20  # of a number: the rest is the gateway's, where several share a database
_SEATS = {"call": CLIENT_SEATS, "evaluation": EVALUATION_SEATS}


class Labels(NamedTuple):
    """Values of the labels of one kind of thing; those it does not have are empty."""

    kind: str
    provider: str = ""
    model: str = ""
    operation: str = ""
    service_name: str = ""
    name: str = ""  # a tool's, a method's or an agent's


class SeatRow(NamedTuple):
    """A row of the table."""

    id: int
    labels: Labels
    seated: bool


class SeatTable:
    """All label tuples of a gateway. `unsaved` are those that the ledger does not have yet.

    Those of others are there only to be read. `first` is the number of the first new one.
    """

    def __init__(self, seats: Iterable[SeatRow], first: int = 1) -> None:
        self._next = first
        self.seats: dict[int, SeatRow] = {}
        self.unsaved: list[SeatRow] = []
        self._ids: dict[tuple[str, ...], int] = {}
        self._others: dict[tuple[int, str], int] = {}  # by gateway and kind
        self._numbered: dict[str, int] = {}
        self._seated: dict[str, int] = {}
        self._shown: dict[int, int] = {}
        for seat in seats:
            self._add(seat)

    def id_of(self, labels: tuple[str, str, str, str, str, str]) -> int:
        """The number of Labels, that of what is folded where there are too many."""
        number = self._ids.get(labels)
        return self._number(Labels(*labels)) if number is None else number

    def shown(self, number: int) -> int:
        """The seat whose series show what has this number: its own, or the one of the folded."""
        seat = self._shown.get(number)
        if seat is None:
            seat = self._shown[number] = self._other(
                self.seats[number].labels.kind, number >> NUMBERS_BITS)
        return seat

    def _number(self, labels: Labels) -> int:
        kind = labels.kind
        clean = Labels(*(text.encode("utf-8", "replace").decode().replace("\0", "?")
                         for text in labels))
        if clean != labels:
            return self.id_of(clean)
        if (any(len(text) > LONGEST or text == OTHER for text in labels[1:])
                or self._numbered.get(kind, 0) >= MOST_NUMBERS):
            return self._other(kind, self._next >> NUMBERS_BITS)
        most = _SEATS.get(kind, STEP_SEATS)
        return self._make(labels, self._seated.get(kind, 0) < most - 1)

    def _other(self, kind: str, gateway: int) -> int:
        if (gateway, kind) not in self._others:
            self._make(Labels(kind, OTHER, OTHER, OTHER, OTHER, OTHER), seated=True)
        return self._others[gateway, kind]

    def _make(self, labels: Labels, seated: bool) -> int:
        seat = SeatRow(self._next, labels, seated)
        self._add(seat)
        self.unsaved.append(seat)
        return seat.id

    def _add(self, seat: SeatRow) -> None:
        kind = seat.labels.kind
        self.seats[seat.id] = seat
        if seat.id >> NUMBERS_BITS == self._next >> NUMBERS_BITS:
            self._next = max(self._next, seat.id + 1)
        self._ids[seat.labels] = seat.id
        if seat.seated:
            self._shown[seat.id] = seat.id
        if seat.labels.service_name == OTHER:
            self._others[seat.id >> NUMBERS_BITS, kind] = seat.id
            return
        self._numbered[kind] = self._numbered.get(kind, 0) + 1
        self._seated[kind] = self._seated.get(kind, 0) + seat.seated


class NoSeats(SeatTable):
    """For rows that are in no figure: none has a number."""

    def __init__(self) -> None:
        super().__init__(())

    def id_of(self, labels: tuple[str, str, str, str, str, str]) -> int:
        """No seat's number."""
        return 0
