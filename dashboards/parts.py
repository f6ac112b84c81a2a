"""Where the time of an answer goes, and which part of it is longer than a day ago."""

from __future__ import annotations

from dashboards.model import PanelRow, Query
from dashboards.panels import table, timeseries
from dashboards.styles import Field
from dashboards.variables import chosen
from inferometer import catalogue as c
from recording_rules import parts
from recording_rules.promql import HOUR, any_of, on

DAY, WEEK = "1d", "1w"
EMPTY = ("No data: of no call here the engine's own span came too. The engine sends spans if it is "
         "told to: see docs/telemetry.md.")
NAMES = {part: "network and rest" if part == "remainder" else part for part in c.PARTS_OF_CALLS}
PART = c.PART.name


def _over(selector: str, window: str, ago: str) -> str:
    if not window:
        return selector
    return f"avg_over_time({selector}[{window}]{f' offset {ago}' if ago else ''})"


def _of_call(part: str, window: str = "", ago: str = "") -> str:
    """Seconds in it, on average over all calls that are decomposed."""
    seconds = _over(chosen(parts.SECONDS, any_of(c.PART, part)), window, ago)
    calls = _over(chosen(parts.DECOMPOSED), window, ago)
    return f"sum({seconds}) / {on(())} (sum({calls}) > 0)"


def _column(window: str, ago: str = "") -> str:
    """All parts under their names."""
    return " or ".join(f'label_replace({_of_call(part, window, ago)}, "{PART}", "{name}", "", "")'
                       for part, name in NAMES.items())


def _longer(ago: str) -> str:
    return f"({_column(HOUR)}) - {on((PART,))} ({_column(HOUR, ago)})"


ROW = PanelRow("It feels slower today: where the time of an answer goes", (
    timeseries("Where the time goes", "Means, which add up to the time of a call that its engine "
               "tells of. Queue, prefill and decode are the engine's, gateway is a proxy between, "
               "and the rest is network and the application itself.", "s",
               *(Query(_of_call(part), name) for part, name in NAMES.items()),
               stacked=True, empty=EMPTY, width=14),
    table("What is longer than a day ago", "Over an hour, and over the same hour a day and a week "
          "ago. The first row is the cause.", {PART: "Part"}, [
        Field("Now", _column(HOUR), "s"),
        Field("A day ago", _column(HOUR, DAY), "s", width=80),
        Field("A week ago", _column(HOUR, WEEK), "s", width=85),
        Field("Longer by", _longer(DAY), "s", width=80)],
        empty=EMPTY, sort="Longer by", width=10, height=10),
))
