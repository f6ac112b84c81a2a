"""What the feedback door counts of itself, and its place in a scrape. Safe to share."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family


class FeedbackTally:
    """Votes that were posted, by how they were answered; closed, so each counts from 0 on."""

    name = "feedback_door"
    punctual = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results = Counter(dict.fromkeys(c.VOTE_RESULT.values, 0))

    def note(self, result: str) -> None:
        """One was answered."""
        with self._lock:
            self._results[result] += 1

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The counter as it is now."""
        with self._lock:
            return [Family(c.FEEDBACK_REQUESTS, {
                (result,): float(count) for result, count in self._results.items()})]
