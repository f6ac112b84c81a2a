"""What the intake counts of itself. Safe to share between threads."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family

_COUNTERS = (c.INTAKE_BODIES, c.INTAKE_BYTES, c.INTAKE_ENTRIES, c.INTAKE_REJECTED)


class IntakeTally:
    """Bodies, bytes, spans and what was rejected; all closed, so that each counts from 0 on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Mapping[Metric, Counter[tuple[str, ...]]] = {
            metric: Counter(dict.fromkeys(
                itertools.product(*(label.values for label in metric.labels)), 0))
            for metric in _COUNTERS}

    def body(self, signal: str, result: str) -> None:
        """One body was answered."""
        self._add(c.INTAKE_BODIES, 1, signal, result)

    def bytes(self, signal: str, count: int) -> None:
        """So many bytes came, as they were sent."""
        self._add(c.INTAKE_BYTES, count, signal)

    def entries(self, signal: str, count: int, rejected: Mapping[str, int]) -> None:
        """So many spans or records were read, and these were left out, by reason."""
        self._add(c.INTAKE_ENTRIES, count, signal)
        for reason, number in rejected.items():
            self._add(c.INTAKE_REJECTED, number, signal, reason)

    def families(self) -> list[Family]:
        """The counters as they are now."""
        with self._lock:
            return [Family(metric, dict(counts)) for metric, counts in self._counts.items()]

    def _add(self, metric: Metric, count: int, *key: str) -> None:
        with self._lock:
            self._counts[metric][key] += count
