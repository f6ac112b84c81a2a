"""Lanes: what may take long waits its turn, so that a thread is always left for the rest."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_WAITING = 64


@dataclass(frozen=True)
class _Place:
    """Where in a queue somebody is: by these, the smallest goes first."""

    number: int  # in the order of arrival, or against it
    together: Hashable
    peer: Hashable
    rank: int


class Lane(Generic[T]):
    """Requests that may take long: `most` of them at once, up to `waiting` others in turn.

    Who has the least rank goes first, then whose address has the fewest waiting, then who came
    first, or last where the `newest_first`: who has waited for long is gone by then. Where one
    more waits than may, the last of this order is the surplus.
    """

    def __init__(self, most: int, waiting: int = MOST_WAITING, newest_first: bool = False) -> None:
        self.most = most
        self._free = most
        self._most_waiting = waiting
        self._step = -1 if newest_first else 1
        self._number = 0
        self._waiting: dict[T, _Place] = {}  # the oldest first
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Whether there is room, which is taken then."""
        with self._lock:
            return self._enter()

    def wait(self, guest: T, together: Hashable = None, peer: Hashable = None,
             rank: int = 0) -> bool:
        """Wait for a turn; True if there is room by now, which is taken then.

        Guests that wait for the same, `together`, have their turn together. `peer` is where the
        guest comes from.
        """
        with self._lock:
            if self._enter():
                return True
            self._number += self._step
            self._waiting[guest] = _Place(self._number, together, peer, rank)
            return False

    def surplus(self) -> T | None:
        """The guest that waits no longer as there are too many; None if there are not."""
        with self._lock:
            if len(self._waiting) <= self._most_waiting:
                return None
            last = max(self._waiting, key=self._order())
            del self._waiting[last]
            return last

    def leave(self) -> list[T]:
        """Make room; those that have it now: the next guest and all that wait together with it.

        The one that came first stands first.
        """
        with self._lock:
            if not self._waiting:
                self._free += 1
                return []
            following = min(self._waiting, key=self._order())
            together = self._waiting[following].together
            turn = [guest for guest, place in self._waiting.items()
                    if guest is following or (together is not None and place.together == together)]
            for guest in turn:
                del self._waiting[guest]
            return turn

    def drop(self, guest: T) -> bool:
        """Whether the guest waited; it does so no longer."""
        with self._lock:
            return self._waiting.pop(guest, None) is not None

    def _enter(self) -> bool:
        if not self._free:
            return False
        self._free -= 1
        return True

    def _order(self) -> Callable[[T], tuple[int, int, int]]:
        crowd = Counter(place.peer for place in self._waiting.values())

        def order(guest: T) -> tuple[int, int, int]:
            place = self._waiting[guest]
            return place.rank, crowd[place.peer], place.number

        return order
