"""Mends what grafanalib writes, which is in part older than Grafana 9.

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
    "stat": {"wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"},
    "table": {"frameIndex": 0, "cellHeight": "sm"},
}


def board(written: Json) -> Json:
    """The dashboard as Grafana's schemas want it."""
    mended = _without(_no_nulls(written), _STALE_BOARD)
    mended["timepicker"] = _without(mended["timepicker"], ("time_options",))
    mended["schemaVersion"] = SCHEMA_VERSION
    mended["templating"] = {"list": [_variable(each) for each in mended["templating"]["list"]]}
    mended["panels"] = [_panel(each) for each in mended["panels"]]
    return mended


def _variable(written: Json) -> Json:
    return _without(written, _STALE_VARIABLE) | (_ALL if written["includeAll"] else {})


def _panel(written: Json) -> Json:
    if written["type"] == "row":
        row = {key: written[key] for key in ("type", "title", "collapsed", "id", "gridPos")}
        return {**row, "panels": [_panel(each) for each in written["panels"]]}
    mended = _without(written, _STALE_PANEL)
    mended["targets"] = [
        {**_without(target, _STALE_TARGET), "refId": chr(ord("A") + place),
         "range": not target["instant"], "editorMode": "code"}
        for place, target in enumerate(written["targets"])
    ]
    options = mended["options"]
    for key, value in _REQUIRED[written["type"]].items():
        options[key] = {**options[key], **value} if isinstance(value, dict) else value
    custom = mended["fieldConfig"]["defaults"]["custom"]
    if written["type"] == "table":
        del custom["displayMode"]
        custom["inspect"] = False
    return mended


def _without(found: Json, keys: tuple[str, ...]) -> Json:
    return {key: value for key, value in found.items() if key not in keys}


def _no_nulls(found: Any) -> Any:
    """All but the nulls, which Grafana reads as absent; a threshold's null is its least value."""
    if isinstance(found, list):
        return [_no_nulls(each) for each in found]
    if not isinstance(found, dict):
        return found
    threshold = found.keys() == {"color", "value"}
    return {key: _no_nulls(value) for key, value in found.items()
            if value is not None or threshold}
