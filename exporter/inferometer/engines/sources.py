"""The sources that tables are made of: how a signal is read from a page.

A source is bound once to each shape of page: the positions and labels of its series stay the same
until the shape changes. What is left for every page is to pick numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeVar

from inferometer.catalogue import LARGEST_COUNT, Metric
from inferometer.counters import SummedCounters, Sums
from inferometer.engines.buckets import BucketLine, Buckets, PageValues
from inferometer.engines.view import ModelRank, SampleLabels, View, shortened
from inferometer.values import Histogram, Value

K = TypeVar("K")
Child = tuple[str, ...]  # a series' labels, but for those that tell mere copies apart
Pick = Callable[[PageValues], float]
ReadNumbers = Callable[[PageValues], dict[ModelRank, dict[Child, float]]]


class Facet(NamedTuple):
    """What a source is read for: a metric, and one value of the label of its own if it has one."""

    metric: Metric
    label: str = ""


class CounterHistory:
    """What earlier pages counted, for counters that are made of several others."""

    def __init__(self) -> None:
        self.turn = 0.0  # pages come one after the other, whatever the wall clock does
        self._sums: Sums[tuple[Facet, ModelRank]] = Sums(1000)
        self._summed: SummedCounters[tuple[Facet, ModelRank]] = SummedCounters(1000)

    def begin_page(self) -> None:
        """Take the next page."""
        self.turn += 1
        self._summed.forget(self.turn)

    def sum_children(self, facet: Facet, model_rank: ModelRank,
                     children: Mapping[Child, Value]) -> Value:
        """The counter that all these children make up."""
        return self._summed.total_of((facet, model_rank), children, self.turn)

    def add_growth(self, facet: Facet, model_rank: ModelRank, source: Child,
                   value: Value) -> Value:
        """The counter after the growth of one of its sources was added."""
        return self._sums.add((facet, model_rank), source, value, self.turn)


ReadSignal = Callable[[PageValues, CounterHistory], Mapping[ModelRank, Value]]


class Source(Protocol):
    """Something that finds a signal on a page."""

    @property
    def derived(self) -> bool:
        """Whether the signal is worked out rather than printed by the engine."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The families it is made of."""
        ...

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the facet's values off pages of the view's shape; none if it is not there.

        The values are by model and rank.
        """
        ...


@dataclass(frozen=True)
class Selector:
    """The family of this name: those of its samples whose labels are as `where` says, combined.

    `part` is `_sum` or `_count` of a histogram taken as a counter; `label` reads the number from
    a label instead of from the value; `combine` returns None if the numbers say nothing; `scale`
    brings the page's unit to the metric's. `last` is a label of steps that a request takes one
    after the other: the last of them counts.
    """

    name: str
    where: Mapping[str, tuple[str, ...]] | None = None
    part: str = ""
    label: str = ""
    combine: Callable[[list[float]], float | None] = sum
    scale: float = 1.0
    last: str = ""
    derived: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its one family."""
        return (self.name,)

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the facet's values off pages of this shape."""
        if facet.metric.kind == "gauge":
            gauge = self.gauge(view)
            return lambda values, _: gauge(values)
        read: Callable[[PageValues], Mapping[ModelRank, Mapping[Child, Value]]] = (
            self._histograms(view) if facet.metric.kind == "histogram"
            else self.numbers(view, largest=facet.metric.range.most))
        return lambda values, history: {
            model_rank: history.sum_children(facet, model_rank, children)
            for model_rank, children in read(values).items()}

    def gauge(self, view: View) -> Callable[[PageValues], dict[ModelRank, float]]:
        """Combined numbers by model and rank."""
        numbers = self.numbers(view, "gauge")
        return lambda values: {
            model_rank: number for model_rank, children in numbers(values).items()
            if (number := self.combine([*children.values()])) is not None}

    def term(self, view: View) -> Callable[[PageValues], dict[ModelRank, float]]:
        """The same to reckon with: none is below 0."""
        gauge = self.gauge(view)
        return lambda values: {model_rank: number for model_rank, number in gauge(values).items()
                               if number >= 0}

    def numbers(self, view: View, kind: str = "counter",
                largest: float = LARGEST_COUNT) -> ReadNumbers:
        """Numbers by model and rank, and by what else tells samples apart."""
        return self._picking(view, kind, view.model_rank, largest)

    def by_label(self, view: View, label: str
                 ) -> Callable[[PageValues], dict[tuple[ModelRank, str], dict[Child, float]]]:
        """Counters by model and rank, by a label's value, and by what else tells them apart."""
        return self._picking(view, "counter",
                             lambda labels: (view.model_rank(labels), labels.get(label, "")))

    def _picking(self, view: View, kind: str, key: Callable[[SampleLabels], K],
                 largest: float = LARGEST_COUNT
                 ) -> Callable[[PageValues], dict[K, dict[Child, float]]]:
        copies: dict[tuple[K, Child], list[Pick]] = {}
        for labels, pick in self._samples(view, kind):
            copies.setdefault((key(labels), _child(view, labels)), []).append(pick)
        picks = [(*position, same[0] if len(same) == 1 else _greatest(same))
                 for position, same in copies.items()]
        least = 0.0 if kind == "counter" else -LARGEST_COUNT

        def read(values: PageValues) -> dict[K, dict[Child, float]]:
            numbers: dict[K, dict[Child, float]] = {}
            spoilt: list[K] = []
            for group, child, pick in picks:
                value = pick(values)
                if least <= value <= largest:
                    numbers.setdefault(group, {})[child] = value * self.scale
                else:
                    values.dropped += 1
                    spoilt.append(group)
            if kind == "gauge":  # of a counter the others still count
                for group in spoilt:
                    numbers.pop(group, None)
            return numbers

        return read

    def _samples(self, view: View, kind: str) -> Iterator[tuple[SampleLabels, Pick]]:
        kinds = ("histogram", "summary") if self.part else (kind,)
        family = view.family(self.name, *kinds)
        samples = () if family is None else (
            family.samples if kind == "gauge" else view.counted(family))
        last = view.last_of(self.last) if self.last else ""
        for sample in samples:
            if sample.suffix != self.part or not self._selects(sample.labels):
                continue
            if self.last and sample.labels.get(self.last) != last:
                continue
            if not self.label:
                yield sample.labels, itemgetter(sample.index)
            elif (number := _number(sample.labels.get(self.label))) is not None:
                yield sample.labels, _constant(number)

    def _selects(self, labels: SampleLabels) -> bool:
        return all(labels.get(name, "") in values for name, values in (self.where or {}).items())

    def _histograms(self, view: View
                    ) -> Callable[[PageValues], dict[ModelRank, dict[Child, Histogram]]]:
        family = view.family(self.name, "histogram")
        lines: dict[tuple[ModelRank, Child], list[BucketLine]] = {}
        for sample in view.counted(family) if family and family.kind == "histogram" else ():
            if self._selects(sample.labels):
                key = (view.model_rank(sample.labels), _child(view, sample.labels))
                bound = _number(sample.labels.get("le"))
                lines.setdefault(key, []).append(
                    (sample.suffix, bound if bound is None else bound * self.scale, sample.index))
        picks = [(*key, Buckets(parts, self.scale)) for key, parts in lines.items()]

        def read(values: PageValues) -> dict[ModelRank, dict[Child, Histogram]]:
            histograms: dict[ModelRank, dict[Child, Histogram]] = {}
            for model_rank, child, buckets in picks:
                histogram = buckets.read(values)
                if histogram is not None:
                    histograms.setdefault(model_rank, {})[child] = histogram
            return histograms

        return read


@dataclass(frozen=True)
class Total:
    """A counter or gauge that is the sum of others: of `terms`, all of which the page must hold.

    The gauge has what the page holds of `more` as well.
    """

    terms: tuple[Selector, ...]
    more: tuple[Selector, ...] = ()
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families added."""
        return tuple(term.name for term in (*self.terms, *self.more))

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the sums; a counter goes on by adding the growth of each term."""
        if facet.metric.kind == "gauge":
            return self._bind_gauges(view)
        terms = [(term.name, term.numbers(view)) for term in self.terms]

        def read(values: PageValues, history: CounterHistory) -> dict[ModelRank, Value]:
            numbers = [(name, read_term(values)) for name, read_term in terms]
            shared = _shared([by_model_rank for _, by_model_rank in numbers])
            sums: dict[ModelRank, Value] = {}
            for name, by_model_rank in numbers:
                for model_rank in shared:
                    for child, number in by_model_rank[model_rank].items():
                        sums[model_rank] = history.add_growth(
                            facet, model_rank, (name, *child), number)
            return sums

        return read

    def _bind_gauges(self, view: View) -> ReadSignal:
        """The gauge, to which an optional term that is not on the page adds nothing."""
        gauges = [term.term(view) for term in self.terms]
        more = [term.term(view) for term in self.more if term.name in view.families]

        def read(values: PageValues, _: CounterHistory) -> dict[ModelRank, Value]:
            others = [gauge(values) for gauge in more]
            sums = _combined([gauge(values) for gauge in gauges], sum)
            return {model_rank: number + sum(other.get(model_rank, 0.0) for other in others)
                    for model_rank, number in sums.items()}

        return read


@dataclass(frozen=True)
class Difference:
    """A counter or gauge that is one minus another."""

    minuend: Selector
    subtrahend: Selector
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families subtracted."""
        return self.minuend.name, self.subtrahend.name

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the difference of gauges, where both are there; never below 0."""
        minuend, subtrahend = self.minuend.term(view), self.subtrahend.term(view)
        return lambda values, _: _combined([minuend(values), subtrahend(values)],
                                           lambda pair: max(0.0, pair[0] - pair[1]))


@dataclass(frozen=True)
class Quotient:
    """A gauge that is one gauge divided by another."""

    dividend: Selector
    divisor: Selector
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families divided."""
        return self.dividend.name, self.divisor.name

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the quotient, where both are there."""
        dividend, divisor = self.dividend.term(view), self.divisor.term(view)

        def read(values: PageValues, _: CounterHistory) -> dict[ModelRank, Value]:
            dividends, divisors = dividend(values), divisor(values)
            return {model_rank: dividends[model_rank] / divisors[model_rank]
                    for model_rank in _shared([dividends, divisors]) if divisors[model_rank] > 0}

        return read


@dataclass(frozen=True)
class Product:
    """A gauge that is two numbers multiplied."""

    one: Selector
    other: Selector
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The families multiplied."""
        return self.one.name, self.other.name

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the product, where both are there."""
        one, other = self.one.term(view), self.other.term(view)
        return lambda values, _: _combined([one(values), other(values)], math.prod)


def _combined(gauges: list[dict[ModelRank, float]], combine: Callable[[list[float]], float]
              ) -> dict[ModelRank, float]:
    """The numbers of all gauges, combined where all of them have one."""
    return {model_rank: combine([gauge[model_rank] for gauge in gauges])
            for model_rank in _shared(gauges)}


def _shared(gauges: Sequence[Mapping[ModelRank, object]]) -> list[ModelRank]:
    """The models and ranks that all of them have, in their order on the page."""
    return [model_rank for model_rank in gauges[0]
            if all(model_rank in gauge for gauge in gauges)]


def _child(view: View, labels: SampleLabels) -> Child:
    return tuple(shortened(f"{name}={value}") for name, value in labels.items()
                 if name != "le" and name not in view.spelling.copies)


def _greatest(picks: list[Pick]) -> Pick:
    """The greatest finite number of several series that should all be the same."""
    return lambda values: max((value for pick in picks
                               if math.isfinite(value := pick(values))), default=math.nan)


def _constant(number: float) -> Pick:
    return lambda _: number


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
