"""Panels of Kibana's Lens: a number, bars or lines over time, and a table of the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PERCENTILE = 95
LARGEST = 10  # values of a field that have a line or a row each
_TIME, _SPLIT = "time", "split"  # columns that are no value


@dataclass(frozen=True)
class LensColumn:
    """A figure over all lines, or over those that a query meets."""

    label: str
    operation: str  # sum or percentile
    field: str
    query: str = ""

    def column(self) -> dict[str, Any]:
        """As a column of a layer."""
        params = {"percentile": PERCENTILE} if self.operation == "percentile" else {
            "emptyAsNull": True}
        return {"label": self.label, "customLabel": True, "dataType": "number",
                "isBucketed": False, "scale": "ratio", "operationType": self.operation,
                "sourceField": self.field, "params": params,
                **({"filter": {"language": "kuery", "query": self.query}} if self.query else {})}


@dataclass(frozen=True)
class Chart:
    """A chart of one layer: its columns in their order, and how they are drawn."""

    title: str
    kind: str
    columns: Mapping[str, Mapping[str, Any]]
    drawing: Mapping[str, Any]

    def attributes(self, layer: str, references: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """As a dashboard holds it, its layer by this name."""
        drawing = {**self.drawing, "layerId": layer, "layerType": "data"}
        if self.kind == "lnsXY":
            drawing = {"layers": [drawing], "preferredSeriesType": drawing["seriesType"],
                       "legend": {"isVisible": True, "position": "right"}, "valueLabels": "hide"}
        return {"title": self.title, "type": "lens", "visualizationType": self.kind,
                "references": references, "state": {
                    "adHocDataViews": {}, "filters": [], "internalReferences": [],
                    "query": {"language": "kuery", "query": ""}, "visualization": drawing,
                    "datasourceStates": {"formBased": {"layers": {layer: {
                        "columnOrder": [*self.columns], "columns": self.columns,
                        "incompleteColumns": {}, "sampling": 1}}}}}}


def number(value: LensColumn) -> Chart:
    """One figure of all lines."""
    return Chart(value.label, "lnsMetric", {"value": value.column()}, {"metricAccessor": "value"})


def bars(title: str, value: LensColumn, time: str, split: str) -> Chart:
    """Stacked bars over time, a colour for each of the field's largest values."""
    return _over_time(title, value, time, split, "bar_stacked")


def lines(title: str, value: LensColumn, time: str, split: str) -> Chart:
    """Lines over time, one for each of the field's largest values."""
    return _over_time(title, value, time, split, "line")


def table(title: str, field: str, values: Sequence[LensColumn]) -> Chart:
    """A row for each of a field's largest values, by the first of the figures."""
    columns = {f"value-{place}": value.column() for place, value in enumerate(values)}
    return Chart(title, "lnsDatatable", {_SPLIT: _terms(field, next(iter(columns))), **columns},
                 {"columns": [{"columnId": name} for name in (_SPLIT, *columns)]})


def _over_time(title: str, value: LensColumn, time: str, split: str, series: str) -> Chart:
    columns = {
        _SPLIT: _terms(split, "value"),
        _TIME: {"label": time, "dataType": "date", "isBucketed": True, "scale": "interval",
                "operationType": "date_histogram", "sourceField": time,
                "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}},
        "value": value.column()}
    return Chart(title, "lnsXY", columns, {
        "seriesType": series, "accessors": ["value"], "splitAccessor": _SPLIT, "xAccessor": _TIME})


def _terms(field: str, by: str) -> dict[str, Any]:
    return {"label": field, "dataType": "string", "isBucketed": True, "scale": "ordinal",
            "operationType": "terms", "sourceField": field, "params": {
                "size": LARGEST, "orderBy": {"type": "column", "columnId": by},
                "orderDirection": "desc", "otherBucket": True, "missingBucket": False,
                "parentFormat": {"id": "terms"}}}
