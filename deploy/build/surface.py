"""What others may rely on as it is now: metrics, labels, closed values, and values of the chart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from inferometer.catalogue import Metric

ANY = "any"  # an open label, a value of any type
_ACCEPTED = {"boolean": ["false", "true"], "number": ["integer", "number"]}  # by a JSON type

Surface = Mapping[str, tuple[str, ...]]  # words by name, as an entry of the contract has them


def surface(metrics: Iterable[Metric], schema: Mapping[str, Any]) -> Surface:
    """What these metrics and this schema of chart values offer."""
    labels = {f"{metric.name}{{{label.name}}}": label.values or (ANY,)
              for metric in metrics for label in metric.labels}
    kinds = {metric.name: (metric.kind,) for metric in metrics}
    values: dict[str, tuple[str, ...]] = {}
    for path, words in _values(schema, schema, ""):
        values[path] = (*values.get(path, ()), *words)
    return dict(sorted((kinds | labels).items())) | {
        path: tuple(dict.fromkeys(words)) or (ANY,) for path, words in values.items()}


def _values(node: Mapping[str, Any], schema: Mapping[str, Any],
            path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every value of the chart by its path: `[]` is an item, `*` a key of one's own choice."""
    parts = [*_parts(node, schema)]
    if path:
        yield path, tuple(word for part in parts for word in _words(part))
    for part in parts:
        for name, inner in part.get("properties", {}).items():
            yield from _values(inner, schema, f"{path}.{name}".lstrip("."))
        if isinstance(part.get("additionalProperties"), Mapping):
            yield from _values(part["additionalProperties"], schema, f"{path}.*")
        if "items" in part:
            yield from _values(part["items"], schema, f"{path}[]")


def _parts(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The node, and what it refers to or is put together of."""
    yield node
    if "$ref" in node:
        yield from _parts(schema["definitions"][node["$ref"].rpartition("/")[2]], schema)
    for key in ("allOf", "anyOf", "oneOf"):
        for part in node.get(key, ()):
            yield from _parts(part, schema)


def _words(part: Mapping[str, Any]) -> list[str]:
    """The values that it takes, or their types."""
    if "enum" in part:
        return [value if isinstance(value, str) else json.dumps(value) for value in part["enum"]]
    kinds = part.get("type", [])
    return [word for kind in ([kinds] if isinstance(kinds, str) else kinds)
            for word in _ACCEPTED.get(kind, [kind])]
