"""A page's shape seen through one engine's table: names as the table spells them, models, ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from inferometer.engines.page import Foreign

if TYPE_CHECKING:
    from inferometer.engines.table import Engine

Place = tuple[str, str]  # model, rank; either may be empty
Labels = Mapping[str, str]
EVERYWHERE: Place = ("", "")


class View:
    """A page's families seen through one engine's table."""

    def __init__(self, engine: Engine, families: Mapping[str, Foreign]) -> None:
        self.engine = engine
        self.families: dict[str, Foreign] = {}
        self.own: set[str] = set()
        for name, family in families.items():
            spelt = engine.respell(name)
            if spelt is not None:
                self.own.add(spelt)
            known = self.families.setdefault(spelt or name, family)
            if not known.samples:
                self.families[spelt or name] = family
        ranks = {labels[engine.rank] for labels in self._own_labels() if engine.rank in labels}
        self._several_ranks = len(ranks) > 1
        self._model = next((name for name in engine.models
                            if any(name in labels for labels in self._own_labels())), "")
        self.models = {labels[self._model] for labels in self._own_labels()
                       if labels.get(self._model)} - engine.nameless
        self.only_model = next(iter(self.models)) if len(self.models) == 1 else ""

    def family(self, name: str, *kinds: str) -> Foreign | None:
        """The family if the page has it with samples, as one of these kinds or without any."""
        family = self.families.get(name)
        if family is not None and family.samples and family.kind in (*kinds, "untyped", "unknown"):
            return family
        return None

    def place(self, labels: Labels) -> Place:
        """Which model and which rank a sample speaks of."""
        rank = labels.get(self.engine.rank, "") if self._several_ranks else ""
        model = labels.get(self._model, "")
        if model in self.engine.nameless and not self.models:
            model = ""  # a document beside the page may name it
        return model or self.only_model, rank

    def _own_labels(self) -> Iterator[Labels]:
        for name in self.own:
            for sample in self.families[name].samples:
                yield sample.labels
