"""What is imported into Kibana: what it refers to is there, and its fields are those of a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from deploy.build.writers.elastic import STREAM
from inferometer.sinks.request_line import FIELDS

FILE = Path(__file__).parents[2] / "deploy/generated/elastic/kibana.ndjson"
OBJECTS: list[dict[str, Any]] = [*map(json.loads, FILE.read_text().splitlines())]
FIELD_TYPES = {field.name: field.type for field in FIELDS}
NUMBERS = {"long", "double"}
QUERY = re.compile(r'([\w.]+) : (?:"\w+"|true|false)')
WIDTH = 48
# The columns of a layer that its drawing names.
DRAWN = ("metricAccessor", "splitAccessor", "xAccessor", "columnId", "accessors")


def of(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["type"] == kind]


def opened(value: Any) -> Any:
    """The same, its texts that are JSON again opened."""
    if isinstance(value, Mapping):
        return {key: opened(json.loads(inner) if key.endswith(("JSON", "Map")) else inner)
                for key, inner in value.items()}
    return [opened(item) for item in value] if isinstance(value, list) else value


def all_of(value: Any, key: str) -> Iterator[Any]:
    """Every value under that key, however deep."""
    if isinstance(value, Mapping):
        if key in value:
            yield value[key]
        for inner in value.values():
            yield from all_of(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from all_of(inner, key)


def panels() -> list[dict[str, Any]]:
    (dashboard,) = of("dashboard")
    made: list[dict[str, Any]] = opened(dashboard)["attributes"]["panelsJSON"]
    return made


def test_there_is_a_data_view_and_what_looks_at_it_each_once() -> None:
    assert [one["type"] for one in OBJECTS] == [
        "index-pattern", "search", "search", "search", "dashboard"]
    assert len({(one["type"], one["id"]) for one in OBJECTS}) == len(OBJECTS)
    (view,) = of("index-pattern")
    assert view["attributes"]["title"] == f"{STREAM}-*"
    assert view["attributes"]["timeFieldName"] == "@timestamp"


def test_every_reference_leads_to_an_object_before_it() -> None:
    seen: set[tuple[str, str]] = set()
    for one in OBJECTS:
        assert {(to["type"], to["id"]) for to in one["references"]} <= seen, one["id"]
        assert len({to["name"] for to in one["references"]}) == len(one["references"])
        seen.add((one["type"], one["id"]))


def test_every_name_of_a_reference_is_one_and_all_are_used() -> None:
    for search in of("search"):
        named = {*all_of(opened(search), "indexRefName")}
        assert named == {to["name"] for to in search["references"]}
    (dashboard,) = of("dashboard")
    named = set()
    for panel in panels():
        index = panel["panelIndex"]
        named |= {f"{index}:{name}" for name in all_of(panel, "panelRefName")}
        if panel["type"] == "lens":
            chart = panel["embeddableConfig"]["attributes"]
            layers = {f"indexpattern-datasource-layer-{layer}" for layer in
                      chart["state"]["datasourceStates"]["formBased"]["layers"]}
            assert {to["name"] for to in chart["references"]} == layers
            named |= {f"{index}:{layer}" for layer in layers}
    assert named == {to["name"] for to in dashboard["references"]}


def test_every_field_that_it_reads_is_one_of_a_line() -> None:
    read = {*all_of([opened(one) for one in OBJECTS], "sourceField")}
    for search in of("search"):
        read |= {*search["attributes"]["columns"], *(
            name for name, _ in search["attributes"]["sort"])}
    (view,) = of("index-pattern")
    read |= json.loads(view["attributes"]["fieldFormatMap"]).keys()
    queries = [query for query in all_of([opened(one) for one in OBJECTS], "query")
               if isinstance(query, str) and query]
    assert len(queries) > 3
    for query in queries:
        match = QUERY.fullmatch(query)
        assert match is not None, query
        read.add(match[1])
    assert read - FIELD_TYPES.keys() == set()
    assert len(read) > 10


def test_every_column_suits_the_type_of_its_field_and_every_drawing_has_its_columns() -> None:
    charts = [panel["embeddableConfig"]["attributes"]["state"] for panel in panels()
              if panel["type"] == "lens"]
    assert len(charts) > 8
    for state in charts:
        ((layer, made),) = state["datasourceStates"]["formBased"]["layers"].items()
        assert {*all_of(state["visualization"], "layerId")} == {layer}
        assert [*made["columns"]] == sorted(made["columnOrder"])
        drawn = {name for key in DRAWN for value in all_of(state["visualization"], key)
                 for name in (value if isinstance(value, list) else [value])}
        assert drawn == made["columns"].keys()
        for column in made["columns"].values():
            kind = FIELD_TYPES[column["sourceField"]]
            if column["operationType"] in ("sum", "percentile"):
                assert kind in NUMBERS
            else:
                assert column["isBucketed"]
                assert kind == {"terms": "keyword", "date_histogram": "date"}[
                    column["operationType"]]
            by = column["params"].get("orderBy", {}).get("columnId")
            assert by is None or not made["columns"][by]["isBucketed"]


def test_panels_fill_the_width_and_none_covers_another() -> None:
    places = [panel["gridData"] for panel in panels()]
    for one, other in combinations(places, 2):
        assert (one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"])
    for top in {place["y"] for place in places}:
        assert sum(place["w"] for place in places if place["y"] == top) == WIDTH
