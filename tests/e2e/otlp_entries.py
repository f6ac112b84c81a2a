"""Bodies of OTLP taken apart into spans and log records, and put together again in other ways.

Nothing here knows an instrumentation, and nothing of it is the gateway's own reader.
"""

from __future__ import annotations

import copy
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# By signal: the message, and the names of its three levels in protobuf and in JSON.
_LEVELS: Mapping[str, tuple[Any, Sequence[str], Sequence[str]]] = {
    "traces": (ExportTraceServiceRequest, ("resource_spans", "scope_spans", "spans"),
               ("resourceSpans", "scopeSpans", "spans")),
    "logs": (ExportLogsServiceRequest, ("resource_logs", "scope_logs", "log_records"),
             ("resourceLogs", "scopeLogs", "logRecords")),
}
_IDS = {"trace_id": "traceId", "span_id": "spanId", "parent_span_id": "parentSpanId"}


@dataclass(frozen=True)
class Entry:
    """One span or log record as it was sent, with the resource and scope around it."""

    signal: str
    encoding: str  # of the body that it came in
    body: int  # that body's number in its folder
    resource: Any  # ResourceSpans without its scopes, a message or a dict
    scope: Any
    item: Any

    @property
    def trace_id(self) -> str:
        """In hex, empty where it has none."""
        return self.identity("trace_id")

    def identity(self, name: str) -> str:
        """One of its ids by the name in protobuf, in hex."""
        if self.encoding == JSON:
            return str(self.item.get(_IDS[name]) or "").lower()
        value: bytes = getattr(self.item, name, b"")
        return value.hex()

    def as_dict(self) -> Mapping[str, Any]:
        """The item in the form of OTLP/JSON; ids are not to be read there."""
        item: Mapping[str, Any] = (
            self.item if self.encoding == JSON else MessageToDict(self.item))
        return item

    @property
    def scope_name(self) -> str:
        """The instrumentation's."""
        if self.encoding == JSON:
            return str((self.scope.get("scope") or {}).get("name", ""))
        return str(self.scope.scope.name)

    def service(self) -> str:
        """The application that sent it."""
        for pair in _attributes(self):
            if _key(pair) == "service.name":
                return _text(pair)
        return "unknown_service"


def entries_of(folder: Path) -> list[Entry]:
    """All spans and log records of a folder of captured bodies, in the order they came."""
    return [entry for number, path in enumerate(sorted(_bodies(folder)))
            for entry in _entries(path, number)]


def _bodies(folder: Path) -> Iterator[Path]:
    """Files of bodies as they were sent; of two forms of one body, that one."""
    for path in folder.iterdir():
        signal = path.name.partition("-")[2].partition(".")[0]
        if signal in _LEVELS and (path.suffix == ".pb" or path.name.endswith(".sent.json")):
            yield path


def _entries(path: Path, number: int) -> Iterator[Entry]:
    signal = path.name.partition("-")[2].partition(".")[0]
    kind, in_protobuf, in_json = _LEVELS[signal]
    encoding = PROTOBUF if path.suffix == ".pb" else JSON
    resources, scopes, items = in_protobuf if encoding == PROTOBUF else in_json
    body = (kind.FromString(path.read_bytes()) if encoding == PROTOBUF
            else json.loads(path.read_bytes()))
    for resource in _part(body, resources):
        for scope in _part(resource, scopes):
            bare = _without(resource, scopes), _without(scope, items)
            for item in _part(scope, items):
                yield Entry(signal, encoding, number, *bare, item)


def _part(container: Any, name: str) -> Any:
    return container.get(name) or () if isinstance(container, dict) else getattr(container, name)


def _without(container: Any, name: str) -> Any:
    if isinstance(container, dict):
        return {key: value for key, value in container.items() if key != name}
    bare = copy.deepcopy(container)
    bare.ClearField(name)
    return bare


def body_of(entries: Sequence[Entry]) -> bytes:
    """One body of these, all of one signal and encoding."""
    kind, in_protobuf, in_json = _LEVELS[entries[0].signal]
    if entries[0].encoding == JSON:
        resources, scopes, items = in_json
        return json.dumps({resources: [
            {**entry.resource, scopes: [{**entry.scope, items: [entry.item]}]}
            for entry in entries]}, ensure_ascii=False).encode()
    resources, scopes, items = in_protobuf
    message = kind()
    for entry in entries:
        resource = getattr(message, resources).add()
        resource.CopyFrom(entry.resource)
        scope = getattr(resource, scopes).add()
        scope.CopyFrom(entry.scope)
        getattr(scope, items).append(entry.item)
    return bytes(message.SerializeToString())


def as_sent(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries of each body that came."""
    bodies: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        bodies[entry.body].append(entry)
    return list(bodies.values())


def reversed_bodies(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The last first, body by body and span by span."""
    return [body[::-1] for body in as_sent(entries)[::-1]]


def shuffled(entries: Sequence[Entry], chance: random.Random) -> list[list[Entry]]:
    """All of them in any order, split into any bodies."""
    bodies: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    count = chance.randint(1, 8)
    for entry in chance.sample(entries, len(entries)):
        bodies[entry.signal, entry.encoding, chance.randrange(count)].append(entry)
    return chance.sample(list(bodies.values()), len(bodies))


def renamed(entry: Entry, service: str, twist: bytes) -> Entry:
    """The same by another application's name, and with other ids: theirs, exclusive-or `twist`."""
    resource, item = copy.deepcopy(entry.resource), copy.deepcopy(entry.item)
    _name_service(entry.encoding, resource, service)
    for target in (item, *(_part(item, "links") if entry.signal == "traces" else ())):
        _twist(entry.encoding, target, twist)
    return replace(entry, resource=resource, item=item)


def _name_service(encoding: str, resource: Any, service: str) -> None:
    if encoding == JSON:
        owner = resource["resource"] = resource.get("resource") or {}
        owner["attributes"] = [
            *(pair for pair in owner.get("attributes") or () if _key(pair) != "service.name"),
            {"key": "service.name", "value": {"stringValue": service}}]
        return
    attributes = resource.resource.attributes
    others = [pair for pair in attributes if pair.key != "service.name"]
    del attributes[:]
    attributes.extend(others)
    attributes.add(key="service.name").value.string_value = service


def _twist(encoding: str, target: Any, twist: bytes) -> None:
    for name, in_json in _IDS.items():
        if encoding == JSON:
            if target.get(in_json):
                target[in_json] = _xor(bytes.fromhex(target[in_json]), twist).hex()
        elif getattr(target, name, b""):
            setattr(target, name, _xor(getattr(target, name), twist))


def _xor(value: bytes, twist: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(value, twist, strict=False))


def _attributes(entry: Entry) -> Iterable[Any]:
    if entry.encoding == JSON:
        return (entry.resource.get("resource") or {}).get("attributes") or ()
    return entry.resource.resource.attributes  # type: ignore[no-any-return]  # upb has no types


def _key(pair: Any) -> str:
    return str(pair.get("key", "") if isinstance(pair, dict) else pair.key)


def _text(pair: Any) -> str:
    if isinstance(pair, dict):
        return str((pair.get("value") or {}).get("stringValue", ""))
    return str(pair.value.string_value)


Arrange = Callable[[Sequence[Entry]], list[list[Entry]]]
