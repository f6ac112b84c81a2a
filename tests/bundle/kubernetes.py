"""Manifests against real schemas: Kubernetes' own, and those of the operators' resources.

A misspelt key is a finding everywhere, also where a server would drop it in silence. What is no
schema's matter, such as a name that nothing bears, is asked in `manifests.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft7Validator

OLDEST, NEWEST = VERSIONS = ("1.25", "1.37")
CRDS = Path(__file__).parents[1] / "fixtures" / "crds"
Manifest = dict[str, Any]


def parsed(text: str) -> list[Manifest]:
    """The documents of a stream. Raises yaml.YAMLError, also for a key that is there twice."""
    return [document for document in yaml.load_all(text, Loader=_Strict) if document is not None]


def validated(documents: Iterable[Manifest], versions: Iterable[str] = VERSIONS) -> list[Manifest]:
    """The documents, every one valid in each version. Raises AssertionError with all findings."""
    given, asked = [*documents], [*versions]
    lines = sorted({finding for document in given for version in asked
                    for finding in findings(document, version)})
    assert not lines, "\n".join(lines)
    return given


def findings(document: Manifest, version: str) -> Iterator[str]:
    """What the schemas say of a manifest."""
    kind, api = document.get("kind", ""), document.get("apiVersion", "")
    if not kind or not api:
        yield f"{[*document]}: neither kind nor apiVersion may be missing"
        return
    named = f"{kind} {document.get('metadata', {}).get('name')}"
    try:
        if (custom := _custom(api, kind)) is None:
            kubernetes_validate.validate(document, version, strict=True)
            return
        # A custom resource's metadata are Kubernetes' own: any kind of its has the same.
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document.get("metadata")},
            version, strict=True)
        for error in custom.iter_errors(document):
            yield f"{named}: {error.json_path}: {error.message[:300]}"
    except kubernetes_validate.ValidationError as error:
        yield f"{named} in {version}: {error.json_path}: {error.message[:300]}"
    except kubernetes_validate.SchemaNotFoundError:
        yield f"{named}: nobody knows a {kind} of {api!r} in {version}"


def added(document: Manifest) -> Iterator[tuple[str, bool]]:
    """What a server adds to an operator's resource by the defaults of its definition.

    Each with its path, and whether it stands inside a list.
    """
    schema = _definition(document["apiVersion"], document["kind"])
    yield from _defaults(schema or {}, document, "", in_list=False)


def _defaults(schema: Manifest, value: Any, path: str, in_list: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _defaults(schema.get("items", {}), item, f"{path}[{number}]", in_list=True)
    if not isinstance(value, dict):
        return
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, inner in named.items():
        if key not in value and "default" in inner:
            yield f"{path}.{key}", in_list
    for key, item in value.items():
        inner = named.get(key, others if isinstance(others, dict) else {})
        yield from _defaults(inner, item, f"{path}.{key}", in_list)


@cache
def _custom(api: str, kind: str) -> Draft7Validator | None:
    """The closed schema of an operator's resource, None for what is no operator's."""
    schema = _definition(api, kind)
    return None if schema is None else Draft7Validator(_closed(schema))


@cache
def _definition(api: str, kind: str) -> Manifest | None:
    """The schema of an operator's resource as its definition has it."""
    group, _, version = api.partition("/")
    file = CRDS / f"{group}_{kind.lower()}s.yaml"
    if not file.exists():
        return None
    definition = yaml.load(file.read_text(encoding="utf-8"), Loader=_Strict)["spec"]
    for served in definition["versions"]:
        if served["name"] == version and definition["names"]["kind"] == kind:
            schema: Manifest = served["schema"]["openAPIV3Schema"]
            return schema
    return None


def _closed(schema: Any) -> Any:
    """A custom resource's schema, which leaves objects open, as JSON Schema that closes them."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        closed["type"] = [schema["type"], "null"]
    return closed


class _Strict(yaml.CSafeLoader):
    """Refuses a key that is there twice; takes `=` for the string that it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(
                None, None, f"there twice: {sorted(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


_Strict.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)
