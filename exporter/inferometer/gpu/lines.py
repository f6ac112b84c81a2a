"""GPUs on the page: what has not changed since the last page is not made again.

Made when a page asks for it, as there are more rounds than pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inferometer.catalogue import Metric
from inferometer.exposition import beginning, number
from inferometer.gpu.nvml import Place
from inferometer.samples import Block, Key, Ticket


class Line(NamedTuple):
    """A series: its key, its line up to the value, and the value."""

    key: Key
    beginning: str
    value: float


Said = Sequence[tuple[Metric, Line]]


class Lines:
    """The lines of one GPU."""

    def __init__(self, who: Key) -> None:
        self._who = who
        self._made: dict[Place, Line] = {}
        self._of: tuple[object, Said] = (None, ())  # the last time

    def of(self, points: Mapping[Place, float]) -> Said:
        """A line for each point, the same as before where the value is.

        The points are never changed once they were given here.
        """
        if self._of[0] is not points:
            self._of = points, self._update(points)
        return self._of[1]

    def _update(self, points: Mapping[Place, float]) -> Said:
        lines: list[tuple[Metric, Line]] = []
        for place, value in points.items():
            line = self._made.get(place)
            if line is None or line.value != value:
                line = self._made[place] = self._make(place, value, line)
            lines.append((place[0], line))
        return lines

    def _make(self, place: Place, value: float, before: Line | None) -> Line:
        if before is not None:
            return Line(before.key, before.beginning, value)
        metric, extra = place
        key = (*self._who, *extra)
        return Line(key, beginning(metric, key), value)


class Joint:
    """One block of the lines of all GPUs in one metric."""

    def __init__(self) -> None:
        self._lines: Sequence[Line] = ()
        self._block = Block({}, "", Ticket())

    def of(self, lines: Sequence[Line]) -> Block:
        """The lines as a block, the last one if they are the same; so is the ticket by the keys."""
        if lines != self._lines:
            same = [line.beginning for line in lines] == [line.beginning for line in self._lines]
            self._block = Block({line.key: line.value for line in lines},
                                "\n".join([line.beginning + number(line.value)
                                           for line in lines]),
                                self._block.ticket if same else Ticket())
            self._lines = lines
        return self._block
