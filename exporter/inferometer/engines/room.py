"""The memory that all pages of the process share, and the turns that large ones take."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from weakref import WeakSet

LIMIT_BYTES = 256 * 2**20  # of the container, as the chart sets it
PAGES_BYTES = 7 * LIMIT_BYTES // 16  # of these that pages may hold, as they are estimated
FEW = 8  # shares of which each has an equal part of half of it for itself; of more it is less
LEAST_BYTES = 2**21  # but no less than this: twice what a page of vLLM's takes
AT_ONCE = 2  # small pages that are read anew at a time


class Share:
    """What one reader of pages holds, in bytes; given back when it is forgotten."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def resize(self, size: int) -> bool:
        """Hold so many bytes in all; False, and nothing changes, where there is no room for more.

        Less is always granted.
        """
        return self._room.resize(self, size)


class Room:
    """So many bytes, shared by all: half of them equally, half to whoever comes first.

    So a page that needs much takes nothing from those that need little.
    """

    def __init__(self, size: int = PAGES_BYTES) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._shares: WeakSet[Share] = WeakSet()
        self._large = threading.Lock()
        self._small = threading.BoundedSemaphore(AT_ONCE)

    def share(self) -> Share:
        """A new one, that holds nothing."""
        share = Share(self)
        with self._lock:
            self._shares.add(share)
        return share

    @property
    def taken(self) -> int:
        """The bytes that all hold."""
        with self._lock:
            return sum(share.size for share in self._shares)

    def resize(self, share: Share, size: int) -> bool:
        """Let the share hold so many bytes, if there is room."""
        with self._lock:
            if size > share.size:
                own = min(max(LEAST_BYTES, self.size // 2 // max(FEW, len(self._shares))),
                          self.size // 2 // FEW)
                beyond = sum(max(0, other.size - own) for other in self._shares
                             if other is not share)
                if size > own and beyond + size - own > self.size // 2:
                    return False
            share.size = size
        return True

    def turn(self, large: bool, deadline: float = math.inf) -> contextlib.AbstractContextManager[
            None]:
        """The turn of a page to be worked on: one large page at a time, and a few small ones.

        Raises TimeoutError past the monotonic deadline.
        """
        return _turn(self._large if large else self._small, deadline)


@contextlib.contextmanager
def _turn(lock: threading.Lock | threading.Semaphore, deadline: float) -> Iterator[None]:
    left = -1.0 if deadline == math.inf else max(0.0, deadline - time.monotonic())
    if not (lock.acquire() if left < 0 else lock.acquire(timeout=left)):
        raise TimeoutError
    try:
        yield
    finally:
        lock.release()


ROOM = Room()
