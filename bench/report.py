"""Figures, what each may be at most, and the table they are printed in."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One thing measured: `ours` against `theirs` as a ratio, or alone where there is no peer.

    `bound` is what the ratio, or `ours` alone, may be at most, or must be at least.
    """

    name: str
    unit: str
    ours: float
    bound: float
    theirs: float | None = None
    peer: str = ""
    at_least: bool = False

    @property
    def measured(self) -> float:
        """What is held against the bound; a peer's 0 cannot be undercut."""
        if self.theirs is None:
            return self.ours
        return self.ours / self.theirs if self.theirs else float("inf")

    @property
    def met(self) -> bool:
        """Whether the figure keeps to its bound."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def as_row(self) -> str:
        """The figure as a row of the table."""
        beside, ratio, bound = "", "", _number(self.bound, self.unit)
        if self.theirs is not None:
            beside = f"{_number(self.theirs, self.unit)}, {self.peer}"
            fine = ".2f" if self.measured >= 0.1 else ".2g"
            ratio, bound = format(self.measured, fine), f"{self.bound:.3g}"
        sign = "\N{GREATER-THAN OR EQUAL TO}" if self.at_least else "\N{LESS-THAN OR EQUAL TO}"
        cells = (self.name, _number(self.ours, self.unit), beside, ratio, f"{sign} {bound}",
                 "met" if self.met else "**missed**")
        return f"| {' | '.join(cells)} |"

    def as_dict(self) -> dict[str, Any]:
        """The figure as it goes into the JSON file."""
        return {**asdict(self), "measured": self.measured, "met": self.met}


def table(figures: Iterable[Figure]) -> str:
    """The figures as one Markdown table."""
    head = ("| what | ours | beside | ratio | target | |", "| --- | --- | --- | --- | --- | --- |")
    return "\n".join([*head, *(figure.as_row() for figure in figures)])


def say(line: str) -> None:
    """A line beside the table, at once."""
    print(line, file=sys.stderr, flush=True)


def _number(value: float, unit: str) -> str:
    return f"{round(value, 2 - math.floor(math.log10(abs(value) or 1))):g} {unit}".strip()
