"""What a board is: rows of panels, and the questions each of them asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "inferometer"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
STEP = "1m"  # how often rules are evaluated: nothing is known in between
# $1 is PromQL's, a part of what label_replace matches.
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::raw)?\}|([a-z]\w*))")


@dataclass(frozen=True)
class Query:
    """One question in PromQL. `instant`: its answer now, else over the board's time range.

    `exemplars`: those of the series that it reads are asked for beside the answer.
    """

    expr: str
    legend: str = ""
    instant: bool = False
    exemplars: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel: what it asks, how much room it takes, and how it is drawn.

    The board is 24 wide; a unit of height is 30 pixels. `drawing` belongs to panels.py.
    """

    title: str
    queries: tuple[Query, ...]
    width: int
    height: int
    drawing: Any


@dataclass(frozen=True)
class PanelRow:
    """Panels under a heading. One that is collapsed asks nothing until it is opened."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Appearance:
    """When a series is first there, as a mark on a board. `title` and `text` may have labels."""

    name: str
    series: str
    title: str
    text: str


@dataclass(frozen=True)
class Board:
    """One dashboard. `variables` are the ones it shows; it carries the others along.

    `appearances` are marked on it beside what is marked on every board.
    """

    name: str
    title: str
    description: str
    variables: tuple[str, ...]
    rows: tuple[PanelRow, ...]
    appearances: tuple[Appearance, ...] = ()

    @property
    def heading(self) -> str:
        """What it is called among the boards of others."""
        return f"{PREFIX.capitalize()} / {self.title}"

    @property
    def uid(self) -> str:
        """What links, alerts and files call it."""
        return f"{PREFIX}-{self.name}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, those of collapsed rows too."""
        return tuple(panel for row in self.rows for panel in row.panels)


@dataclass(frozen=True)
class BoardQuery:
    """A query as a board sends it, and where it stands."""

    board: str
    panel: str
    expr: str
    legend: str
    instant: bool


def queries(board: Board, values: Mapping[str, str]) -> Iterator[BoardQuery]:
    """Every query of a board, with its variables replaced. Raises KeyError for one not given."""
    for panel in board.panels:
        for query in panel.queries:
            yield BoardQuery(board.uid, panel.title, substitute(query.expr, values), query.legend,
                        query.instant)


def substitute(expr: str, values: Mapping[str, str]) -> str:
    """The expression with values for its variables."""
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], expr)
