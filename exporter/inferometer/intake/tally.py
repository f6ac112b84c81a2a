"""What the intake counts of itself. Safe to share between threads."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family


class IntakeTally:
    """Bodies, bytes, spans and what was rejected; all closed, so that each counts from 0 on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies = _zeros(c.INTAKE_BODIES)
        self._bytes = _zeros(c.INTAKE_BYTES)
        self._entries = _zeros(c.INTAKE_ENTRIES)
        self._rejected = _zeros(c.INTAKE_REJECTED)

    def body(self, signal: str, result: str) -> None:
        """One body was answered."""
        with self._lock:
            self._bodies[signal, result] += 1

    def bytes(self, signal: str, count: int) -> None:
        """So many bytes came, as they were sent."""
        with self._lock:
            self._bytes[signal,] += count

    def entries(self, signal: str, count: int, rejected: Mapping[str, int]) -> None:
        """So many spans or records were read, and these were left out, by reason."""
        with self._lock:
            self._entries[signal,] += count
            for reason, number in rejected.items():
                self._rejected[signal, reason] += number

    def families(self) -> list[Family]:
        """The counters as they are now."""
        with self._lock:
            return [Family(metric, dict(counts)) for metric, counts in (
                (c.INTAKE_BODIES, self._bodies), (c.INTAKE_BYTES, self._bytes),
                (c.INTAKE_ENTRIES, self._entries), (c.INTAKE_REJECTED, self._rejected))]


def _zeros(metric: Metric) -> Counter[tuple[str, ...]]:
    return Counter(dict.fromkeys(
        itertools.product(*(label.values for label in metric.labels)), 0))
