"""Engines: every target's page in this scrape, told apart by `target`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.engines.target import State, Target
from inferometer.families import Family

ANSWER_SHARE = 0.9  # of the collector's time is for waiting; the rest for putting it together


class EnginesCollector:
    """Asks all targets at once and joins what they say."""

    name = "engines"
    punctual = False  # many models take long to say

    def __init__(self, targets: Callable[[], Sequence[Target]]) -> None:
        self._targets = targets

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of all targets; one that does not answer in time is down."""
        by_deadline = Deadline(deadline.left() * ANSWER_SHARE)
        asked = [(target, target.ask()) for target in self._targets()]
        return join((target.name, target.state(question, by_deadline.left()))
                    for target, question in asked)


def join(states: Iterable[tuple[str, State]]) -> list[Family]:
    """The families that targets' states make up."""
    said = {metric: Family(metric) for metric in c.ENGINE_METRICS}
    for target, state in states:
        _join(said, target, state)
    return list(said.values())


def _join(said: dict[c.Metric, Family], target: str, state: State) -> None:
    whole = (target, state.engine, state.model)
    said[c.SERVER_UP].points[whole] = 1.0 if state.up else 0.0
    if state.read_at is not None:
        said[c.SERVER_LAST_SCRAPE].points[whole] = state.read_at
    reading = state.reading
    if reading is None:
        return
    if state.version:
        said[c.SERVER_INFO].points[*whole, state.version] = 1.0
    said[c.UNKNOWN_FAMILIES].points[target, state.engine] = float(reading.unknown)
    for signal, source in reading.sources.items():
        said[c.SERVER_SIGNAL].points[*whole, signal, source] = 1.0
    for metric, points in reading.points.items():
        family = said[metric]
        for key, value in points.items():
            family.points[target, state.engine, *key] = value
