"""How many requests are let in: a token bucket."""

from __future__ import annotations

import threading
import time


class RateLimit:
    """`burst` requests at once, then one each `interval` seconds; an interval of 0 is no limit."""

    def __init__(self, interval: float = 0, burst: int = 0) -> None:
        self._interval, self._burst = interval, burst
        self._tokens, self._filled = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one request; False if none is left."""
        if not self._interval:
            return True
        with self._lock:
            now = time.monotonic()
            self._tokens += (now - self._filled) / self._interval
            self._tokens, self._filled = min(self._tokens, self._burst), now
            taken = self._tokens >= 1
            self._tokens -= taken
            return taken
