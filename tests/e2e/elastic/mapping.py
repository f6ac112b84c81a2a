"""What a strict mapping makes of a document: every field known, every value of its type.

Stricter than Elasticsearch, which takes a number for a keyword and makes mappings of what it does
not know: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/dynamic
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "keyword": lambda value: isinstance(value, str),
    "match_only_text": lambda value: isinstance(value, str),
    "date": _is_date,
    "boolean": lambda value: isinstance(value, bool),
    "long": lambda value: type(value) is int and -2**63 <= value < 2**63,
    "double": lambda value: type(value) in (int, float) and math.isfinite(value),
}


class StrictMapping:
    """The properties of a mapping, by the dotted names of fields."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.fields = dict(leaves(properties))

    def faults(self, document: Mapping[str, Any]) -> list[str]:
        """What of a document it refuses, or does not index."""
        return [fault for name, value in _values(document, "")
                if (fault := self._fault(name, value))]

    def _fault(self, name: str, value: Any) -> str:
        field = self.fields.get(name)
        if field is None:
            return f"{name}: no such field"
        if not _TYPES[field["type"]](value):
            return f"{name}: {value!r} is no {field['type']}"
        # As Java counts: a letter beyond the first plane is two.
        if isinstance(value, str) and len(value.encode("utf-16-le")) // 2 > field.get(
                "ignore_above", math.inf):
            return f"{name}: too long to be indexed"
        return ""


def leaves(properties: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields by their dotted names, of objects in objects."""
    for name, field in properties.items():
        if "properties" in field:
            yield from leaves(field["properties"], f"{above}{name}.")
        else:
            yield f"{above}{name}", field


def _values(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each value of a document by the dotted name of its field; of a list each by itself."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, name)
    else:
        yield name, value
