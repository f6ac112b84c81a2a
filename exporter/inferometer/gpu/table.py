"""GPUs on the page: one block a metric, made anew only where a value has changed.

Made when a page asks for it, as there are more rounds than pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from operator import add

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.exposition import beginning, number
from inferometer.gpu.nvml import Place
from inferometer.samples import Block, Family, Key, Ticket

Said = Sequence[tuple[Key, Mapping[Place, float]]]  # each GPU's index and UUID, and its points
Shape = list[tuple[Key, tuple[Place, ...]]]  # the same without the values


class Table:
    """What all GPUs say: a column for each metric, laid out anew only for another shape."""

    def __init__(self) -> None:
        self._said: Said = []
        self._families: list[Family] = []
        self._shape: Shape = []
        self._columns: Mapping[Metric, Column] = {}

    def families(self, said: Said) -> list[Family]:
        """The families of what each GPU says, the same ones while that is the same."""
        if said != self._said:
            self._said, self._families = said, self._make(said)
        return self._families

    def _make(self, said: Said) -> list[Family]:
        shape = [(who, tuple(points)) for who, points in said]
        if shape != self._shape:
            self._shape, self._columns = shape, self._lay_out(shape)
        values = [value for _, points in said for value in points.values()]
        return [Family(metric, blocks=[column.block(values)])
                for metric, column in self._columns.items()]

    def _lay_out(self, shape: Shape) -> Mapping[Metric, Column]:
        rows: dict[Metric, list[tuple[int, Key]]] = {metric: [] for metric in c.GPU_METRICS}
        at = itertools.count()
        for who, places in shape:
            for metric, extra in places:
                rows[metric].append((next(at), (*who, *extra)))
        return {metric: Column(metric, its, self._columns.get(metric))
                for metric, its in rows.items() if its}


class Column:
    """One metric's values: where they are among all, and how their lines begin.

    While the keys are those of the column before, its lines and its ticket are taken over.
    """

    def __init__(self, metric: Metric, rows: Sequence[tuple[int, Key]],
                 before: Column | None) -> None:
        self._at = [at for at, _ in rows]
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
        own = [values[at] for at in self._at]
        if own != self._values:
            text = "\n".join(map(add, self._beginnings, map(number, own)))
            points = dict(zip(self._keys, own, strict=True))
            self._values, self._block = own, Block(points, text, self._block.ticket)
        return self._block
