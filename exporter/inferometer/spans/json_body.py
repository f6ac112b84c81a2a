"""OTLP's JSON encoding, by the standard library: ids in hex, whole numbers of 64 bits as texts.

protobuf's own json_format reads ids as base64, without an error: never.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from inferometer.reasons import reason_of
from inferometer.spans.decoded import BadSpan, BodyCount, Bounds, Decoded, Item, Refused
from inferometer.spans.ids import SPAN_ID, TRACE_ID, check_ids, parent, times
from inferometer.spans.span import (
    AttributeValue,
    Event,
    Kind,
    LogRecord,
    Resource,
    Scope,
    Span,
    Status,
)
from inferometer.spans.vocabulary import Vocabulary

Object = Mapping[str, Any]
_KINDS: dict[object, Kind] = {int(kind): kind for kind in Kind} | {
    f"SPAN_KIND_{kind.name}": kind for kind in Kind}
_STATUSES: dict[object, Status] = {int(status): status for status in Status} | {
    f"STATUS_CODE_{status.name}": status for status in Status}


def traces(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[Span]:
    """As otlp.decode_traces."""
    return _decoded(body, bounds, words, ("resourceSpans", "scopeSpans", "spans"), _span)


def logs(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[LogRecord]:
    """As otlp.decode_logs."""
    return _decoded(body, bounds, words, ("resourceLogs", "scopeLogs", "logRecords"), _log)


def _decoded(body: bytes, bounds: Bounds, words: Vocabulary, keys: tuple[str, str, str],
             read: Callable[[Object, Bounds, Vocabulary, Resource, Scope], Item]) -> Decoded[Item]:
    try:
        message = json.loads(body)
        batches = list(_batches(message, bounds, keys))
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(400, f"no OTLP in JSON: {reason_of(error)}") from error
    decoded: Decoded[Item] = Decoded(iter(()))
    decoded.spans = _items(batches, bounds, words, read, decoded)
    return decoded


def _list(message: object, key: str) -> list[Any]:
    """A list of a message. Raises TypeError."""
    if not isinstance(message, dict):
        raise TypeError(key)
    value = message.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(key)
    return value


def _batches(message: object, bounds: Bounds,
             keys: tuple[str, str, str]) -> Iterator[tuple[object, Object, list[Any]]]:
    counts = BodyCount(bounds)
    resources = _list(message, keys[0])
    counts.add("resources", len(resources))
    for resource in resources:
        scopes = _list(resource, keys[1])
        counts.add("scopes", len(scopes))
        for scope in scopes:
            items = _list(scope, keys[2])
            counts.add("spans", len(items))
            yield resource.get("resource"), scope, items


def _items(batches: list[tuple[object, Object, list[Any]]], bounds: Bounds, words: Vocabulary,
           read: Callable[[Object, Bounds, Vocabulary, Resource, Scope], Item],
           decoded: Decoded[Item]) -> Iterator[Item]:
    for resource_message, scope_message, items in batches:
        try:
            resource = Resource(_attributes(_list(resource_message or {}, "attributes"), bounds,
                                            None))
            scope = _scope(scope_message)
        except (BadSpan, ValueError, TypeError, AttributeError) as error:
            decoded.rejected[_reason(error)] += len(items)
            continue
        for item in items:
            try:
                yield read(item, bounds, words, resource, scope)
            except (BadSpan, ValueError, TypeError, AttributeError, OverflowError) as error:
                decoded.rejected[_reason(error)] += 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"


def _scope(message: Object) -> Scope:
    scope = message.get("scope") or {}
    return Scope(_text(scope.get("name")), _text(scope.get("version")),
                 _text(message.get("schemaUrl")))


def _text(value: object, size: int = 256) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("text")
    return value[:size]


def _id(value: object, size: int) -> bytes:
    """An id in hex; empty where there is none. Raises BadSpan."""
    if value is None or value == "":
        return b""
    if not isinstance(value, str) or len(value) != 2 * size:
        raise BadSpan("bad_id")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise BadSpan("bad_id") from error


def _integer(value: object) -> int:
    """A number of 64 bits, which stands as a text or as itself. Raises ValueError, TypeError."""
    if value is None:
        return 0
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return int(value)
    raise TypeError("number")


def _span(message: Object, bounds: Bounds, words: Vocabulary, resource: Resource,
          scope: Scope) -> Span:
    trace_id = _id(message.get("traceId"), TRACE_ID)
    span_id = _id(message.get("spanId"), SPAN_ID)
    check_ids(trace_id, span_id)
    events = _list(message, "events")
    if len(events) > bounds.events:
        raise BadSpan("too_many_events")
    if len(_list(message, "links")) > bounds.links:
        raise BadSpan("too_many_links")
    start, end = times(_integer(message.get("startTimeUnixNano")),
                       _integer(message.get("endTimeUnixNano")))
    status = message.get("status") or {}
    return Span(trace_id, span_id, parent(_id(message.get("parentSpanId"), SPAN_ID), span_id),
                _text(message.get("name")), _KINDS.get(message.get("kind"), Kind.UNSPECIFIED),
                start, end, _STATUSES.get(status.get("code"), Status.UNSET),
                _text(status.get("message"), 1024),
                _attributes(_list(message, "attributes"), bounds, words),
                _events(events, bounds, words), resource, scope)


def _attributes(pairs: list[Any], bounds: Bounds, words: Vocabulary | None,
                ) -> dict[str, AttributeValue]:
    if len(pairs) > bounds.attributes:
        raise BadSpan("too_many_attributes")
    read: dict[str, AttributeValue] = {}
    for pair in pairs:
        key = pair.get("key", "")
        if words is None or words.reads(key):
            size = bounds.long_text if words is not None and words.long(key) else bounds.text
            read[key] = _value(pair.get("value"), bounds, size, 1)
    return read


def _value(value: Any, bounds: Bounds, text: int, depth: int) -> AttributeValue:
    if not value or depth > bounds.depth:
        return None
    for kind, inner in value.items():
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(inner, bounds, text, depth)
    return None


def _array(inner: Any, bounds: Bounds, text: int, depth: int) -> AttributeValue:
    return [_value(item, bounds, text, depth + 1)
            for item in _list(inner, "values")[:bounds.attributes]]


def _map(inner: Any, bounds: Bounds, text: int, depth: int) -> AttributeValue:
    return {pair["key"]: _value(pair.get("value"), bounds, text, depth + 1)
            for pair in _list(inner, "values")[:bounds.attributes]}


def _bytes(inner: Any, bounds: Bounds, text: int, depth: int) -> AttributeValue:
    try:
        return base64.b64decode(inner, validate=True)[:text]
    except binascii.Error as error:
        raise BadSpan("malformed") from error


_READERS: dict[str, Callable[[Any, Bounds, int, int], AttributeValue]] = {
    "stringValue": lambda inner, bounds, text, depth: _text(inner, text),
    "intValue": lambda inner, bounds, text, depth: _integer(inner),
    "doubleValue": lambda inner, bounds, text, depth: float(inner),
    "boolValue": lambda inner, bounds, text, depth: inner is True,
    "arrayValue": _array,
    "kvlistValue": _map,
    "bytesValue": _bytes,
}


def _events(messages: list[Any], bounds: Bounds, words: Vocabulary) -> tuple[Event, ...]:
    """The first event of each name that a table knows."""
    events: dict[str, Event] = {}
    for message in messages:
        name = _text(message.get("name"))
        if name not in events and words.reads_event(name):
            events[name] = Event(name, _integer(message.get("timeUnixNano")),
                                 _attributes(_list(message, "attributes"), bounds, None))
    return tuple(events.values())


def _log(message: Object, bounds: Bounds, words: Vocabulary, resource: Resource,
         scope: Scope) -> LogRecord:
    attributes = _attributes(_list(message, "attributes"), bounds, None)
    name = message.get("eventName") or attributes.get("event.name") or ""
    return LogRecord(_id(message.get("traceId"), TRACE_ID), _id(message.get("spanId"), SPAN_ID),
                     str(name)[:256],
                     _integer(message.get("timeUnixNano"))
                     or _integer(message.get("observedTimeUnixNano")),
                     attributes, _value(message.get("body"), bounds, bounds.text, 1), resource,
                     scope)
