"""What there is to say, without a word of HTML: cards of GPUs and engines, cost, the exporter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer import __version__
from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.home.history import PlotPoint
from inferometer.home.judge.model import Owner
from inferometer.home.judge.verdicts import Assessment
from inferometer.parts import Note
from inferometer.values import Histogram, Key, Value

# Worst first; OVER is what is beyond its limit, NOTE no more than an information.
BAD, OVER, NOTE, WAITING, GOOD = LEVELS = ("bad", "over", "note", "waiting", "good")

Points = Mapping[Metric, Mapping[Key, Value]]


@dataclass(frozen=True)
class Plot:
    """One plot: its points, oldest first, the present value, and how to read them."""

    title: str
    points: Sequence[PlotPoint | None]
    now: PlotPoint | None
    shown: Callable[[float], str]
    top: float | None = None  # of the scale; else the highest point
    missing: bool = False  # whether the source does not tell this at all


@dataclass(frozen=True)
class FigureCell:
    """One figure of a line: `share` of its scale is drawn as a bar, `mark` upon it its limit.

    `points` are drawn as a line over the last hour.
    """

    title: str
    text: str = ""
    level: str = GOOD  # OVER where it is beyond its limit
    share: float | None = None
    mark: float | None = None
    points: Sequence[float | None] = ()
    of: str = ""  # the scale, behind the figure
    beside: str = ""  # the limit, or what else belongs to it


@dataclass(frozen=True)
class Card:
    """One GPU or engine. Names, reasons and details may be foreign text of any length."""

    owner: Owner
    anchor: str
    name: str
    level: str
    state: str
    why: str
    read_at: float | None
    details: Sequence[tuple[str, str]]  # label and text
    more: Sequence[tuple[str, str]]  # likewise, of what is rarely looked for
    plots: Sequence[Plot]
    missing: Sequence[str] = ()  # signals or families that the source does not tell
    unknown: int = 0  # families of the engine that its table does not know
    failed: bool = False  # whether it is not read, for the reason that is given
    cells: Sequence[FigureCell] = ()  # of its line in the section's table
    asked: bool = True  # whether it is read at times, and not heard of when it sends


@dataclass(frozen=True)
class Problem:
    """One thing that is amiss. `since` in Unix seconds, None where that is not known."""

    level: str  # BAD, OVER or NOTE: the last is of what is no more than an information
    state: str  # PROBLEM or OVER_LIMIT
    subject: str
    text: str
    anchor: str
    alert: str = ""  # of the shipped rules
    severity: str = "warning"
    since: float | None = None


@dataclass(frozen=True)
class CollectorState:
    """One collector of the exporter, and how long it took."""

    name: str
    works: bool
    seconds: float


@dataclass(frozen=True)
class Section:
    """What one part watches; cards with the worst first.

    `title` is of the heading, `noun` of one thing. `when_empty` and `footnote` are as in Watch.
    """

    title: str
    noun: str
    runs: bool  # whether it is this exporter's to do
    cards: Sequence[Card] = ()
    when_empty: Sequence[Note] = ()
    footnote: Note = ()
    left_out: int = 0  # how many more there are than may be watched
    totals: Sequence[tuple[str, str]] = ()  # over all of it: label and text
    asked: bool = True  # whether the exporter asks them, so that they may not answer

    @property
    def anchor(self) -> str:
        """Where links lead to."""
        return self.title.lower()


@dataclass(frozen=True)
class Exporter:
    """What is said of the exporter itself. Times are Unix seconds."""

    now: float
    started_at: float
    ready: bool
    role: str
    sections: Sequence[str]  # of the configuration that its role has
    demo: bool = False  # whether what it watches is made up
    version: str = __version__


@dataclass(frozen=True)
class Content:
    """All that stands on the page."""

    exporter: Exporter
    step: float  # of the history, seconds
    recorded: int  # steps of it
    sections: Sequence[Section]
    costs: Mapping[str, float]  # USD by category
    idle_usd: float | None
    unpriced: Sequence[str]  # products without a price
    collectors: Sequence[CollectorState]
    folded: Mapping[tuple[str, str], float]  # times by family and label
    config_good: bool
    problems: Sequence[Problem] = ()
    assessment: Assessment = field(default_factory=Assessment)

    @property
    def cards(self) -> Sequence[Card]:
        """Those of all sections."""
        return [card for section in self.sections for card in section.cards]


def costs(points: Mapping[Key, Value]) -> dict[str, float]:
    """USD by category, in the catalogue's order."""
    spent: dict[str, float] = {}
    for category in c.COST_CATEGORIES:
        usd = total({key: value for key, value in points.items() if key[0] == category})
        if usd is not None:
            spent[category] = usd
    return spent


def folded(points: Mapping[Key, Value]) -> dict[tuple[str, str], float]:
    """Family and label of what was folded at all, with how often."""
    return {(key[0], key[1]): times for key, times in points.items()
            if not isinstance(times, Histogram) and times > 0}


def collectors(points: Points) -> list[CollectorState]:
    """The collectors."""
    took = points.get(c.COLLECTOR_DURATION, {})
    return [CollectorState(key[0], value == 1.0,
                           total({key: took[key]} if key in took else {}) or 0.0)
            for key, value in points.get(c.COLLECTOR_SUCCESS, {}).items()]


def total(points: Mapping[Key, Value] | None) -> float | None:
    """The sum of all points; None if there are none, or no number comes out."""
    numbers = _numbers(points)
    return result if numbers and math.isfinite(result := sum(numbers)) else None


def highest(points: Mapping[Key, Value] | None) -> float | None:
    """The greatest of all points; None if there are none, or it is no number."""
    numbers = _numbers(points)
    return result if numbers and math.isfinite(result := max(numbers)) else None


def by_metric(families: Iterable[Family]) -> dict[Metric, Mapping[Key, Value]]:
    """The points of the families that are of no GPU and no engine."""
    return {family.metric: dict(family.items()) for family in families
            if family.metric in (c.COST, *c.SELF_METRICS)}


def _numbers(points: Mapping[Key, Value] | None) -> list[float]:
    return [value for value in (points or {}).values() if not isinstance(value, Histogram)]
