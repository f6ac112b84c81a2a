"""A data stream on loopback, which refuses what Elasticsearch refuses, in its words.

Written from the documentation of the APIs to put policies and templates, and of the bulk API:
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from tests.e2e.elastic.mapping import StrictMapping

# What Elasticsearch has from its start, with mappings that are not ours.
SHIPPED = ("logs@mappings", "logs@settings", "ecs@mappings")
_OPERATIONS = {"create", "index", "update", "delete"}
_METADATA = {"_index", "_id", "routing", "require_alias", "require_data_stream", "pipeline",
             "dynamic_templates", "list_executed_pipelines"}
_LONGEST_ID = 512  # bytes


class RefusedError(Exception):
    """A whole request that is refused; its status and why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Cluster:
    """What was installed, and the documents of its data streams."""

    policies: dict[str, Any] = field(default_factory=dict)
    components: dict[str, Any] = field(default_factory=dict)
    templates: dict[str, Any] = field(default_factory=dict)
    objects: list[dict[str, Any]] = field(default_factory=list)  # of Kibana
    documents: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)  # of items
    faults: list[str] = field(default_factory=list)  # of items, and of requests
    is_busy: Callable[[], bool] = lambda: False  # asked for each item

    def put(self, path: str, document: Mapping[str, Any]) -> None:
        """Install a policy or a template. Raises RefusedError."""
        kind, _, name = path.lstrip("/").rpartition("/")
        if kind == "_ilm/policy":
            self.policies[name] = document["policy"]
        elif kind == "_component_template":
            self.components[name] = document["template"]
        elif kind == "_index_template":
            optional = document.get("ignore_missing_component_templates", ())
            missing = [one for one in document["composed_of"]
                       if one not in (*self.components, *SHIPPED, *optional)]
            if missing:
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"component templates {missing} do "
                                                           "not exist")
            self.templates[name] = document
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"nothing is put to {path}")

    def import_objects(self, text: bytes) -> dict[str, Any]:
        """Take saved objects, one a line. Raises ValueError."""
        self.objects += map(json.loads, text.splitlines())
        return {"success": True, "successCount": len(self.objects)}

    def bulk(self, content_type: str, body: bytes) -> dict[str, Any]:
        """The answer to a bulk request. Raises RefusedError."""
        if content_type.partition(";")[0] not in ("application/json", "application/x-ndjson"):
            raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, f"Content-Type {content_type}")
        if not body.endswith(b"\n"):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "The bulk request must be terminated by a "
                                                       "newline [\\n]")
        lines = body[:-1].split(b"\n")
        if len(lines) % 2:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "an action without its document")
        items = [self._item(*_action(action), document)
                 for action, document in zip(lines[::2], lines[1::2], strict=True)]
        return {"took": 1, "items": items,
                "errors": any("error" in answer for item in items for answer in item.values())}

    def _item(self, operation: str, metadata: Mapping[str, str], body: bytes) -> dict[str, Any]:
        status, kind, reason = self._outcome(operation, metadata, body)
        self.statuses[status] += 1
        if status == HTTPStatus.BAD_REQUEST:
            self.faults.append(reason)
        error = {"error": {"type": kind, "reason": reason}} if kind else {}
        return {operation: {"_index": f".ds-{metadata['_index']}-000001",
                            "_id": metadata.get("_id", ""), "status": int(status), **error}}

    def _outcome(self, operation: str, metadata: Mapping[str, str],
                 body: bytes) -> tuple[HTTPStatus, str, str]:
        """The status of an item, the type of its error and why, both empty without one."""
        if self.is_busy():
            return HTTPStatus.TOO_MANY_REQUESTS, "es_rejected_execution_exception", "queue is full"
        stream, identifier = metadata["_index"], metadata.get("_id", "")
        mapping = self.mapping(stream)
        if operation != "create":
            return (HTTPStatus.BAD_REQUEST, "illegal_argument_exception",
                    "only write ops with an op_type of create are allowed in data streams")
        if not identifier or len(identifier.encode()) > _LONGEST_ID:
            return HTTPStatus.BAD_REQUEST, "illegal_argument_exception", f"_id {identifier!r}"
        try:
            document = json.loads(body, object_pairs_hook=_without_doubles)
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, "document_parsing_exception", str(error)
        faults = mapping.faults(document)
        if "@timestamp" not in document:
            faults.append("data stream timestamp field [@timestamp] is missing")
        if faults:
            return HTTPStatus.BAD_REQUEST, "strict_dynamic_mapping_exception", "; ".join(faults)
        if (stream, identifier) in self.documents:
            return (HTTPStatus.CONFLICT, "version_conflict_engine_exception",
                    f"[{identifier}]: version conflict, document already exists")
        self.documents[stream, identifier] = document
        return HTTPStatus.CREATED, "", ""

    def mapping(self, stream: str) -> StrictMapping:
        """That of our own component templates of a data stream. Raises RefusedError."""
        met = [template for template in self.templates.values() if "data_stream" in template
               and any(fnmatchcase(stream, one) for one in template["index_patterns"])]
        if not met:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"no such index [{stream}]")
        template = max(met, key=lambda one: int(one["priority"]))
        properties: dict[str, Any] = {}
        for name in template["composed_of"]:
            component = self.components.get(name, {})
            properties |= component.get("mappings", {}).get("properties", {})
            policy = component.get("settings", {}).get("index", {}).get("lifecycle", {}).get("name")
            if policy is not None and policy not in self.policies:
                raise RefusedError(HTTPStatus.BAD_REQUEST, f"policy [{policy}] does not exist")
        return StrictMapping(properties)


def _action(line: bytes) -> tuple[str, Mapping[str, str]]:
    """An action's operation and metadata. Raises RefusedError."""
    try:
        ((operation, metadata),) = json.loads(line).items()
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Malformed action/metadata line: {error}"
                           ) from error
    if operation not in _OPERATIONS or (unknown := metadata.keys() - _METADATA):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Action/metadata line contains an unknown "
                           f"parameter {operation} {unknown}")
    return operation, metadata


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object no key of which stands twice. Raises ValueError."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("Duplicate field")
    return made
