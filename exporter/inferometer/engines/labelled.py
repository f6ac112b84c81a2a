"""Sources made of others, and those of metrics with a label of their own besides model and rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inferometer.catalogue import OTHER, POSITION
from inferometer.engines.buckets import PageValues
from inferometer.engines.page import Sample
from inferometer.engines.sources import CounterHistory, Facet, ReadSignal, Selector, Source
from inferometer.engines.view import ModelRank, SampleLabels, View
from inferometer.values import Value

MOST_LISTED = 1000  # names of one list that are read
MOST_DRAFTED = 128  # tokens of a draft that are told apart, or summed up, by their place


@dataclass(frozen=True)
class FirstOf:
    """The first of several sources that the page holds."""

    sources: tuple[Source, ...]

    @property
    def derived(self) -> bool:
        """Whether all of them are worked out."""
        return all(source.derived for source in self.sources)

    @property
    def names(self) -> tuple[str, ...]:
        """All of their families."""
        return tuple(name for source in self.sources for name in source.names)

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the first that has values."""
        bound = [source.bind(view, facet) for source in self.sources
                 if view.has_any(source.names)]
        return lambda values, history: next(
            (read for source in bound if (read := source(values, history))), {})


@dataclass(frozen=True)
class ByLabel:
    """A source for each value of the metric's own label; those that the page has are read."""

    sources: Mapping[str, Source]

    @property
    def derived(self) -> bool:
        """Whether any of them is worked out."""
        return any(source.derived for source in self.sources.values())

    @property
    def names(self) -> tuple[str, ...]:
        """All of their families."""
        return tuple(dict.fromkeys(
            name for source in self.sources.values() for name in source.names))

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the values by model, rank and the label's value."""
        bound = [(label, source.bind(view, Facet(facet.metric, label)))
                 for label, source in self.sources.items() if view.has_any(source.names)]

        def read(values: PageValues, history: CounterHistory) -> dict[ModelRank, Value]:
            return {(*model_rank, label): value for label, read_one in bound
                    for model_rank, value in read_one(values, history).items()}

        return read


def by_values(name: str, label: str, values: Mapping[str, tuple[str, ...]]) -> ByLabel:
    """A family by a label of its own: `values` are those that stand for each of ours."""
    return ByLabel({ours: Selector(name, where={label: theirs})
                    for ours, theirs in values.items()})


def by_position(name: str, label: str = "position") -> ByLabel:
    """Accepted tokens by their place in the draft, those beyond ours together."""
    places = {place: (place,) for place in POSITION.values if place != OTHER}
    beyond = tuple(str(place) for place in range(len(places), MOST_DRAFTED))
    return by_values(name, label, {**places, OTHER: beyond})


@dataclass(frozen=True)
class Adapters:
    """Names in comma lists, which are labels of vLLM's info family of LoRA adapters.

    Its value is the time at which the lists were true, so of several series the latest holds.
    `lists` are the labels with the names. They are counted; or, where `named`, each is 1 under its
    name and what its list stands for.
    """

    name: str
    lists: Mapping[str, str]
    named: bool = False
    derived: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Its one family."""
        return (self.name,)

    def bind(self, view: View, facet: Facet) -> ReadSignal:
        """How to read the names or their number, by model and rank."""
        family = view.family(self.name, "gauge")
        series: dict[ModelRank, list[Sample]] = {}
        for sample in family.samples if family else ():
            if self.lists.keys() <= sample.labels.keys():
                series.setdefault(view.model_rank(sample.labels), []).append(sample)

        def read(values: PageValues, _: CounterHistory) -> dict[ModelRank, Value]:
            latest = {model_rank: self._listed(
                          max(samples, key=lambda sample: values[sample.index]).labels)
                      for model_rank, samples in series.items()}
            if not self.named:
                return {model_rank: float(len(names)) for model_rank, names in latest.items()}
            return {(*model_rank, *name): 1.0
                    for model_rank, names in latest.items() for name in names}

        return read

    def _listed(self, labels: SampleLabels) -> list[tuple[str, str]]:
        return [(name.strip(), meaning) for label, meaning in self.lists.items()
                for name in labels[label].split(",", MOST_LISTED)[:MOST_LISTED] if name.strip()]
