"""What tables are made of: how a signal is read off a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from inferometer.catalogue import Metric
from inferometer.engines.view import Labels, Place, View
from inferometer.samples import Histogram, Value

Child = tuple[str, ...]  # a series' labels, but for those that tell mere copies apart

@dataclass(frozen=True)
class Series:
    """The family of this name: those of its samples whose labels are as `where` says, combined.

    `part` is `_sum` or `_count` of a histogram taken as a counter; `label` reads the number from
    a label instead of from the value; `scale` brings the page's unit to the metric's.
    """

    name: str
    where: Mapping[str, tuple[str, ...]] | None = None
    part: str = ""
    label: str = ""
    combine: Callable[[list[float]], float] = sum
    most: float = math.inf
    scale: float = 1.0
    derived: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its one family."""
        return (self.name,)

    def read(self, view: View, metric: Metric) -> dict[Place, Value]:
        """Value by place."""
        if metric.kind == "histogram":
            return {place: reduce(Histogram.plus, children.values())
                    for place, children in self.histograms(view).items()}
        return {place: number for place, number in self.numbers(view, metric.kind).items()
                if 0 <= number <= self.most}

    def numbers(self, view: View, kind: str) -> dict[Place, float]:
        """The numbers by place, whatever metric they are for."""
        return {place: self.combine(list(numbers.values()))
                for place, numbers in self.children(view, kind).items()}

    def children(self, view: View, kind: str) -> dict[Place, dict[Child, float]]:
        """Numbers by place and by what else tells samples apart; the greatest of mere copies."""
        children: dict[Place, dict[Child, float]] = {}
        for labels, value in self._samples(view, kind):
            here, child = children.setdefault(view.place(labels), {}), self._child(view, labels)
            here[child] = max(value, here.get(child, -math.inf))
        return children

    def by_label(self, view: View, label: str) -> dict[tuple[Place, str], dict[Child, float]]:
        """Counters by place, by the value of a label, and by what else tells them apart."""
        children: dict[tuple[Place, str], dict[Child, float]] = {}
        for labels, value in self._samples(view, "counter"):
            here = children.setdefault((view.place(labels), labels.get(label, "")), {})
            here[self._child(view, labels)] = value
        return children

    @staticmethod
    def _child(view: View, labels: Labels) -> Child:
        return tuple(f"{name}={value}" for name, value in labels.items()
                     if name != "le" and name not in view.engine.copies)

    def _samples(self, view: View, kind: str) -> Iterator[tuple[Labels, float]]:
        kinds = ("histogram", "summary") if self.part else (kind,)
        family = view.family(self.name, *kinds)
        for sample in family.samples if family else ():
            if sample.suffix != self.part or not self._wanted(sample.labels):
                continue
            value = _number(sample.labels.get(self.label)) if self.label else sample.value
            if value is None or not math.isfinite(value):
                continue
            if value >= 0 or kind != "counter":
                yield sample.labels, value * self.scale

    def _wanted(self, labels: Labels) -> bool:
        return all(labels.get(name, "") in values for name, values in (self.where or {}).items())

    def histograms(self, view: View) -> dict[Place, dict[Child, Histogram]]:
        """Histograms by place and by what else tells them apart."""
        family = view.family(self.name, "histogram")
        parts: dict[tuple[Place, Child], _Parts] = {}
        for sample in family.samples if family and family.kind == "histogram" else ():
            if self._wanted(sample.labels):
                key = (view.place(sample.labels), self._child(view, sample.labels))
                parts.setdefault(key, _Parts()).add(sample.suffix, sample.labels, sample.value)
        children: dict[Place, dict[Child, Histogram]] = {}
        for (place, child), part in parts.items():
            histogram = part.histogram(self.scale)
            if histogram is not None:
                children.setdefault(place, {})[child] = histogram
        return children


@dataclass(frozen=True)
class Total:
    """A counter or gauge that is the sum of others, all of which the page must hold."""

    terms: tuple[Series, ...]
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families added."""
        return tuple(term.name for term in self.terms)

    def read(self, view: View, metric: Metric) -> dict[Place, Value]:
        """The sums as they stand; a counter is kept by adding the growth of each term instead."""
        read = [term.read(view, metric) for term in self.terms]
        places = set(read[0]).intersection(*read[1:])
        return {place: sum(v for r in read if isinstance(v := r[place], float))
                for place in places}


@dataclass(frozen=True)
class Difference:
    """A counter or gauge that is one less another."""

    whole: Series
    part: Series
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families subtracted."""
        return self.whole.name, self.part.name

    def read(self, view: View, metric: Metric) -> dict[Place, Value]:
        """The differences of gauges, where both are there; never below 0."""
        wholes, parts = self.whole.numbers(view, "gauge"), self.part.numbers(view, "gauge")
        return {place: max(0.0, wholes[place] - parts[place])
                for place in wholes.keys() & parts.keys()}


@dataclass(frozen=True)
class Quotient:
    """A gauge that is one gauge divided by another."""

    part: Series
    whole: Series
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families divided."""
        return self.part.name, self.whole.name

    def read(self, view: View, metric: Metric) -> dict[Place, Value]:
        """The quotients, where both are there and make a share."""
        parts, wholes = self.part.numbers(view, "gauge"), self.whole.numbers(view, "gauge")
        return {place: parts[place] / wholes[place] for place in parts.keys() & wholes.keys()
                if wholes[place] > 0 and 0 <= parts[place] <= wholes[place]}


@dataclass(frozen=True)
class Product:
    """A gauge that is two numbers multiplied."""

    one: Series
    other: Series
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families multiplied."""
        return self.one.name, self.other.name

    def read(self, view: View, metric: Metric) -> dict[Place, Value]:
        """The products, where both are there."""
        one, other = self.one.numbers(view, "gauge"), self.other.numbers(view, "gauge")
        return {place: one[place] * other[place] for place in one.keys() & other.keys()}


class _Parts:
    """The samples of one histogram child as they come."""

    def __init__(self) -> None:
        self.buckets: dict[float, float] = {}
        self.count: float | None = None
        self.total: float | None = None

    def add(self, suffix: str, labels: Labels, value: float) -> None:
        if not math.isfinite(value) or (value < 0 and suffix != "_sum"):
            return
        if suffix == "_bucket":
            bound = _number(labels.get("le"))
            if bound is not None and not math.isnan(bound):  # copies of one child: the greatest
                self.buckets[bound] = max(value, self.buckets.get(bound, 0.0))
        elif suffix == "_count":
            self.count = max(value, self.count or 0.0)
        elif suffix == "_sum":
            self.total = max(value, self.total if self.total is not None else -math.inf)

    def histogram(self, scale: float) -> Histogram | None:
        """The child in our unit, None if it has neither a count nor an infinite bucket."""
        last = self.buckets.pop(math.inf, self.count)
        if last is None:
            return None
        bounds = sorted(bound for bound in self.buckets if math.isfinite(bound))
        counts: list[float] = []
        for bound in bounds:  # a page written while it is read may dip by one
            counts.append(min(last, max(self.buckets[bound], counts[-1] if counts else 0.0)))
        total = None if self.total is None else self.total * scale
        return Histogram(tuple(bound * scale for bound in bounds), (*counts, last), total)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
