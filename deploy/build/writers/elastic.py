"""Elasticsearch's side of the request log: what makes the data stream in which its lines are kept.

The mapping is made of the table of a line's fields. A document's path is that of the request that
installs it. https://www.elastic.co/docs/manage-data/data-store/templates
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inferometer.bundle.folder import ORIGIN
from inferometer.sinks.request_line import DATASET, FIELDS, LONGEST, LineField

STREAM = f"logs-{DATASET}"  # and a hyphen and a namespace behind it
# What Elasticsearch ships for all streams of logs, in whose place our template stands for ours.
SHIPPED = ("logs@mappings", "logs@settings", "ecs@mappings")
CUSTOM = f"{STREAM}@custom"  # which a user may make, and which has the last word
PRIORITY = 250  # above that of Elastic's own for logs-*-*, 100, and of its packages, 200
ROLLOVER_DAYS = 7
KEPT_DAYS = 30  # after its rollover, as long as a ledger keeps a call by itself
SHIPPERS = Path(__file__).parents[3] / "deploy" / "elastic"


def documents() -> dict[str, dict[str, Any]]:
    """The body of each request by its path: policy, component templates, index template."""
    mappings, settings = f"{STREAM}@mappings", f"{STREAM}@settings"
    return {
        f"_ilm/policy/{STREAM}": {"policy": {"_meta": _META, "phases": {
            "hot": {"actions": {"rollover": {"max_age": f"{ROLLOVER_DAYS}d",
                                             "max_primary_shard_size": "50gb"}}},
            "delete": {"min_age": f"{KEPT_DAYS}d", "actions": {"delete": {}}}}}},
        f"_component_template/{mappings}": {"_meta": _META, "template": {"mappings": {
            "properties": properties(FIELDS)}}},
        f"_component_template/{settings}": {"_meta": _META, "template": {"settings": {
            "index": {"lifecycle": {"name": STREAM}}}}},
        f"_index_template/{STREAM}": {
            "_meta": _META, "index_patterns": [f"{STREAM}-*"], "data_stream": {},
            "priority": PRIORITY, "composed_of": [*SHIPPED, mappings, settings, CUSTOM],
            "ignore_missing_component_templates": [CUSTOM]},
    }


def shippers() -> dict[str, str]:
    """The text of each configuration that sends lines there, by its name."""
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(SHIPPERS.iterdir())}


def properties(fields: Iterable[LineField]) -> dict[str, Any]:
    """The mapping of fields whose dotted names are objects in objects."""
    made: dict[str, Any] = {}
    for field in fields:
        *above, last = field.name.split(".")
        place = made
        for part in above:
            place = place.setdefault(part, {"properties": {}})["properties"]
        place[last] = _mapping(field.type)
    return made


def _mapping(kind: str) -> Mapping[str, Any]:
    return {"type": kind, "ignore_above": LONGEST} if kind == "keyword" else {"type": kind}


_META = {"description": ORIGIN}
