"""Kibana's side of the request log: a data view, saved searches and a dashboard, to be imported.

Saved objects as Kibana 8.13 exports them; a later one migrates what it imports by their versions.
Panels are Lens's, within the dashboard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy.build.writers.elastic import STREAM
from deploy.build.writers.lens import Chart, bars, lines, number, table
from deploy.build.writers.lens import LensColumn as M

DATA_VIEW = "inferometer-llm-request"
TIME = "@timestamp"
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"  # what a search calls its data view
FAILED = 'event.outcome : "failure"'
OVER_COST = "llm.cost.over_limit : true"
_SEARCHES = {
    "inferometer-llm-requests": ("LLM requests", ""),
    "inferometer-llm-requests-failed": ("LLM requests that failed", FAILED),
    "inferometer-llm-requests-over-cost": ("LLM requests over the limit of cost", OVER_COST),
}
_COLUMNS = ("service.name", "gen_ai.request.model", "llm.outcome", "error.type", "event.duration",
            "llm.cost.usd", "http.request.id", "trace.id")
# How Kibana shows what a number's unit does not say.
_FORMATS: Mapping[str, Any] = {
    "event.duration": {"id": "duration", "params": {
        "inputFormat": "nanoseconds", "outputFormat": "asSeconds", "outputPrecision": 3}},
    "llm.ttft_ms": {"id": "duration", "params": {
        "inputFormat": "milliseconds", "outputFormat": "asSeconds", "outputPrecision": 3}},
    "llm.cost.usd": {"id": "number", "params": {"pattern": "$0,0.[000000]"}},
}
_REQUESTS, _COST = M("Requests", "sum", "llm.calls"), M("Cost", "sum", "llm.cost.usd")
_FAILURES = M("Failed", "sum", "llm.calls", FAILED)
_INPUT = M("Input tokens", "sum", "gen_ai.usage.input_tokens")
_OUTPUT = M("Output tokens", "sum", "gen_ai.usage.output_tokens")
_SLOWEST = M("Duration, 95th percentile", "percentile", "event.duration")
_FIRST_TOKEN = M("Time to first token, 95th percentile", "percentile", "llm.ttft_ms")
_MODEL = "gen_ai.response.model"
_WIDTH = 48  # columns of a dashboard's grid
# Rows of panels, each with its height.
_ROWS: Sequence[tuple[int, Sequence[Chart]]] = (
    (5, [number(value) for value in (_REQUESTS, _FAILURES, _COST, _INPUT, _OUTPUT, _SLOWEST)]),
    (12, [bars("Requests by outcome", _REQUESTS, TIME, "llm.outcome"),
          lines("Duration by model, 95th percentile", _SLOWEST, TIME, _MODEL)]),
    (12, [bars("Cost by model", _COST, TIME, _MODEL),
          lines("Time to first token by model, 95th percentile", _FIRST_TOKEN, TIME, _MODEL)]),
    (12, [table("Services", "service.name",
                [_REQUESTS, _FAILURES, _COST, _INPUT, _OUTPUT, _SLOWEST]),
          table("Users, by their hashes", "user.hash",
                [_REQUESTS, _FAILURES, _COST, _INPUT, _OUTPUT])]),
)
_FAILED_ROWS = 14  # the height of the list of failed calls


def objects() -> Iterator[dict[str, Any]]:
    """What is imported, one object a line: what is referred to first."""
    yield _object("index-pattern", DATA_VIEW, "8.0.0", {
        "name": "LLM requests", "title": f"{STREAM}-*", "timeFieldName": TIME,
        "fieldFormatMap": json.dumps(_FORMATS, sort_keys=True)}, ())
    for identifier, (title, query) in _SEARCHES.items():
        yield _object("search", identifier, "8.0.0", {
            "title": title, "columns": list(_COLUMNS), "sort": [[TIME, "desc"]],
            "kibanaSavedObjectMeta": _source(query, indexRefName=_INDEX)},
            [_reference(_INDEX, DATA_VIEW)])
    panels, references = _panels()
    yield _object("dashboard", "inferometer-llm-requests", "10.2.0", {
        "title": "LLM requests", "version": 1, "timeRestore": False,
        "description": "Every call that Inferometer counted, by its request log.",
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}, sort_keys=True),
        "panelsJSON": json.dumps(panels, sort_keys=True),
        "kibanaSavedObjectMeta": _source("")}, references)


def text() -> str:
    """The file to import."""
    return "".join(json.dumps(one, sort_keys=True) + "\n" for one in objects())


def _object(kind: str, identifier: str, version: str, attributes: Mapping[str, Any],
            references: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {"type": kind, "id": identifier, "attributes": attributes, "references": references,
            "managed": False, "coreMigrationVersion": "8.8.0", "typeMigrationVersion": version}


def _source(query: str, **more: str) -> dict[str, str]:
    return {"searchSourceJSON": json.dumps(
        {"filter": [], "query": {"language": "kuery", "query": query}, **more}, sort_keys=True)}


def _reference(name: str, identifier: str, kind: str = "index-pattern") -> dict[str, str]:
    return {"name": name, "id": identifier, "type": kind}


def _panels() -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The dashboard's panels where they stand, and what they refer to."""
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    top = 0
    for height, row in _ROWS:
        width = _WIDTH // len(row)
        for place, panel in enumerate(row):
            name = f"panel-{len(panels)}"
            layer = _reference(f"indexpattern-datasource-layer-{name}", DATA_VIEW)
            panels.append({"type": "lens", **_grid(name, place * width, top, width, height),
                           "embeddableConfig": {"attributes": panel.attributes(name, [layer])}})
            references.append({**layer, "name": f"{name}:{layer['name']}"})
        top += height
    name = f"panel-{len(panels)}"
    panels.append({"type": "search", "panelRefName": f"panel_{name}", "embeddableConfig": {},
                   **_grid(name, 0, top, _WIDTH, _FAILED_ROWS)})
    references.append(_reference(f"{name}:panel_{name}", "inferometer-llm-requests-failed",
                                 "search"))
    return panels, references


def _grid(name: str, left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"panelIndex": name,
            "gridData": {"i": name, "x": left, "y": top, "w": width, "h": height}}
