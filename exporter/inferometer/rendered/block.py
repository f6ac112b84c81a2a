"""Numbers of one source together with their lines, and whether the guard has seen their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.values import Key


class Ticket:
    """A set of keys that may have been seated by the guard, and when it was last shown there."""

    __slots__ = ("seats", "shown_at")

    def __init__(self) -> None:
        self.seats: object = None
        self.shown_at = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Numbers of one source, never changed once made, with their lines as the page has them.

    While a source's keys stay the same, so does the ticket: the guard looks at them once.
    """

    points: Mapping[Key, float]
    text: str
    ticket: Ticket
