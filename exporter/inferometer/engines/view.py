"""A page's families with their names as a table writes them, and the models and ranks on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from inferometer.engines.page import ForeignFamily
from inferometer.engines.spelling import Spelling

ModelRank = tuple[str, str]  # model, rank; either may be empty
SampleLabels = Mapping[str, str]
ENGINE_WIDE: ModelRank = ("", "")


class View:
    """The families of a page, by the names that an engine's table has for them.

    `own` are the names that have the engine's prefix.
    """

    def __init__(self, spelling: Spelling, families: Mapping[str, ForeignFamily]) -> None:
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
        self.only_model = next(iter(self.models)) if len(self.models) == 1 else ""

    def family(self, name: str, *kinds: str) -> ForeignFamily | None:
        """The family if the page has it with samples, as one of these kinds or without any."""
        family = self.families.get(name)
        if family is not None and family.samples and family.kind in (*kinds, "untyped", "unknown"):
            return family
        return None

    def model_rank(self, labels: SampleLabels) -> ModelRank:
        """The model and the rank that a sample with these labels is about."""
        rank = labels.get(self.spelling.rank, "") if self._several_ranks else ""
        model = labels.get(self._model_label, "")
        if model in self.spelling.nameless and not self.models:
            model = ""  # a document beside the page may name it
        return model or self.only_model, rank

    def _own_labels(self) -> Iterator[SampleLabels]:
        for name in self.own:
            for sample in self.families[name].samples:
                yield sample.labels
