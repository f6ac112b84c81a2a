"""What tables are made of: how a signal is read off a page.

A source is bound once to each shape of page: where its series stand, and what their labels say,
stays the same until the shape changes. What is left for every page is to pick numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter, le
from typing import TypeVar

from inferometer.catalogue import Metric
from inferometer.counters import Sums, Wholes
from inferometer.engines.view import Labels, Place, View
from inferometer.values import Histogram, Value

MOST = 2.0**53  # a larger number cannot even count by one: it is none
K = TypeVar("K")
Values = Sequence[float]  # of a page, in the order of its shape
Child = tuple[str, ...]  # a series' labels, but for those that tell mere copies apart
Pick = Callable[[Values], float]
Numbers = Callable[[Values], dict[Place, dict[Child, float]]]


class Kept:
    """What counters that are added up need to know of earlier pages."""

    def __init__(self) -> None:
        self.turn = 0.0  # pages come one after the other, whatever the wall clock does
        self._sums: Sums[tuple[Metric, Place]] = Sums(1000)
        self._wholes: Wholes[tuple[Metric, Place]] = Wholes(1000)

    def whole(self, metric: Metric, place: Place, children: Mapping[Child, Value]) -> Value:
        """The counter that all these children are."""
        return self._wholes.of((metric, place), children, self.turn)

    def sum(self, metric: Metric, place: Place, source: Child, value: Value) -> Value:
        """The counter after what one of its sources grew."""
        return self._sums.add((metric, place), source, value, self.turn)


Read = Callable[[Values, Kept], Mapping[Place, Value]]


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

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read the metric's values by place off pages of this shape."""
        if metric.kind == "gauge":
            gauge = self.gauge(view)
            return lambda values, _: gauge(values)
        children: Callable[[Values], Mapping[Place, Mapping[Child, Value]]] = (
            self._histograms(view) if metric.kind == "histogram" else self.numbers(view))
        return lambda values, kept: {place: kept.whole(metric, place, here)
                                     for place, here in children(values).items()}

    def gauge(self, view: View) -> Callable[[Values], dict[Place, float]]:
        """Numbers by place, combined; those that make no sense are left out."""
        numbers = self.numbers(view, "gauge")
        return lambda values: {place: number for place, children in numbers(values).items()
                               if 0 <= (number := self.combine([*children.values()])) <= self.most}

    def numbers(self, view: View, kind: str = "counter") -> Numbers:
        """Numbers by place and by what else tells samples apart."""
        return self._picking(view, kind, view.place)

    def by_label(self, view: View, label: str
                 ) -> Callable[[Values], dict[tuple[Place, str], dict[Child, float]]]:
        """Counters by place, by the value of a label, and by what else tells them apart."""
        return self._picking(view, "counter",
                             lambda labels: (view.place(labels), labels.get(label, "")))

    def _picking(self, view: View, kind: str, key: Callable[[Labels], K]
                 ) -> Callable[[Values], dict[K, dict[Child, float]]]:
        copies: dict[tuple[K, Child], list[Pick]] = {}
        for labels, pick in self._samples(view, kind):
            copies.setdefault((key(labels), _child(view, labels)), []).append(pick)
        picks = [(*place, same[0] if len(same) == 1 else _greatest(same))
                 for place, same in copies.items()]
        least = 0.0 if kind == "counter" else -MOST

        def read(values: Values) -> dict[K, dict[Child, float]]:
            found: dict[K, dict[Child, float]] = {}
            for place, child, pick in picks:
                value = pick(values)
                if least <= value <= MOST:
                    found.setdefault(place, {})[child] = value * self.scale
            return found

        return read

    def _samples(self, view: View, kind: str) -> Iterator[tuple[Labels, Pick]]:
        kinds = ("histogram", "summary") if self.part else (kind,)
        family = view.family(self.name, *kinds)
        for sample in family.samples if family else ():
            if sample.suffix != self.part or not self._wanted(sample.labels):
                continue
            if not self.label:
                yield sample.labels, itemgetter(sample.index)
            elif (number := _number(sample.labels.get(self.label))) is not None:
                yield sample.labels, _constant(number)

    def _wanted(self, labels: Labels) -> bool:
        return all(labels.get(name, "") in values for name, values in (self.where or {}).items())

    def _histograms(self, view: View) -> Callable[[Values], dict[Place, dict[Child, Histogram]]]:
        family = view.family(self.name, "histogram")
        parts: dict[tuple[Place, Child], list[_Part]] = {}
        for sample in family.samples if family and family.kind == "histogram" else ():
            if self._wanted(sample.labels):
                key = (view.place(sample.labels), _child(view, sample.labels))
                bound = _number(sample.labels.get("le"))
                parts.setdefault(key, []).append(
                    (sample.suffix, bound if bound is None else bound * self.scale, sample.index))
        picks = [(*key, _Buckets(samples, self.scale)) for key, samples in parts.items()]

        def read(values: Values) -> dict[Place, dict[Child, Histogram]]:
            found: dict[Place, dict[Child, Histogram]] = {}
            for place, child, buckets in picks:
                histogram = buckets.read(values)
                if histogram is not None:
                    found.setdefault(place, {})[child] = histogram
            return found

        return read


@dataclass(frozen=True)
class Total:
    """A counter or gauge that is the sum of others, all of which the page must hold."""

    terms: tuple[Series, ...]
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families added."""
        return tuple(term.name for term in self.terms)

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read the sums; a counter is kept by adding the growth of each term."""
        if metric.kind == "gauge":
            gauges = [term.gauge(view) for term in self.terms]
            return lambda values, _: _joined([gauge(values) for gauge in gauges], sum)
        terms = [(term.name, term.numbers(view)) for term in self.terms]

        def read(values: Values, kept: Kept) -> dict[Place, Value]:
            found = [(name, numbers(values)) for name, numbers in terms]
            places = _shared([here for _, here in found])
            sums: dict[Place, Value] = {}
            for name, here in found:
                for place in places:
                    for child, number in here[place].items():
                        sums[place] = kept.sum(metric, place, (name, *child), number)
            return sums

        return read


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

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read the difference of gauges, where both are there; never below 0."""
        whole, part = self.whole.gauge(view), self.part.gauge(view)
        return lambda values, _: _joined([whole(values), part(values)],
                                         lambda pair: max(0.0, pair[0] - pair[1]))


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

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read the quotient, where both are there and make a share."""
        part, whole = self.part.gauge(view), self.whole.gauge(view)

        def read(values: Values, _: Kept) -> dict[Place, Value]:
            parts, wholes = part(values), whole(values)
            return {place: parts[place] / wholes[place] for place in _shared([parts, wholes])
                    if wholes[place] > 0 and 0 <= parts[place] <= wholes[place]}

        return read


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

    def bind(self, view: View, metric: Metric) -> Read:
        """How to read the product, where both are there."""
        one, other = self.one.gauge(view), self.other.gauge(view)
        return lambda values, _: _joined([one(values), other(values)], math.prod)


_Part = tuple[str, float | None, int]  # suffix, bound, index of one line of a histogram


class _Buckets:
    """One histogram child: the lines it is made of, and how to read them at once.

    Lines in order, and values as they should be, are the rule; whatever else a page may hold is
    read line by line.
    """

    def __init__(self, parts: list[_Part], scale: float) -> None:
        self._parts = parts
        self._scale = scale
        buckets = sorted((bound, index) for suffix, bound, index in parts
                         if suffix == "_bucket" and bound is not None and bound > -math.inf)
        sums = [index for suffix, _, index in parts if suffix == "_sum"]
        bounds = [bound for bound, _ in buckets]
        self._bounds = tuple(bounds[:-1])
        self._counts: Callable[[Values], tuple[float, ...]] | None = None
        if (len(bounds) > 1 and bounds[-1] == math.inf and len(set(bounds)) == len(bounds)
                and len(sums) == 1):
            self._counts, self._sum = itemgetter(*(index for _, index in buckets)), sums[0]

    def read(self, values: Values) -> Histogram | None:
        """The child in our unit, None if it has neither a count nor an infinite bucket."""
        if self._counts is not None:
            counts, total = self._counts(values), values[self._sum]
            rising = all(map(le, counts, counts[1:])) and counts[0] >= 0 and counts[-1] <= MOST
            if rising and abs(total) <= MOST:
                return Histogram(self._bounds, counts, total * self._scale)
        return self._read_each(values)

    def _read_each(self, values: Values) -> Histogram | None:
        buckets: dict[float, float] = {}
        count: float | None = None
        total: float | None = None
        for suffix, bound, index in self._parts:  # copies of one child: the greatest
            value = values[index]
            if not abs(value) <= MOST or (value < 0 and suffix != "_sum"):
                continue
            if suffix == "_bucket" and bound is not None and not math.isnan(bound):
                buckets[bound] = max(value, buckets.get(bound, 0.0))
            elif suffix == "_count":
                count = max(value, count or 0.0)
            elif suffix == "_sum":
                total = max(value, total if total is not None else -math.inf)
        last = buckets.pop(math.inf, count)
        if last is None:
            return None
        bounds = sorted(bound for bound in buckets if math.isfinite(bound))
        counts: list[float] = []
        for bound in bounds:  # a page written while it is read may dip by one
            counts.append(min(last, max(buckets[bound], counts[-1] if counts else 0.0)))
        return Histogram(tuple(bounds), (*counts, last),
                         None if total is None else total * self._scale)


def _joined(read: list[dict[Place, float]], together: Callable[[list[float]], float]
            ) -> dict[Place, float]:
    """Numbers put together where all are there."""
    return {place: together([here[place] for here in read]) for place in _shared(read)}


def _shared(read: Sequence[Mapping[Place, object]]) -> list[Place]:
    """The places that all of them have, in their order on the page."""
    return [place for place in read[0] if all(place in here for here in read)]


def _child(view: View, labels: Labels) -> Child:
    return tuple(f"{name}={value}" for name, value in labels.items()
                 if name != "le" and name not in view.engine.copies)


def _greatest(picks: list[Pick]) -> Pick:
    """Of several that say the same the greatest that is a number at all."""
    return lambda values: max((value for pick in picks
                               if math.isfinite(value := pick(values))), default=math.nan)


def _constant(number: float) -> Pick:
    return lambda _: number


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
