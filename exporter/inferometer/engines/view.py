"""A page's families with their names as a table writes them, and the models and ranks on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from inferometer.engines.page import ForeignFamily, Sample
from inferometer.engines.spelling import Spelling

ModelRank = tuple[str, ...]  # model, rank, either may be empty; then a metric's own label
SampleLabels = Mapping[str, str]
ENGINE_WIDE: ModelRank = ("", "")
LONGEST_REMEMBERED = 250  # characters: a longer name is too long for a label of ours, too


def shortened(text: str) -> str:
    """The text, or one that is short and as good as unique in its place: it is to be remembered."""
    return text if len(text) <= LONGEST_REMEMBERED else f"{text[:LONGEST_REMEMBERED]} {hash(text)}"


class View:
    """The families of a page, by the names that an engine's table has for them.

    `own` are the names that have the engine's prefix. `entries` are the models that hand a request
    on to others, `steps` those others: by `entry_models` if it names any, else by their names. What
    a step does for a request belongs to the entry, where there is one. `model` is the user's name
    of a model that the page calls by none, or by a generic one.
    """

    def __init__(self, spelling: Spelling, families: Mapping[str, ForeignFamily],
                 model: str = "", entry_models: Sequence[str] = ()) -> None:
        self.spelling = spelling
        self.families: dict[str, ForeignFamily] = {}
        self.own: set[str] = set()
        for name, family in families.items():
            respelt = spelling.respell(name)
            if respelt is not None:
                self.own.add(respelt)
            earlier = self.families.setdefault(respelt or name, family)
            if not earlier.samples:
                self.families[respelt or name] = family
        ranks = {labels[spelling.rank] for labels in self._own_labels() if spelling.rank in labels}
        self._several_ranks = len(ranks) > 1
        self._model_label = next((name for name in spelling.models
                                  if any(name in labels for labels in self._own_labels())), "")
        self.models = {labels[self._model_label] for labels in self._own_labels()
                       if labels.get(self._model_label)} - spelling.nameless
        self.entries, self.steps = self._ensemble(entry_models)
        self._entry = next(iter(self.entries)) if len(self.entries) == 1 else ""
        self.models -= self.steps if self._entry else set()
        self.only_model = next(iter(self.models)) if len(self.models) == 1 else ""
        self._generic = ""  # what the page calls the model that the user names
        if model and spelling.generic and re.search(spelling.generic, self.only_model):
            self._generic, self.only_model, self.models = self.only_model, model, {model}

    def family(self, name: str, *kinds: str) -> ForeignFamily | None:
        """The family if the page has it with samples, as one of these kinds or without any."""
        family = self.families.get(name)
        if family is not None and family.samples and family.kind in (*kinds, "untyped", "unknown"):
            return family
        return None

    def has_any(self, names: Iterable[str]) -> bool:
        """Whether the page has one of these families with a sample."""
        return any((family := self.families.get(name)) and family.samples for name in names)

    def model_rank(self, labels: SampleLabels) -> ModelRank:
        """The model and the rank that a sample with these labels is about."""
        rank = labels.get(self.spelling.rank, "") if self._several_ranks else ""
        model = labels.get(self._model_label, "")
        if model in self.spelling.nameless and not self.models:
            model = ""  # a document beside the page may name it
        if model in self.steps and self._entry:
            model = self._entry
        if model == self._generic:
            model = self.only_model
        return shortened(model or self.only_model), shortened(rank)

    def counted(self, family: ForeignFamily) -> list[Sample]:
        """The samples that count something once: a step's only where no entry counts it."""
        if not self.steps or not any(
                sample.labels.get(self._model_label) in self.entries for sample in family.samples):
            return family.samples
        return [sample for sample in family.samples
                if sample.labels.get(self._model_label) not in self.steps]

    def last_of(self, label: str) -> str:
        """The label's last value: the largest of numbers, else the last that the page has."""
        values = list(dict.fromkeys(
            labels[label] for labels in self._own_labels() if label in labels))
        return max(values, key=lambda value: int(value) if value.isdecimal() else 0,
                   default="") if all(map(str.isdecimal, values)) else values[-1]

    def _ensemble(self, entry_models: Sequence[str]) -> tuple[set[str], set[str]]:
        """The models that hand requests on to others, and those others; none if none does."""
        if named := self.models & {*entry_models}:
            return named, self.models - named
        if not self.spelling.entries:
            return set(), set()
        entries = {name for name in self.models if re.search(self.spelling.entries, name)}
        steps = {name for name in self.models - entries if re.search(self.spelling.steps, name)}
        return (entries, steps) if entries and steps else (set(), set())

    def _own_labels(self) -> Iterator[SampleLabels]:
        for name in self.own:
            for sample in self.families[name].samples:
                yield sample.labels
