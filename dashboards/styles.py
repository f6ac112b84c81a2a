"""How figures look: colours by value, lines by what they are, links that lead on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerts.model import SEVERITIES
from dashboards.grafana_schema import Json
from dashboards.model import PREFIX, Query
from dashboards.variables import NAMES
from inferometer import catalogue as c

GREEN, AMBER, RED, BLUE, GREY = "green", "orange", "red", "blue", "#808080"
# Hints of green and blue, so that of many tiles and cells only those stand out that are wrong.
WELL, NOTED = "rgba(86, 166, 75, 0.22)", "rgba(50, 116, 217, 0.25)"
# From which value on a figure has which colour; the first one holds from the least value on.
Colours = Sequence[tuple[float | None, str]]
PLAIN: Colours = ((None, BLUE),)
OF_LIMIT: Colours = ((None, WELL), (0.8, AMBER), (1, RED))
NONE_IS_WELL: Colours = ((None, WELL), (1, RED))
ALL_ARE_WELL: Colours = ((None, RED), (1, WELL))


def _tint(colour: str) -> Json:
    return {"color": {"mode": "fixed", "fixedColor": colour}}


def _dashed(colour: str) -> Json:
    return {**_tint(colour), "custom__lineStyle": {"fill": "dash", "dash": [8, 6]},
            "custom__lineWidth": 2, "custom__fillOpacity": 0,
            "custom__stacking": {"mode": "none"}}


# How a line looks by the first word of its legend, so that a word looks the same everywhere.
LINE_STYLES: Mapping[str, Json] = {
    "limit": _dashed(RED), "target": _dashed(GREEN), "budget": _dashed(RED),
    "median": _dashed(GREY), "least": _dashed(GREY), "most": _dashed(GREY),
    "success": _tint(GREEN), "error": _tint(RED), "rejected": _tint(AMBER),
    "invalid": _tint(BLUE), "abort": _tint("purple"),
    "critical": _tint(RED), "warning": _tint(AMBER),
    # Where the time of an answer goes, in its order.
    "search": _tint("super-light-blue"), "rerank": _tint("light-purple"),
    "gateway": _tint("purple"), "queue": _tint("yellow"), "prefill": _tint("blue"),
    "decode": _tint("green"), "network": _tint(GREY),
    "hit": _tint(GREEN), "empty": _tint(AMBER), "unknown": _tint(GREY),
    "thumbs_up": _tint(GREEN), "thumbs_down": _tint(RED),
    "thumbs_changed": _tint(GREY), "copy": _tint(BLUE), "regenerate": _tint(AMBER),
    "edit": _tint("purple"), "report_hallucination": _tint("dark-red"),
    "alarm": _dashed(RED), "judged": _tint(GREEN), "nonsense": _tint(AMBER),
    "timeout": _tint("purple"), "failed": _tint(RED), "pass": _tint(GREEN), "fail": _tint(RED),
}
# Of columns, in pixels; the longest names take what the others leave.
_WIDTHS = {"Engine": 72, "Cluster": 72, "Provider": 76, "Namespace": 90, "Severity": 80,
           "Alert": 250, "GPU": 50, "Where": 130, "Node": 150,
           "Evaluation": 130}
_LONGEST = ("Model", "About", "Signal", "UUID")
_LONG = 245  # for "meta-llama/Llama-3.1-8B-Instruct"
# How high an axis is at least, so that nothing at all does not look like much.
LEAST_TOP = {"percentunit": 0.02, "s": 0.01, "currencyUSD": 0.01, "reqps": 0.1, "ops": 0.1,
             **dict.fromkeys(("short", "joule", "watt", "celsius", "flops", "Bps", "si: tok/s"), 1)}
# What a first word may become.
LEGEND_VALUES = {"{{outcome}}": c.OUTCOMES, "{{severity}}": SEVERITIES,
                 "{{result}}": c.RESULT_OF_RETRIEVAL.values + c.JUDGEMENT_RESULT.values,
                 "{{kind}}": c.VOTE_KIND.values, "{{label}}": c.EVALUATION_LABEL.values}


@dataclass(frozen=True)
class Field:
    """A figure of a table's rows."""

    title: str
    expr: str
    unit: str
    colours: Colours = ()
    width: int = 68


def decimals(unit: str) -> Json:
    """Of a figure by itself: nobody acts on a part of a percent."""
    return {"decimals": 0} if unit == "percentunit" else {}


def powers_of_ten(least: float) -> Json:
    """The override of all lines that makes each power of ten as high as the next, from `least`."""
    return override("byRegexp", "/.*/", min=least,
                    custom__scaleDistribution={"type": "log", "log": 10})


def steps(colours: Colours) -> list[Json]:
    """The thresholds of these colours."""
    return [{"value": value, "color": colour} for value, colour in colours]


def no_value(text: str, colour: str) -> list[Json]:
    """How no value looks: without a mapping it has the colour of the least threshold."""
    result = {"text": text, "color": colour, "index": 0}
    return [{"type": "special", "options": {"match": "null+nan", "result": result}}]


def override(matcher: str, option: str, **properties: Any) -> Json:
    """What holds for some fields only; two underscores in a property's name are a dot."""
    return {"matcher": {"id": matcher, "options": option},
            "properties": [{"id": key.replace("__", "."), "value": value}
                           for key, value in properties.items()]}


def line_styles(queries: Iterable[Query]) -> list[Json]:
    """The overrides for the lines of these queries."""
    starts = dict.fromkeys(query.legend.split()[0] for query in queries)
    words = (word for start in starts for word in LEGEND_VALUES.get(start, (start,)))
    return [override("byRegexp", f"/^{word}\\b/", **LINE_STYLES[word])
            for word in words if word in LINE_STYLES]


def key_styles(titles: Sequence[str]) -> list[Json]:
    """The overrides of the columns that say what a row is."""
    longest = next((title for title in _LONGEST if title in titles), titles[0])
    least = _LONG if longest in _LONGEST else 130
    return [override("byName", title, custom__minWidth=least) if title == longest
            else override("byName", title, custom__width=_WIDTHS.get(title, 100))
            for title in titles]


def hidden(label: str) -> Json:
    """The override of a column that only links need; Grafana 12 calls it otherwise."""
    return override("byName", label, custom__hidden=True, custom__hideFrom={
        "viz": True, "legend": True, "tooltip": True})


def column_style(column: Field) -> Json:
    """The override of a table's column."""
    properties: Json = {"unit": column.unit, **decimals(column.unit), "noValue": "-",
                        "custom__width": column.width, "custom__wrapHeaderText": True}
    if column.colours:
        properties |= {
            "mappings": no_value("-", "transparent"),
            "thresholds": {"mode": "absolute", "steps": steps(column.colours)},
            "color": {"mode": "thresholds"},
            "custom__cellOptions": {"type": "color-background", "mode": "basic"}}
    return override("byName", column.title, **properties)


def board_link(board: str, matcher: str, option: str, choice: Mapping[str, str]) -> Json:
    """A link to another board that keeps time and choice, but for what is chosen by it.

    Which replica was chosen is of no use where another model is.
    """
    names = ("datasource", *(name for name in NAMES if name != "pod"))
    chosen = (f"var-{name}={choice[name]}" if name in choice else f"${{{name}:queryparam}}"
              for name in names)
    title = "More on its board" if "$" in board else f"More on the {board} board"
    url = f"/d/{PREFIX}-{board}?{'&'.join(chosen)}&${{__url_time_range}}"
    return override(matcher, option, links=[{"title": title, "url": url}])


def band(lower: str, upper: str) -> list[Json]:
    """The overrides that make two lines the edges of what is between them, by their legends."""
    edge = {**_tint(BLUE), "custom__lineWidth": 1}
    return [override("byName", lower, **edge, custom__fillOpacity=0),
            override("byName", upper, **edge, custom__fillOpacity=25, custom__fillBelowTo=lower)]
