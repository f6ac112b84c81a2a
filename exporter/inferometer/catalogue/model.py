"""What a metric and a label are, and how many series they may make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

OTHER = "_other"
TARGETS = 100  # engine endpoints one exporter may watch
MAX_LABEL_VALUES = 1000  # of any label, over all exporters


@dataclass(frozen=True, eq=False)
class Label:
    """A label name with what bounds it: the closed set of its values, or a budget of them."""

    name: str
    help: str
    values: tuple[str, ...] = ()
    budget: int = 0
    optional: bool = False  # left out of the page where it is empty
    folds: bool = False  # values that come from outside and become `_other` over the cap


@dataclass(frozen=True, eq=False)
class Metric:
    """One family: name with prefix and base unit, kind, help, labels and caps."""

    name: str
    kind: str  # gauge, counter or histogram
    help: str
    labels: tuple[Label, ...] = ()
    seats: int = 1
    bounds: int = 0
    otel: str = ""
    subjects: int = 0  # what the labels that do not fold tell apart; 0: all their budgets make
    unread: str = ""  # why no rule, alert or board reads it, where none does
    pairs: tuple[tuple[str, str], ...] = ()  # of its last two labels' values, where not all occur

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The label names in the order of every point's key."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def signal(self) -> str:
        """The family's name without subject prefix and unit: what a table maps to."""
        stem = self.name.removeprefix("llm_server_")
        for suffix in ("_total", "_seconds", "_ratio"):
            stem = stem.removesuffix(suffix)
        return stem

    @cached_property
    def folds(self) -> bool:
        """Whether what has no seat is added to `_other`; gauges cannot be added."""
        return self.kind != "gauge" and any(label.folds for label in self.labels)

    @cached_property
    def groups(self) -> int:
        """How many tuples of values the open labels have that do not fold, beside those that do."""
        if not any(label.folds for label in self.labels):
            return 1
        return self.subjects or math.prod(label.budget for label in self.labels
                                          if not label.values and not label.folds)

    @cached_property
    def closed_series(self) -> int:
        """How many series one seat can hold, by its closed labels."""
        counts = [len(label.values) for label in self.labels if label.values]
        return math.prod(counts[:-2]) * len(self.pairs) if self.pairs else math.prod(counts)

    @property
    def max_series(self) -> int:
        """The most series this family can hold on one exporter's page.

        Beside its seats each group may have one tuple for what was folded.
        """
        tuples = self.seats + (self.groups if self.folds else 0)
        return tuples * self.closed_series * (self.bounds + 3 if self.bounds else 1)
