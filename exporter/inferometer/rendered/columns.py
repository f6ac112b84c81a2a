"""A table of readings as families, for sources whose values are often the same from page to page.

A row is what one source reads, a column is a metric. A page gets one block for each column, and a
block is made again only if one of the column's values has changed. Blocks are made when a page asks
for them, as sources are read more often than pages are asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from inferometer.catalogue import Metric
from inferometer.exposition import beginning, canonical
from inferometer.families import Family, Series
from inferometer.rendered.block import Block, Ticket
from inferometer.values import Key

Readings = Sequence[tuple[Key, Mapping[Series, float]]]  # of each source: its labels, its values
Layout = list[tuple[Key, tuple[Series, ...]]]  # of each source: its labels, its series


class Table:
    """The readings of all sources. Its columns are laid out again only if the series change."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics  # in the order of the page
        self._readings: Readings = []
        self._families: list[Family] = []
        self._layout: Layout = []
        self._columns: Mapping[Metric, Column] = {}

    def families(self, readings: Readings) -> list[Family]:
        """The readings as families: the same objects as before while the readings are equal."""
        if readings != self._readings:
            self._readings, self._families = readings, self._make(readings)
        return self._families

    def _make(self, readings: Readings) -> list[Family]:
        layout = [(source, tuple(points)) for source, points in readings]
        if layout != self._layout:
            self._layout, self._columns = layout, self._lay_out(layout)
        values = [value for _, points in readings for value in points.values()]
        return [Family(metric, blocks=[column.block(values)])
                for metric, column in self._columns.items()]

    def _lay_out(self, layout: Layout) -> Mapping[Metric, Column]:
        cells: dict[Metric, list[tuple[int, Key]]] = {metric: [] for metric in self._metrics}
        positions = itertools.count()
        for source, series in layout:
            for metric, labels in series:
                cells[metric].append((next(positions), (*source, *labels)))
        return {metric: Column(metric, column, self._columns.get(metric))
                for metric, column in cells.items() if column}


class Column:
    """One metric: the positions of its values among all values, and how its lines begin.

    A column with the same keys as the one before takes over its lines and its ticket. Lines are
    written again where the value is another: on a page of measurements that is less than half.
    """

    def __init__(self, metric: Metric, cells: Sequence[tuple[int, Key]],
                 before: Column | None) -> None:
        self._positions = [position for position, _ in cells]
        self._keys = [key for _, key in cells]
        self._values: Sequence[float | None] = [None] * len(cells)
        self._lines = [""] * len(cells)
        self._beginnings: Sequence[str]
        if before is not None and before._keys == self._keys:
            self._beginnings, ticket = before._beginnings, before._block.ticket
        else:
            self._beginnings, ticket = [beginning(metric, key) for key in self._keys], Ticket()
        self._block: Block = Block({}, "", ticket)

    def block(self, values: Sequence[float]) -> Block:
        """The column's block, given all values: the one before if its own are still the same."""
        own = [values[position] for position in self._positions]
        if own != self._values:
            lines, beginnings = self._lines, self._beginnings
            for place, (value, before) in enumerate(zip(own, self._values, strict=True)):
                if value != before:
                    lines[place] = beginnings[place] + canonical(value)
            text = "\n".join(lines)
            self._values, self._block = own, Block(_ColumnPoints(self._keys, own), text,
                                                   self._block.ticket)
        return self._block


class _ColumnPoints(Mapping[Key, float]):
    """A column's values by their keys. Few pages are looked into: only then a dict is made."""

    def __init__(self, keys: Sequence[Key], values: Sequence[float]) -> None:
        self._keys, self._values = keys, values

    @cached_property
    def _dict(self) -> Mapping[Key, float]:
        return dict(zip(self._keys, self._values, strict=True))

    def __getitem__(self, key: Key) -> float:
        return self._dict[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._keys)


def lasting(metric: Metric, points: Mapping[Key, float]) -> Family:
    """A family that is shown again and again as it is, written once."""
    if not points:  # a block has a line at least
        return Family(metric)
    column = Column(metric, [*enumerate(points)], None)
    return Family(metric, blocks=[column.block([*points.values()])])
