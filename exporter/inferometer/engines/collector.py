"""Engines: every target's page in this scrape, by the label `target`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.engines.target import State, Target
from inferometer.exposition import beginning, number
from inferometer.families import Family
from inferometer.rendered.block import Block, Ticket
from inferometer.values import Key

ANSWER_SHARE = 0.9  # of the collector's time is for waiting; the rest for putting it together


class EnginesCollector:
    """Asks all targets at once and joins their families."""

    name = "engines"
    punctual = False  # many models take long to put together

    def __init__(self, targets: Callable[[], Sequence[Target]]) -> None:
        self._targets = targets

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The families of all targets; one that does not answer in time is down."""
        by_deadline = Deadline(deadline.left() * ANSWER_SHARE)
        asked = [(target, target.ask()) for target in self._targets()]
        return join((target.name, target.state(pending, by_deadline.left()))
                    for target, pending in asked)


def join(states: Iterable[tuple[str, State]]) -> list[Family]:
    """The families of all targets, from the name and the state of each."""
    families = _ByMetric()
    for target, state in states:
        _join(families, target, state)
    return [families[metric] for metric in c.ENGINE_METRICS if metric in families]


@lru_cache(maxsize=4 * c.TARGETS)
def _signals(server: Key, sources: tuple[tuple[str, str], ...]) -> Block:
    """Where each signal comes from, which seldom changes."""
    points = {(*server, *of_signal): 1.0 for of_signal in sources}
    text = "\n".join([beginning(c.SERVER_SIGNAL, key) + number(1.0) for key in points])
    return Block(points, text, Ticket())


class _ByMetric(dict[c.Metric, Family]):
    """Families by metric, those that have anything."""

    def __missing__(self, metric: c.Metric) -> Family:
        family = self[metric] = Family(metric)
        return family


def _join(families: _ByMetric, target: str, state: State) -> None:
    server = (target, state.engine, state.model)
    families[c.SERVER_UP].points[server] = 1.0 if state.up else 0.0
    if state.read_at is not None:
        families[c.SERVER_LAST_SCRAPE].points[server] = state.read_at
    reading = state.reading
    if reading is None:
        return
    if state.version:
        families[c.SERVER_INFO].points[*server, state.version] = 1.0
    families[c.UNKNOWN_FAMILIES].points[target, state.engine] = float(reading.unknown)
    families[c.SERVER_SIGNAL].blocks.append(_signals(server, tuple(reading.sources.items())))
    of_target = server[:2]
    for metric, points in reading.points.items():
        families[metric].points.update({of_target + key: points[key] for key in points})
