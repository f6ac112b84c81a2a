"""A captured page whose numbers move: most lines as they were, some with numbers of their own."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$")
_PART = re.compile(r"_(bucket|sum|count)$")
_BOUND = re.compile(r'le="([^"]+)"')
_INFINITE = float("inf")


@dataclass(frozen=True)
class Dialect:
    """A captured page, and what an engine calls what moves on it.

    `numbers`: name of a family, or of one of its samples with what its labels hold, to the name of
    a quantity. `histograms`: name of a family to the name of what it observes.
    """

    page: str  # file in the folder `pages`
    model: str  # as the page calls it; empty where it does not
    numbers: Mapping[str, str]
    histograms: Mapping[str, str]
    documents: Mapping[str, object] = field(default_factory=dict)  # beside the page, by path


class Distribution:
    """A histogram, with the bounds that a page gives it."""

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = sorted(bounds)
        self._counts = [0.0] * len(self.bounds)
        self.sum = 0.0

    def observe(self, value: float, times: float = 1.0) -> None:
        """Count a value, so many times."""
        self._counts[min(bisect_left(self.bounds, value), len(self.bounds) - 1)] += times
        self.sum += value * times

    def cumulative(self) -> list[float]:
        """How many are at or below each bound."""
        return list(accumulate(self._counts))

    def clear(self) -> None:
        """Begin anew."""
        self._counts = [0.0] * len(self.bounds)
        self.sum = 0.0


@dataclass(frozen=True)
class _Cell:
    """A line whose number moves: of a quantity, or a part of a histogram."""

    head: str  # all of the line before its number
    quantity: str = ""
    family: str = ""
    part: str = ""
    bound: float = _INFINITE


class Template:
    """A page of a dialect. `model` stands for the name of the model on the captured page."""

    def __init__(self, text: str, dialect: Dialect, model: str) -> None:
        self._dialect = dialect
        if dialect.model:
            text = text.replace(f'"{dialect.model}"', f'"{model}"')
        self._lines = [self._line(line) for line in text.splitlines()]
        bounds: dict[str, list[float]] = {}
        for line in self._lines:
            if isinstance(line, _Cell) and line.part == "bucket":
                bounds.setdefault(line.family, []).append(line.bound)
        self._distributions = {family: Distribution(edges) for family, edges in bounds.items()}

    def observe(self, quantity: str, value: float, times: float = 1.0) -> None:
        """Count a value in each histogram of the quantity."""
        for family, distribution in self._distributions.items():
            if self._dialect.histograms[family] == quantity:
                distribution.observe(value, times)

    def clear(self) -> None:
        """Empty all histograms: the engine has started anew."""
        for distribution in self._distributions.values():
            distribution.clear()

    def render(self, number_of: Callable[[str], float]) -> str:
        """The page; `number_of` gives each quantity."""
        counted = {family: distribution.cumulative()
                   for family, distribution in self._distributions.items()}
        return "".join(f"{line}\n" for line in self._rendered(counted, number_of))

    def _rendered(self, counted: Mapping[str, list[float]],
                  number_of: Callable[[str], float]) -> Iterator[str]:
        for line in self._lines:
            if isinstance(line, str):
                yield line
            elif line.quantity:
                yield f"{line.head} {float(number_of(line.quantity))!r}"
            else:
                yield f"{line.head} {float(self._part(line, counted[line.family]))!r}"

    def _part(self, cell: _Cell, counted: list[float]) -> float:
        distribution = self._distributions[cell.family]
        if cell.part == "sum":
            return distribution.sum
        if cell.part == "count":
            return counted[-1]
        return counted[bisect_left(distribution.bounds, cell.bound)]

    def _line(self, line: str) -> str | _Cell:
        sample = None if line.startswith("#") else _SAMPLE.match(line)
        if sample is None:
            return line
        name, labels = sample[1], sample[2] or ""
        quantity = next((quantity for key, quantity in self._dialect.numbers.items()
                         if _is_of(key, name, labels)), "")
        part = _PART.search(name)
        family = name[:part.start()] if part else ""
        if part and family in self._dialect.histograms:
            bound = _BOUND.search(labels)
            return _Cell(name + labels, "", family, part[1],
                         float(bound[1]) if bound else _INFINITE)
        return _Cell(name + labels, quantity) if quantity else line


def _is_of(key: str, name: str, labels: str) -> bool:
    """Whether a sample is the one of a key: its name, and after a brace what its labels hold."""
    family, _, held_label = key.partition("{")
    return family == name and held_label in labels
