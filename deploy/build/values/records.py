"""The exporter's configuration as a schema: what `documents.records` reads, and nothing else.

Like that, it takes null for a list, and for a mapping that needs no key.
"""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.build.values.schema import Schema, level, many, table
from inferometer.documents.entry import ONE_LINE, Constraint

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
# A calendar day as Helm hands it on: a text, whether or not it stood in quotes. The format knows
# how long each month is; the pattern takes no other spelling of a day.
_DAY = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


@dataclass(frozen=True)
class Records:
    """Dataclasses as schemas, without those of their fields that are named here."""

    without: Mapping[type, Collection[str]]

    def section(self, shape: type) -> Schema:
        """A dataclass as a level."""
        fields = [field for field in dataclasses.fields(shape)
                  if field.name not in self.without.get(shape, ())]
        return level(_first_line(shape), {
            field.name + ("?" if _has_default(field) else ""): self.key(shape, field.name)
            for field in fields})

    def key(self, shape: type, name: str, description: str = "") -> Schema:
        """What a field of a dataclass takes, in the configuration's words or in other ones."""
        (field,) = (field for field in dataclasses.fields(shape) if field.name == name)
        schema = self._value(typing.get_type_hints(shape)[name], field.metadata)
        about = description or field.metadata.get("about")
        return schema | {"description": about} if about else schema

    def _value(self, shape: Any, metadata: Mapping[str, Any]) -> Schema:
        origin, arguments = typing.get_origin(shape), typing.get_args(shape)
        bounds = metadata.get("bounds", {})
        inner = {"constraint": metadata.get("constraint")}
        if dataclasses.is_dataclass(shape):
            return self._record(typing.cast(type, shape))
        if origin in (types.UnionType, typing.Union):
            return _or_null(self._value(arguments[0], metadata))
        if origin is tuple:
            return _or_null(many("", self._value(arguments[0], inner), **bounds))
        if origin is None:
            return _scalar(shape, metadata.get("constraint"))
        if "constraints" in metadata:
            return _or_null(self._keys(arguments[1], metadata["constraints"]) | bounds)
        return _or_null(table("", self._value(arguments[1], inner), **bounds))

    def _record(self, shape: type) -> Schema:
        """A record below another; where a field may stand in its place, either of the two."""
        schema = self.section(shape)
        for field in dataclasses.fields(shape):
            if field.metadata.get("alone"):
                return {"description": _first_line(shape),
                        "anyOf": [self.key(shape, field.name), schema]}
        return schema if "required" in schema else _or_null(schema)

    def _keys(self, shape: Any, constraints: Mapping[str, Constraint | None]) -> Schema:
        """A mapping that may have these keys, each described by what it must be."""
        keys = {}
        for name, constraint in constraints.items():
            words = {"description": _sentence(constraint.words)} if constraint else {}
            keys[f"{name}?"] = self._value(shape, {"constraint": constraint}) | words
        return level("", keys)


def _scalar(shape: type, constraint: Constraint | None) -> Schema:
    if shape is datetime.date:
        return dict(_DAY)
    bounds = dict(ONE_LINE.bounds) if shape is str else {}
    bounds |= constraint.bounds if constraint else {}
    if bounds.get("multipleOf") == 1:
        del bounds["multipleOf"]
        return {"type": "integer", **bounds}
    return {"type": _TYPES[shape], **bounds}


def _or_null(schema: Schema) -> Schema:
    kind = schema["type"]
    return schema if isinstance(kind, list) else schema | {"type": [kind, "null"]}


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return (field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING)


def _first_line(shape: type) -> str:
    return (shape.__doc__ or "").partition("\n")[0]


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
