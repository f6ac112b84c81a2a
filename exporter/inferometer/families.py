"""Families: metrics with the points they have in one scrape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from inferometer.catalogue import Metric
from inferometer.rendered.block import Block
from inferometer.values import Key, Value

Series = tuple[Metric, Key]  # a metric, and its label values after those that name the source


@dataclass(slots=True)
class Family:
    """One metric with its points: those made for this page, and those kept in blocks."""

    metric: Metric
    points: dict[Key, Value] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def add(self, value: Value | None, /, **labels: str) -> None:
        """Set the point with these labels; those not named are empty, None is left out."""
        if value is None:
            return
        unknown = labels.keys() - set(self.metric.label_names)
        if unknown:
            raise KeyError(f"{self.metric.name} has no label {', '.join(sorted(unknown))}")
        self.points[tuple(labels.get(name, "") for name in self.metric.label_names)] = value

    def items(self) -> Iterator[tuple[Key, Value]]:
        """Every point with its key."""
        yield from self.points.items()
        for block in self.blocks:
            yield from block.points.items()
