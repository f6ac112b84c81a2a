"""The words in which a schema of values is written: each makes a piece of JSON Schema, draft 7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def level(description: str, keys: Mapping[str, Schema]) -> Schema:
    """A mapping of these keys and no others; one that ends in `?` may be left out."""
    required = [key for key in keys if not key.endswith("?")]
    return {
        "type": "object", "description": description, "additionalProperties": False,
        "properties": {key.removesuffix("?"): schema for key, schema in keys.items()},
        **({"required": required} if required else {})}


def table(description: str, value: Schema, **bounds: Any) -> Schema:
    """A mapping of any keys, each with such a value."""
    return {"type": "object", "description": description, "additionalProperties": value, **bounds}


def texts(description: str, **bounds: Any) -> Schema:
    """A mapping of any keys to texts, as labels and annotations are."""
    return table(description, {"type": "string"}, **bounds)


def many(description: str, item: Schema, **bounds: Any) -> Schema:
    """A list."""
    return {"type": "array", "description": description, "items": item, **bounds}


def text(description: str, pattern: str = "", **bounds: Any) -> Schema:
    """A text."""
    return {"type": "string", "description": description,
            **({"pattern": pattern} if pattern else {}), **bounds}


def integer(description: str, **bounds: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, **bounds}


def switch(description: str, *values: bool) -> Schema:
    """True or false, or only the one."""
    return {"type": "boolean", "description": description,
            **({"enum": [*values]} if values else {})}


def choice(description: str, *values: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "description": description, "enum": [*values]}


def shared(name: str, description: str = "") -> Schema:
    """A shape that has a name, with words of its own where they are given."""
    reference = {"$ref": f"#/definitions/{name}"}
    return {"allOf": [reference], "description": description} if description else reference
