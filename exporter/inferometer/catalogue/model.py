"""What a metric and a label are, and how many series they may make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

OTHER = "_other"
TARGETS = 100  # engine endpoints one exporter may watch
MAX_LABEL_VALUES = 1000  # of any label, over all exporters


LARGEST_COUNT = 2.0**53  # a larger float cannot even count by one: it is no count
LARGEST_MEASURE = 1e30  # of what is not counted one by one


@dataclass(frozen=True)
class Range:
    """The values that can be, from `least` to `most`, both included.

    What lies beyond `most` or below `least` by no more than a `hair` of `most` is rounded to it:
    two counts a moment apart, or a rounded ratio.
    """

    least: float = 0.0
    most: float = LARGEST_COUNT
    hair: float = 0.0

    def fit(self, number: float) -> float | None:
        """The number, None if it cannot be."""
        if self.least <= number <= self.most:
            return number
        slack = self.hair * self.most
        if self.least - slack <= number <= self.most + slack:
            return min(max(self.least, number), self.most)
        return None


FLAG = Range(most=1.0)
# By the unit at the end of a family's name; what ends otherwise is a count.
RANGES = {
    "_info": Range(least=1.0, most=1.0), "_up": FLAG, "_ratio": Range(most=1.0, hair=0.01),
    "_timestamp_seconds": Range(most=1e10), "_start_time_seconds": Range(most=1e10),
    "_celsius": Range(-100.0, 200.0), "_watts": Range(most=1e5), "_hertz": Range(most=1e10),
    "_bytes_total": Range(most=LARGEST_MEASURE), "_flops_total": Range(most=LARGEST_MEASURE),
    "_seconds_total": Range(most=LARGEST_MEASURE),
}
# How much a counter of a unit may grow in a second at most: far more than any GPU or engine does.
PACES = {
    "_tokens_total": 1e8, "_requests_total": 1e6, "_seconds_total": 1e6, "_joules_total": 1e5,
    "_bytes_total": 1e14, "_flops_total": 1e21,
}
OTHER_PACE = 1e8


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
    stated_range: Range | None = None  # where its unit does not say it
    stated_pace: float = 0.0  # the same, of a counter
    replaced: bool = False  # a reading is all of it: what it lacks keeps no seat
    under: tuple[Metric, float] | None = None  # never more than so many times its point's there

    @cached_property
    def range(self) -> Range:
        """The values that it can have."""
        return self.stated_range or next(
            (range_ for unit, range_ in RANGES.items() if self.name.endswith(unit)), Range())

    @cached_property
    def pace(self) -> float:
        """How much it can grow in a second, if it is a counter."""
        return self.stated_pace or next(
            (pace for unit, pace in PACES.items() if self.name.endswith(unit)), OTHER_PACE)

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
