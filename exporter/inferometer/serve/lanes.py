"""Lanes: what may take long waits its turn, so that a thread is always left for the rest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """Requests that may take long: `most` of them at once, the others in turn."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[T] = deque()
        self._lock = threading.Lock()

    def enter(self, connection: T) -> bool:
        """Whether there is room; if not, the connection is kept for later."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(connection)
            return False

    def leave(self) -> T | None:
        """Make room; the connection that has it now, if one waited."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._free += 1
            return None
