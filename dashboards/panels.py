"""Builders of panels, and boards as Grafana's JSON. Nothing else knows grafanalib."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attr
from grafanalib import core as grafana
from grafanalib._gen import DashboardEncoder

from dashboards import grafana_schema
from dashboards.marks import marks
from dashboards.model import PREFIX, SOURCE, STEP, Board, Panel, Query
from dashboards.styles import (
    GREY,
    LEAST_TOP,
    PLAIN,
    Colours,
    Field,
    board_link,
    column_style,
    decimals,
    hidden,
    key_styles,
    line_styles,
    no_value,
    override,
    steps,
)
from dashboards.variables import EVERYTHING, VARIABLES, chosen
from recording_rules.limits import Limit
from recording_rules.model import Rule
from recording_rules.promql import by, on

REFRESH = ("1m", "5m", "15m", "30m", "1h")
WIDTH = 24

TOKENS_PER_SECOND = "si: tok/s"
_NAMED = {"titleSize": 13, "valueSize": 28}  # so that a long name can be read
# How a table tells models apart.
MODEL_KEYS = {
    "model": "Model", "engine": "Engine", "namespace": "Namespace", "cluster": "Cluster"}
NO_TRAFFIC = ("No data: no traffic in this time, or the engine does not tell. The exporter board "
              "shows what each engine tells.")
NO_ENGINE = "No data: no engine is read in this scope."
NO_GPU = "No data: no GPU is read in this scope."
NO_GPU_OF_MODELS = ("No data: of no GPU it is known which model it serves. That takes exporters "
                    "beside kubelet and engines: see docs/attribution.md.")
NO_MONEY = "No data: no prices are configured in inferometer.yml, or nothing was spent."


def stat(title: str, description: str, unit: str, expr: str, *, empty: str, width: int = 4,
         colours: Colours = PLAIN, name: str = "", link: str = "") -> Panel:
    """One figure, as it is now, coloured by its value.

    `name` is a label that says whose figure it is; `link` the board that says more.
    """
    query = Query(expr, f"{{{{{name}}}}}" if name else title, instant=True)
    leading = [board_link(link, "byType", "number", {name: f"${{__field.labels.{name}}}"})]
    drawing = grafana.Stat(
        **_common(title, description, (query,)), format=unit, noValue=empty, graphMode="none",
        colorMode="value" if colours is PLAIN else "background", reduceCalc="lastNotNull",
        textMode="value_and_name" if name else "value", thresholds=steps(colours),
        color={"mode": "thresholds"}, overrides=leading if link else [],
        extraJson={"fieldConfig": {"defaults": {
            "mappings": no_value(empty, GREY), **decimals(unit)}},
                   "options": {"text": _NAMED if name else {}}})
    return Panel(title, (query,), width, 4, drawing)


def timeseries(title: str, description: str, unit: str, *queries: Query, empty: str = NO_TRAFFIC,
               width: int = 8, height: int = 10, stacked: bool = False,
               maximum: float | None = None, step: str = STEP, last: str = "",
               looks: Iterable[grafana_schema.Json] = ()) -> Panel:
    """Lines over time, from 0 on, styled by the first word of their legend, and by `looks`.

    A coarser `step` is for many lines of averages that are as long as it is. `last`: the time that
    it shows up to now, whatever the board shows.
    """
    beside = width == WIDTH  # elsewhere a table of figures takes the room of the lines
    drawing = grafana.TimeSeries(
        **_common(title, description, queries, step=step), unit=unit, timeFrom=last or None,
        lineWidth=0 if stacked else 2, showPoints="never", fillOpacity=60 if stacked else 6,
        tooltipMode="multi", tooltipSort="desc", axisSoftMin=0,
        legendPlacement="right" if beside else "bottom",
        legendDisplayMode="table" if beside else "list",
        legendCalcs=["lastNotNull"] if beside else [],
        stacking={"mode": "normal", "group": "A"} if stacked else {"mode": "none"},
        thresholds=steps(PLAIN), overrides=[*line_styles(queries), *looks],
        extraJson={"fieldConfig": {"defaults": {
            "noValue": empty, "min": 0, "max": maximum,
            "custom": {"axisSoftMax": None if maximum else LEAST_TOP.get(unit)}}}})
    return Panel(title, queries, width, height, drawing)


def table(title: str, description: str, keys: Mapping[str, str], columns: Sequence[Field], *,
          empty: str, width: int = WIDTH, height: int = 8, sort: str = "",
          ascending: bool = False, links: Mapping[str, str] | None = None,
          unseen: Sequence[str] = (), looks: Iterable[grafana_schema.Json] = ()) -> Panel:
    """A row for each set of `keys` (label to heading), as it is now.

    `links` names the board to go to from a label. Labels that are `unseen` are there for `looks`.
    """
    queries = tuple(Query(f"max {by((*keys, *unseen))} ({column.expr})", column.title,
                          instant=True) for column in columns)
    values = [f"Value #{chr(ord('A') + place)}" if len(columns) > 1 else "Value"
              for place in range(len(columns))]
    names = {**keys, **dict(zip(values, (column.title for column in columns), strict=True))}
    order = {name: place for place, name in enumerate(names)}
    drawing = grafana.Table(
        **_common(title, description, queries, "table"), unit="short",
        sortBy=[grafana.TableSortByField(sort, desc=not ascending)] if sort else [],
        thresholds=steps(PLAIN), extraJson={"fieldConfig": {"defaults": {
            "noValue": empty}}},
        overrides=[override("byType", "string", noValue="-"), *key_styles([*keys.values()]),
                   *map(column_style, columns), *map(hidden, unseen),
                   *(board_link(board, "byName", keys[label], {label: "${__value.raw}"})
                     for label, board in (links or {}).items()), *looks],
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True},
                                           "indexByName": order, "renameByName": names}}])
    return Panel(title, queries, width, height, drawing)


def limit_line(limit: Limit) -> Query:
    """The limit in force, as a line; the strictest where several models are chosen."""
    return Query(f"{'max' if limit.least else 'min'} ({chosen(limit)})", "limit")


def of_limit(rule: Rule, limit: Limit) -> str:
    """How much of its limit a figure takes: above 1 is over it."""
    return f"{chosen(rule)} / {on(limit.labels)} group_left () ({chosen(limit)} > 0)"


def target_line(value: float) -> Query:
    """What is aimed at, as a line: nobody is woken by it."""
    return Query(f"vector({value:g})", "target")


def render(board: Board, boards: Iterable[Board]) -> grafana_schema.Json:
    """The board as Grafana's JSON, with links to its siblings."""
    drawn = grafana.Dashboard(
        title=board.heading, description=board.description, uid=board.uid, tags=[PREFIX],
        editable=False, timezone="browser", refresh=REFRESH[0], graphTooltip=1,
        time=grafana.Time("now-24h", "now"),
        timePicker=grafana.TimePicker(refreshIntervals=list(REFRESH), timeOptions=[]),
        links=[_sibling(other) for other in boards if other is not board],
        templating=grafana.Templating(_variables(board)),
        annotations=grafana.Annotations(marks(board.variables, board.appearances)),
        panels=list(_laid_out(board)),
    ).auto_panel_ids()
    document = json.loads(json.dumps(drawn.to_json_data(), cls=DashboardEncoder, sort_keys=True))
    return grafana_schema.conform(document)


class _ExemplarTarget(grafana.Target):  # type: ignore[misc]  # grafanalib has no types
    def to_json_data(self) -> grafana_schema.Json:
        return {**super().to_json_data(), "exemplar": True}


def _common(title: str, description: str, queries: Iterable[Query],
            form: str = "time_series", step: str = STEP) -> grafana_schema.Json:
    targets = [(_ExemplarTarget if query.exemplars else grafana.Target)(
        expr=query.expr, legendFormat=query.legend, instant=query.instant, format=form,
        datasource=SOURCE) for query in queries]
    return {"title": title, "description": description, "targets": targets, "dataSource": SOURCE,
            "interval": step}


def _sibling(board: Board) -> grafana.DashboardLink:
    return grafana.DashboardLink(
        title=board.title, uri=f"/d/{board.uid}", tooltip=board.description, type="link",
        icon="dashboard", keepTime=True, includeVars=True)


def _variables(board: Board) -> list[grafana.Template]:
    """The data source, then what narrows the view; what this board has no use for is hidden."""
    source = grafana.Template("datasource", "prometheus", label="Data source", type="datasource",
                              refresh=grafana.REFRESH_ON_DASHBOARD_LOAD)
    return [source, *(
        grafana.Template(
            variable.name, variable.query, dataSource=SOURCE,
            label=variable.name.removesuffix("_name").capitalize(),
            multi=True, includeAll=True, allValue=EVERYTHING,
            refresh=grafana.REFRESH_ON_TIME_RANGE_CHANGE,
            hide=grafana.SHOW if variable.name in board.variables else grafana.HIDE_VARIABLE)
        for variable in VARIABLES)]


def _laid_out(board: Board) -> Iterator[Any]:
    """Rows from top to bottom; in a row panels from left to right, and on below."""
    y = 0
    for row in board.rows:
        placed, below = _placed(row.panels, y + 1)
        place = grafana.GridPos(1, WIDTH, 0, y)
        if row.collapsed:
            yield grafana.RowPanel(title=row.title, gridPos=place, collapsed=True, panels=placed)
            y += 1
        else:
            yield grafana.RowPanel(title=row.title, gridPos=place)
            yield from placed
            y = below


def _placed(panels: Iterable[Panel], y: int) -> tuple[list[Any], int]:
    placed, x, tallest = [], 0, 0
    for panel in panels:
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place = grafana.GridPos(panel.height, panel.width, x, y)
        placed.append(attr.evolve(panel.drawing, gridPos=place))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return placed, y + tallest
