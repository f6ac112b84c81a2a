"""What forwarding says of itself in a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.sinks.outbox import Conditions, ForwardCounts, OutboxCondition
from inferometer.values import Key, Value


class ForwardCollector:
    """Each destination: what it has, what waits for it, what it refused."""

    name = "forward"
    punctual = True

    def __init__(self, counts: Callable[[], Mapping[str, ForwardCounts]],
                 conditions: Callable[[], Conditions]) -> None:
        self._counts, self._conditions = counts, conditions

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """A point a destination."""
        conditions = self._conditions()
        points: dict[c.Metric, dict[Key, Value]] = {metric: {} for metric in c.FORWARD_METRICS}
        for name, counts in self._counts().items():
            now = conditions.get(name, OutboxCondition())
            for result, count in ((c.FORWARD_DONE, counts.done),
                                  (c.FORWARD_REFUSED, counts.refused),
                                  (c.FORWARD_DROPPED, now.dropped)):
                points[c.FORWARD_BODIES][name, result] = float(count)
            for metric, value in ((c.FORWARD_FAILURES, counts.failures),
                                  (c.FORWARD_REJECTED, counts.rejected),
                                  (c.FORWARD_WAITING, now.waiting),
                                  (c.FORWARD_WAITING_BYTES, now.bytes),
                                  (c.FORWARD_ASIDE, now.refused)):
                points[metric][name,] = float(value)
            if now.oldest is not None:
                points[c.FORWARD_OLDEST][name,] = now.oldest / 1e9
        families: Sequence[Family] = [Family(metric, some) for metric, some in points.items()]
        return families
