"""Values together with their lines of the page, and a note that the guard has seen their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.values import Key


class Ticket:
    """Stands for a set of keys, so that the guard looks at the keys once and not on every page.

    `seats`: the guard's seats, once all the keys have one there; None before.
    `shown_at`: when they were last on a page, on the guard's clock.
    """

    __slots__ = ("seats", "shown_at")

    def __init__(self) -> None:
        self.seats: object = None
        self.shown_at = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Values of one metric and their lines on the page; never changed.

    A block with the same keys as the one before it has its ticket, too.
    """

    points: Mapping[Key, float]
    text: str
    ticket: Ticket
