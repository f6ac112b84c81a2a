"""Sources that say the same again and again: one block a metric, made anew only where a value
has changed.

Made when a page asks for it, as there are more readings than pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from operator import add

from inferometer.catalogue import Metric
from inferometer.exposition import beginning, number
from inferometer.families import Family
from inferometer.rendered.block import Block, Ticket
from inferometer.values import Key

Series = tuple[Metric, Key]  # a metric, and its label values after those that name the source
Readings = Sequence[tuple[Key, Mapping[Series, float]]]  # each source's labels, and its values
Layout = list[tuple[Key, tuple[Series, ...]]]  # the same without the values


class Table:
    """What all sources say: a column for each metric, laid out anew only for other series."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics  # in the order of the page
        self._readings: Readings = []
        self._families: list[Family] = []
        self._layout: Layout = []
        self._columns: Mapping[Metric, Column] = {}

    def families(self, readings: Readings) -> list[Family]:
        """The families of what each source says, the same ones while that is the same."""
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
        rows: dict[Metric, list[tuple[int, Key]]] = {metric: [] for metric in self._metrics}
        places = itertools.count()
        for source, series in layout:
            for metric, labels in series:
                rows[metric].append((next(places), (*source, *labels)))
        return {metric: Column(metric, its, self._columns.get(metric))
                for metric, its in rows.items() if its}


class Column:
    """One metric's values: where they are among all, and how their lines begin.

    While the keys are those of the column before, its lines and its ticket are taken over.
    """

    def __init__(self, metric: Metric, rows: Sequence[tuple[int, Key]],
                 before: Column | None) -> None:
        self._places = [place for place, _ in rows]
        self._keys = [key for _, key in rows]
        self._values: Sequence[float] = ()
        self._beginnings: Sequence[str]
        if before is not None and before._keys == self._keys:
            self._beginnings, ticket = before._beginnings, before._block.ticket
        else:
            self._beginnings, ticket = [beginning(metric, key) for key in self._keys], Ticket()
        self._block: Block = Block({}, "", ticket)

    def block(self, values: Sequence[float]) -> Block:
        """The column's block, the one of the page before if its values are still the same."""
        own = [values[place] for place in self._places]
        if own != self._values:
            text = "\n".join(map(add, self._beginnings, map(number, own)))
            points = dict(zip(self._keys, own, strict=True))
            self._values, self._block = own, Block(points, text, self._block.ticket)
        return self._block
