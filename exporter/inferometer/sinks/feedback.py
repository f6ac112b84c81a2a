"""Votes as families of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.sinks.metrics import CounterReading
from inferometer.values import Key, Value

# How the ledger names its counters of votes, and the label tuples that they belong to.
VOTES_KIND, VOTED, UNMATCHED = "votes", "voted", "votes_unmatched"
Ratios = Mapping[tuple[str, str, str], float]  # by service, model and kind


class FeedbackCollector:
    """Votes by service and model, and what they come to in the last complete hours."""

    name = "feedback"
    punctual = True

    def __init__(self, read: Callable[[], CounterReading], ratios: Callable[[], Ratios]) -> None:
        self._read, self._ratios = read, ratios

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Each kind of vote from 0 on, of what has any."""
        reading = self._read()
        points: dict[Key, Value] = {}
        for seat, (kind, _, model, _, service, _) in reading.seats.items():
            if kind == VOTES_KIND:
                for of_kind in c.VOTE_KIND.values:
                    points[service, model, of_kind] = float(
                        reading.counters.get((seat, VOTED, of_kind), 0))
        unmatched = sum(value for (_, name, _), value in reading.counters.items()
                        if name == UNMATCHED)
        ratios: dict[Key, Value] = dict(self._ratios().items())
        return [Family(c.FEEDBACK, points), Family(c.FEEDBACK_RATIO, ratios),
                Family(c.FEEDBACK_UNMATCHED, {(): float(unmatched)})]
