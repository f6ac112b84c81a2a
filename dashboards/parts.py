"""Where the time of an answer goes, and which part of it is longer than a day ago."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.model import PanelRow, Query
from dashboards.panels import table, timeseries
from dashboards.styles import Field
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules import parts, searches
from recording_rules.model import Rule
from recording_rules.promql import FLEET, HOUR, any_of, by, on

DAY, WEEK = "1d", "1w"
EMPTY = ("No data: of no call here the engine's own span came too. The engine sends spans if it is "
         "told to: see docs/telemetry.md.")
# What comes before the call, by what is recorded of it.
BEFORE = {"search": (searches.SECONDS, searches.TIMED),
          "rerank": (searches.RERANK_SECONDS, searches.RERANK_TIMED)}
NAMES = {part: "network and rest" if part == "remainder" else part for part in c.PARTS_OF_CALLS}
PART = c.PART.name


def _over(selector: str, window: str, ago: str) -> str:
    if not window:
        return selector
    return f"avg_over_time({selector}[{window}]{f' offset {ago}' if ago else ''})"


def _means(window: str = "", ago: str = "", level: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Seconds by part: of a search, a reranking, and a call that is decomposed."""

    def mean(seconds: str, number: Rule) -> str:
        counted = _over(chosen(number), window, ago)
        return (f"sum {by(level)} ({_over(seconds, window, ago)}) / {on(level)} "
                f"(sum {by(level)} ({counted}) > 0)")

    return {
        **{name: mean(chosen(seconds), number) for name, (seconds, number) in BEFORE.items()},
        **{name: mean(chosen(parts.SECONDS, any_of(c.PART, part)), parts.DECOMPOSED)
           for part, name in NAMES.items()}}


def _column(window: str, ago: str = "") -> str:
    """All parts under their names."""
    return " or ".join(f'label_replace({mean}, "{PART}", "{name}", "", "")'
                       for name, mean in _means(window, ago, FLEET).items())


def _longer(ago: str) -> str:
    return f"({_column(HOUR)}) - {on((*FLEET, PART))} ({_column(HOUR, ago)})"


ROW = PanelRow("It feels slower today: where the time of an answer goes", (
    timeseries("Where the time goes", "Means of a search, a reranking and a call, one on another. "
               "Of a call queue, prefill and decode are its engine's, gateway is a proxy between, "
               "and the rest is network and the application itself.", "s",
               *(Query(mean, name) for name, mean in _means().items()),
               stacked=True, empty=EMPTY, width=13),
    table("What is longer than a day ago", "Over an hour, and over the same hour a day and a week "
          "ago. The first row is the cause.", {PART: "Part", "cluster": "Cluster"}, [
        Field("Now", _column(HOUR), "s"),
        Field("A day ago", _column(HOUR, DAY), "s", width=80),
        Field("A week ago", _column(HOUR, WEEK), "s", width=85),
        Field("Longer by", _longer(DAY), "s", width=80)],
        empty=EMPTY, sort="Longer by", width=11, height=10),
))
