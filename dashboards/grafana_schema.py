"""Boards as Grafana's schema has them: grafanalib writes some things as before Grafana 9.

Nulls and keys that Grafana no longer knows go; what it requires and grafanalib lacks comes in.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 42
_STALE_BOARD = ("__inputs", "hideControls", "rows", "sharedCrosshair", "style", "gnetId", "id")
_STALE_PANEL = (
    "editable", "error", "height", "minSpan", "span", "columns", "fontSize", "mappings", "color",
    "maxDataPoints",
)
_STALE_TARGET = ("query", "target", "metric", "step", "intervalFactor", "interval")
_STALE_VARIABLE = ("useTags", "tagsQuery", "tagValuesQuery", "auto", "auto_min", "auto_count",
                   "current")
_ALL = {"current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
_REQUIRED: dict[str, Json] = {
    "timeseries": {"legend": {"showLegend": True}},
    "stat": {"wideLayout": False, "showPercentChange": False, "percentChangeColorMode": "standard"},
    "table": {"frameIndex": 0, "cellHeight": "sm"},
}


def conform(board: Json) -> Json:
    """The board as Grafana's schema has it."""
    conforming = _without(_no_nulls(board), _STALE_BOARD)
    conforming["timepicker"] = _without(conforming["timepicker"], ("time_options",))
    conforming["schemaVersion"] = SCHEMA_VERSION
    conforming["templating"] = {"list": [*map(_variable, conforming["templating"]["list"])]}
    conforming["panels"] = [*map(_panel, conforming["panels"])]
    return conforming


def _variable(variable: Json) -> Json:
    return _without(variable, _STALE_VARIABLE) | (_ALL if variable["includeAll"] else {})


def _panel(panel: Json) -> Json:
    if panel["type"] == "row":
        row = {key: panel[key] for key in ("type", "title", "collapsed", "id", "gridPos")}
        return {**row, "panels": [*map(_panel, panel["panels"])]}
    conforming = _without(panel, _STALE_PANEL)
    conforming["targets"] = [
        {**_without(target, _STALE_TARGET), "refId": chr(ord("A") + place),
         "range": not target["instant"], "editorMode": "code"}
        for place, target in enumerate(panel["targets"])
    ]
    options = conforming["options"]
    for key, value in _REQUIRED[panel["type"]].items():
        options[key] = {**options[key], **value} if isinstance(value, dict) else value
    custom = conforming["fieldConfig"]["defaults"]["custom"]
    if panel["type"] == "table":
        del custom["displayMode"]
        custom["inspect"] = False
    return conforming


def _without(node: Json, keys: tuple[str, ...]) -> Json:
    return {key: value for key, value in node.items() if key not in keys}


def _no_nulls(node: Any) -> Any:
    """All but the nulls, which Grafana reads as absent; a threshold's null is its least value."""
    if isinstance(node, list):
        return [*map(_no_nulls, node)]
    if not isinstance(node, dict):
        return node
    threshold = node.keys() == {"color", "value"}
    return {key: _no_nulls(value) for key, value in node.items()
            if value is not None or threshold}
