"""Dataclasses that are a document: a field is a key, its default the key's, its type what it takes.

In the metadata of a field, `constraint` is for its value, or for each item of a list and each value
of a mapping; `constraints` lists the keys a mapping may have, each with its own or None. A field
that is `alone` may be given in the place of its record. Not read here, but written into schemas:
`about`, words for the key, and `bounds`, those of a list or mapping itself.
"""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from inferometer.documents.entry import ONE_LINE, Constraint, Entry

T = TypeVar("T")


def read_record(shape: type[T], entry: Entry) -> T:
    """An entry as a dataclass; keys that are left out have the field's default."""
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, shape))}
    hints = typing.get_type_hints(shape)
    entries = entry.mapping(fields)
    values = {}
    for name, field in fields.items():
        if name in entries or (field.default is dataclasses.MISSING
                               and field.default_factory is dataclasses.MISSING):
            value = entries.get(name) or entry.get(name)
            values[name] = _read(hints[name], value, field.metadata)
    return shape(**values)


def _read(shape: Any, entry: Entry, metadata: Mapping[str, Any]) -> Any:
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    constraint: Constraint | None = metadata.get("constraint")
    if dataclasses.is_dataclass(shape):
        return _read_dataclass(typing.cast(type, shape), entry)
    if origin in (types.UnionType, typing.Union):
        return None if entry.value is None else _read(arguments[0], entry, metadata)
    if origin is tuple:
        return tuple(_read(arguments[0], item, metadata) for item in entry.items())
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _read_mapping(arguments[1], entry, metadata)
    if shape is str:
        text = entry.value
        several_lines = isinstance(text, str) and not text.isprintable()
        return entry.text(ONE_LINE if several_lines else constraint)
    if shape is bool:
        return entry.boolean()
    if shape is datetime.date:
        return entry.day()
    return entry.integer(constraint) if shape is int else entry.number(constraint)


def _read_dataclass(shape: type[T], entry: Entry) -> T:
    alone = [field for field in dataclasses.fields(typing.cast(Any, shape))
             if field.metadata.get("alone")]
    if not alone or isinstance(entry.value, dict):
        return read_record(shape, entry)
    field = alone[0]
    value = _read(typing.get_type_hints(shape)[field.name], entry, field.metadata)
    return shape(**{field.name: value})


def _read_mapping(shape: Any, entry: Entry, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    constraints: Mapping[str, Constraint | None] | None = metadata.get("constraints")
    values = {}
    for key, value in entry.mapping(constraints).items():
        if not key.isprintable():
            value.report("is a key that is not on one line")
        constraint = metadata.get("constraint") if constraints is None else constraints[key]
        values[key] = _read(shape, value, {"constraint": constraint})
    return values
