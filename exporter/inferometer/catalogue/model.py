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

    @property
    def max_series(self) -> int:
        """The most series this family can hold on one exporter's page."""
        closed = math.prod(len(label.values) for label in self.labels if label.values)
        overflow = 1 if any(label.folds for label in self.labels) else 0
        return (self.seats + overflow * TARGETS) * closed * (self.bounds + 3 if self.bounds else 1)
