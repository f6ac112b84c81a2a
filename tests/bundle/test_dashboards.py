"""Boards against Grafana's own schemas, against the recorded series, and against each other."""

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest

import dashboards
from dashboards import DASHBOARDS, Board, replicas, requests
from dashboards.variables import NAMES, OF_MODELS, OF_REPLICAS, OF_SERVICES, VARIABLES
from deploy.build.series import TARGETS, rule_series
from deploy.build.vocabulary import series_of
from inferometer import catalogue as c
from recording_rules import GROUPS
from recording_rules.model import Rule

SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text())
           for path in (Path(__file__).parents[1] / "fixtures/grafana_schema").glob("*.json")}
# Objects there, because Go's `any` became one; Grafana takes a field's name, and any value.
for definition, key in (("MatcherConfig", "options"), ("DynamicConfigValue", "value")):
    del SCHEMAS["dashboard"]["definitions"][definition]["properties"][key]["type"]
RECORDED = {}
for group in GROUPS:
    for rule in group.rules:
        RECORDED[rule.name] = rule
ENGINES = {name for metric in c.ENGINE_METRICS
           for name in (metric.name, *(f"{metric.name}_{part}"
                                       for part in ("bucket", "count", "sum")))}
AGENTS = {name for metric in (c.AGENT_RUNS, c.AGENT_CALLS, c.AGENT_TOOL_CALLS, c.TOOL_CALLS,
                              c.MCP_OPERATIONS, c.CLIENT_LONG_TRACES) for name in series_of(metric)}
CHECKS = {name for metric in (c.EVALUATIONS, c.EVALUATION_SCORE, c.EVALUATION_SAMPLE)
          for name in series_of(metric)}
DESTINATIONS = {metric.name for metric in c.FORWARD_METRICS}
GPUS = {metric.name for metric in (c.GPU_PEAK_FLOPS, c.GPU_PEAK_BANDWIDTH, c.GPU_POD_INFO)}
# The one panel whose series have exemplars, by its name: no recorded series has any.
WITH_EXEMPLARS = requests.CALLS_AND_TRACES.title
BUCKETS = f"{c.CLIENT_DURATION.name}_bucket"
NOT_RECORDED = {
    "ALERTS": "written by Prometheus itself while an alert fires",
    "ALERTS_FOR_STATE": "likewise: since when what it asks is true",
}
MOST_SERIES = 1000
EVERYTHING = dict.fromkeys(NAMES, ".*")
RENDERED = dashboards.render_all()
every_board = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)


@every_board
def test_a_board_fits_grafanas_closed_schemas(board: Board) -> None:
    assert findings(RENDERED[board.uid]) == []


@pytest.mark.parametrize("place", ["board", "panel", "options", "custom", "target"])
def test_a_slip_of_the_pen_is_found_at_every_depth(place: str) -> None:
    board = copy.deepcopy(next(iter(RENDERED.values())))
    panel = next(candidate for candidate in asking(board) if candidate["type"] == "timeseries")
    depths = {"board": board, "panel": panel, "options": panel["options"],
              "custom": panel["fieldConfig"]["defaults"]["custom"], "target": panel["targets"][0]}
    depths[place]["legendFromat"] = "{{model}}"
    assert any("legendFromat" in finding for finding in findings(board))


@every_board
def test_a_second_build_equals_the_first_and_is_small(board: Board) -> None:
    first, second = (json.dumps(built, sort_keys=True)
                     for built in (RENDERED[board.uid], dashboards.render_all()[board.uid]))
    assert first == second
    assert len(first) < 200_000


@every_board
def test_what_is_unknown_has_no_colour_of_what_is_known(board: Board) -> None:
    """Grafana gives no value the colour of the least threshold: green, or red."""
    for panel in asking(RENDERED[board.uid]):
        dressed = [panel["fieldConfig"]["defaults"]] if panel["type"] == "stat" else []
        for override in panel["fieldConfig"]["overrides"]:
            properties = {item["id"]: item["value"] for item in override["properties"]}
            dressed += [properties] if "thresholds" in properties else []
        for field in dressed:
            (mapping,) = field["mappings"]
            assert mapping["options"]["match"] == "null+nan"
            colours = {step["color"] for step in field["thresholds"]["steps"]}
            assert mapping["options"]["result"]["color"] not in colours


@every_board
def test_a_dashed_line_has_a_width_also_over_areas_that_have_none(board: Board) -> None:
    for panel in asking(RENDERED[board.uid]):
        for override in panel["fieldConfig"]["overrides"]:
            properties = {item["id"]: item["value"] for item in override["properties"]}
            if "custom.lineStyle" in properties:
                assert properties["custom.lineWidth"] > 0, panel["title"]


@every_board
def test_every_panel_has_description_unit_and_why_it_may_be_empty(
        board: Board) -> None:
    titles = [panel["title"] for panel in asking(RENDERED[board.uid])]
    assert len(set(titles)) == len(titles)
    for panel in asking(RENDERED[board.uid]):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert defaults["unit"], panel["title"]
        assert re.fullmatch(r"[A-Z1-9].+\.", panel["description"]), panel["title"]
        assert len(defaults["noValue"]) > 5, panel["title"]
        assert panel["targets"], panel["title"]


@every_board
def test_no_panel_asks_for_more_than_is_recorded_but_of_replicas_once_their_row_is_opened(
        board: Board) -> None:
    closed = {panel.title for row in board.rows if row.collapsed for panel in row.panels}
    assert (replicas.TITLE in {row.title for row in board.rows}) is ("pod" in board.variables)
    for query in dashboards.queries(board, EVERYTHING):
        for selector in selectors(promql_parser.parse(query.expr)):
            if query.panel in closed and selector.name in (
                    ENGINES | GPUS | AGENTS | CHECKS | DESTINATIONS):
                continue
            if query.panel == WITH_EXEMPLARS and selector.name == BUCKETS:
                continue
            assert selector.name in RECORDED or selector.name in NOT_RECORDED, query
            rule = RECORDED.get(selector.name)
            if rule:
                assert {matcher.name for matcher in selector.matchers.matchers} <= {
                    *rule.labels, "__name__"}, query


@every_board
def test_a_query_heeds_every_choice_its_series_know_of(board: Board) -> None:
    for panel in board.panels:
        for query in panel.queries:
            marked = dashboards.substitute(query.expr, {name: f"chosen-{name}" for name in NAMES})
            for selector in selectors(promql_parser.parse(marked)):
                heeded = {m.name for m in selector.matchers.matchers if m.value.startswith("chos")}
                if selector.name in ENGINES:  # the median is of all replicas, whichever is chosen
                    assert heeded in ({*OF_REPLICAS}, {*OF_MODELS}), query
                elif selector.name in AGENTS | CHECKS:
                    assert heeded == {*OF_SERVICES}, query
                elif selector.name in RECORDED:
                    assert heeded == {*board.variables} & {*RECORDED[selector.name].labels}, query


def test_the_one_panel_with_exemplars_is_of_one_model_and_of_an_hour_at_most() -> None:
    rows = [(uid, row) for uid, drawn in RENDERED.items() for row in drawn["panels"]
            for panel in asking({"panels": [row]})
            if any("exemplar" in target for target in panel["targets"])]
    ((uid, row),) = rows
    (panel,) = row["panels"]
    (query,) = panel["targets"]
    assert (uid, panel["title"]) == (requests.BOARD.uid, WITH_EXEMPLARS)
    assert row["collapsed"]
    assert (panel["timeFrom"], query["exemplar"], query["range"]) == ("1h", True, True)
    (selector,) = selectors(promql_parser.parse(query["expr"]))
    assert selector.name == BUCKETS
    heeded = {(m.name, str(m.op), m.value) for m in selector.matchers.matchers}
    assert heeded == {("model", "MatchOp.Equal", "${model:raw}"),  # of several it finds none
                      ("cluster", "MatchOp.Re", "$cluster"),
                      ("service_name", "MatchOp.Re", "$service_name")}


@every_board
def test_a_query_answers_with_a_bounded_number_of_series(board: Board) -> None:
    for query in dashboards.queries(board, EVERYTHING):
        assert width(promql_parser.parse(query.expr)) <= MOST_SERIES, query


@every_board
def test_a_panel_fires_few_queries_none_finer_than_the_rules_are(board: Board) -> None:
    for panel in asking(RENDERED[board.uid]):
        assert panel["interval"] in ("1m", "5m")
        assert len(panel["targets"]) <= 12
        for query in panel["targets"]:
            assert query["instant"] is not query["range"]
            assert query["datasource"] == panel["datasource"]
    assert "$__" not in "".join(q.expr for p in board.panels for q in p.queries)


@every_board
def test_a_tables_row_is_of_one_cluster_and_namespace(board: Board) -> None:
    tables = {panel["title"] for panel in asking(RENDERED[board.uid]) if panel["type"] == "table"}
    for query in dashboards.queries(board, EVERYTHING):
        if query.panel in tables:
            node = promql_parser.parse(query.expr)
            assert isinstance(node, promql_parser.AggregateExpr)
            assert node.modifier
            for rule in recorded(node):
                assert {"cluster", "namespace"} & {*rule.labels} <= {*node.modifier.labels}, query


@every_board
def test_an_empty_cell_of_a_table_does_not_repeat_why_the_table_is_empty(board: Board) -> None:
    for panel in asking(RENDERED[board.uid]):
        if panel["type"] == "table":
            columns = {name for change in panel["transformations"]
                       for field, name in change["options"].get("renameByName", {}).items()
                       if field.startswith("Value")}
            dashed = {override["matcher"]["options"]
                      for override in panel["fieldConfig"]["overrides"]
                      if {"id": "noValue", "value": "-"} in override["properties"]}
            assert dashed == {"string", *columns}, panel["title"]


@every_board
def test_time_and_refresh_are_the_houses(board: Board) -> None:
    drawn = RENDERED[board.uid]
    assert drawn["time"] == {"from": "now-24h", "to": "now"}
    assert all(seconds(interval) >= 60
               for interval in (drawn["refresh"], *drawn["timepicker"]["refresh_intervals"]))
    assert drawn["editable"] is False
    assert {panel["datasource"]["uid"] for panel in asking(drawn)} == {"${datasource}"}


@every_board
def test_variables_are_read_anew_with_the_time_range_from_recorded_series(board: Board) -> None:
    source, *variables = RENDERED[board.uid]["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource", "datasource", "prometheus")
    assert tuple(variable["name"] for variable in variables) == NAMES
    for variable, meant in zip(variables, VARIABLES, strict=True):
        assert variable["refresh"] == 2
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (
            True, True, ".*")
        assert (variable["hide"] == 0) is (meant.name in board.variables)
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert match
        (selector,) = selectors(promql_parser.parse(dashboards.substitute(match[1], EVERYTHING)))
        assert match[2] == meant.name
        if meant.name == "pod":  # no rule records replicas
            assert selector.name == c.SERVER_UP.name
        else:
            assert meant.name in RECORDED[selector.name].labels


@every_board
def test_links_lead_to_boards_there_are_and_keep_time_and_choice(board: Board) -> None:
    drawn = RENDERED[board.uid]
    for link in drawn["links"]:
        assert link["keepTime"]
        assert link["includeVars"]
    assert [link["url"] for link in drawn["links"]] == [
        f"/d/{other.uid}" for other in DASHBOARDS if other is not board]
    for url in cell_links(drawn):
        path, _, choice = url.partition("?")
        assert path.removeprefix("/d/") in (*RENDERED, "inferometer-${__data.fields.board}")
        assert "${__url_time_range}" in choice
        for name in ("datasource", *NAMES):
            carried = f"${{{name}:queryparam}}" in choice or f"var-{name}=$" in choice
            assert carried is (name != "pod")  # another model has other replicas


@every_board
def test_alerts_and_starts_of_engines_are_marked_on_every_board(board: Board) -> None:
    marks = {mark["name"]: mark for mark in RENDERED[board.uid]["annotations"]["list"]}
    own = dict.fromkeys((one.name for one in board.appearances), True)
    assert {name: mark["enable"] for name, mark in marks.items()} == {
        "Critical alerts": True, "Warnings": False, "Engine starts": True, "New versions": True,
        **own}
    for mark in marks.values():
        for selector in selectors(promql_parser.parse(
                dashboards.substitute(mark["expr"], EVERYTHING))):
            assert selector.name in RECORDED or selector.name in NOT_RECORDED
    assert 'alertstate="firing", severity="critical"' in marks["Critical alerts"]["expr"]
    assert "pod" not in marks["Critical alerts"]["expr"]  # a model's alert has none
    assert marks["Engine starts"]["useValueForTime"] is True


@every_board
def test_what_is_new_is_marked_once_and_where_it_begins(board: Board) -> None:
    marks = {mark["name"]: mark for mark in RENDERED[board.uid]["annotations"]["list"]}
    for one in board.appearances:
        assert marks[one.name]["expr"] == f"{one.series} unless {one.series} offset 2m"
        assert board.name == "quality"


@every_board
def test_panels_fill_the_board_without_overlap(board: Board) -> None:
    for panels in ([p for p in RENDERED[board.uid]["panels"]],
                   *(p["panels"] for p in RENDERED[board.uid]["panels"] if p["type"] == "row")):
        taken = [cell for panel in panels for cell in cells(panel["gridPos"])]
        assert len(set(taken)) == len(taken)
        assert all(x < 24 for x, _ in taken)


@every_board
def test_a_table_fits_its_panel_on_a_screen_of_1280_pixels(board: Board) -> None:
    for panel in asking(RENDERED[board.uid]):
        if panel["type"] == "table":
            properties = [{item["id"]: item["value"] for item in override["properties"]}
                          for override in panel["fieldConfig"]["overrides"]
                          if override["matcher"]["id"] == "byName"]
            shown = [column for column in properties if "custom.hidden" not in column]
            needed = sum(column.get("custom.width", column.get("custom.minWidth", 0))
                         for column in shown)
            widest = [column for column in shown if "custom.minWidth" in column]
            assert len(widest) == 1, panel["title"]  # which takes what the others leave
            assert needed <= 1280 * panel["gridPos"]["w"] / 24 - 50, panel["title"]


def test_a_limit_is_drawn_dashed_from_what_is_in_force() -> None:
    lines = [(panel, query) for board in RENDERED.values() for panel in asking(board)
             for query in panel["targets"] if query["legendFormat"] == "limit"]
    assert len(lines) > 10
    for panel, query in lines:
        assert ":effective{" in query["expr"]
        assert [dressed["properties"] for dressed in panel["fieldConfig"]["overrides"]
                if re.search(dressed["matcher"]["options"].strip("/"), "limit")] == [[
                    {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
                    {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}},
                    {"id": "custom.lineWidth", "value": 2},
                    {"id": "custom.fillOpacity", "value": 0},
                    {"id": "custom.stacking", "value": {"mode": "none"}}]]


def test_uids_and_panel_ids_are_unique() -> None:
    assert len(RENDERED) == len(DASHBOARDS)
    for drawn in RENDERED.values():
        ids = [panel["id"] for panel in every_panel(drawn)]
        assert len(set(ids)) == len(ids)


def test_a_variable_nobody_gave_is_an_error() -> None:
    with pytest.raises(KeyError, match="namespace"):
        list(dashboards.queries(DASHBOARDS[0], {"cluster": ".*"}))


def every_panel(drawn: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in drawn["panels"]:
        yield panel
        yield from panel.get("panels", [])


def asking(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in every_panel(drawn) if panel["type"] != "row"]


def findings(drawn: dict[str, Any]) -> list[str]:
    """What the closed schemas have against a board, its panels' options and queries included."""
    lines = list(_against("dashboard", "Dashboard", drawn))
    for panel in every_panel(drawn):
        kind = panel["type"]
        if kind == "row":
            lines += _against("dashboard", "RowPanel", panel)
            continue
        lines += _against("dashboard", "Panel", panel)
        lines += _against(kind, "Options", panel["options"])
        if "FieldConfig" in SCHEMAS[kind]["definitions"]:
            lines += _against(kind, "FieldConfig", panel["fieldConfig"]["defaults"]["custom"])
        for query in panel["targets"]:
            lines += _against("prometheus", "Dataquery", query)
    return lines


def _against(schema: str, definition: str, document: Any) -> Iterator[str]:
    subschema = {**SCHEMAS[schema], "$ref": f"#/definitions/{definition}"}
    for error in jsonschema.Draft7Validator(subschema).iter_errors(document):
        yield f"{definition} {'/'.join(map(str, error.absolute_path))}: {error.message[:4000]}"


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for part in ("vector_selector", "expr", "lhs", "rhs", "param"):
        child = getattr(node, part, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


def width(node: Any) -> float:
    """The most series an expression gives, in the largest fleet that one Prometheus is for."""
    match node:
        case promql_parser.AggregateExpr() if str(node.op) == "topk":
            assert isinstance(node.param, promql_parser.NumberLiteral)
            return node.param.val
        case promql_parser.AggregateExpr():
            kept = tuple(node.modifier.labels) if node.modifier else ()
            if c.TARGET.name in kept:
                return TARGETS
            return max((rule_series(dataclasses.replace(rule, labels=kept))
                        for rule in recorded(node)), default=1)
        case promql_parser.BinaryExpr():
            left, right = width(node.lhs), width(node.rhs)
            either = max(left, right)
            return {"and": left, "unless": left, "or": left + right}.get(str(node.op), either)
        case promql_parser.Call():
            return max(map(width, node.args), default=1)
        case promql_parser.ParenExpr():
            return width(node.expr)
    return max((rule_series(rule) for rule in recorded(node)), default=1)


def recorded(node: Any) -> Iterator[Rule]:
    return (RECORDED[selector.name] for selector in selectors(node)
            if selector.name in RECORDED)


def cell_links(drawn: dict[str, Any]) -> Iterator[str]:
    for panel in asking(drawn):
        for override in panel["fieldConfig"].get("overrides", []):
            for set_to in override["properties"]:
                if set_to["id"] == "links":
                    yield from (link["url"] for link in set_to["value"])


def cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]
