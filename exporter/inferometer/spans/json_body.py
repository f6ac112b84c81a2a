"""OTLP's JSON encoding, by the standard library: ids in hex, whole numbers of 64 bits as texts.

protobuf's own json_format reads ids as base64, without an error: never.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from inferometer.reasons import reason_of
from inferometer.spans.decoded import BadSpan, BodyCount, Bounds, Decoded, Item, Refused
from inferometer.spans.ids import SPAN_ID, TRACE_ID, check_ids, parent, times
from inferometer.spans.json_values import JsonValues, Object, integer, listed, text
from inferometer.spans.span import Event, Kind, LogRecord, Resource, Scope, Span, Status
from inferometer.spans.vocabulary import OF_RESOURCES, Vocabulary

_KINDS: dict[object, Kind] = {int(kind): kind for kind in Kind} | {
    f"SPAN_KIND_{kind.name}": kind for kind in Kind}
_BROKEN = (BadSpan, ValueError, TypeError, AttributeError, OverflowError)
_STATUSES: dict[object, Status] = {int(status): status for status in Status} | {
    f"STATUS_CODE_{status.name}": status for status in Status}


def traces(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[Span]:
    """As otlp.decode_traces."""
    keys = ("resourceSpans", "scopeSpans", "spans")
    return _decoded(body, keys, _ObjectReader(bounds, words), _ObjectReader.span)


def logs(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[LogRecord]:
    """As otlp.decode_logs."""
    keys = ("resourceLogs", "scopeLogs", "logRecords")
    return _decoded(body, keys, _ObjectReader(bounds, words), _ObjectReader.log)


def _decoded(body: bytes, keys: tuple[str, str, str], reader: _ObjectReader,
             read: Callable[[_ObjectReader, Object, Resource, Scope], Item]) -> Decoded[Item]:
    try:
        message = json.loads(body)
        batches = list(_batches(message, reader.counts, keys))
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(400, f"no OTLP in JSON: {reason_of(error)}") from error
    decoded: Decoded[Item] = Decoded(iter(()))
    decoded.spans = _items(batches, reader, read, decoded)
    return decoded


def _batches(message: object, counts: BodyCount,
             keys: tuple[str, str, str]) -> Iterator[tuple[object, Object, list[Any]]]:
    resources = listed(message, keys[0])
    counts.add("resources", len(resources))
    for resource in resources:
        scopes = listed(resource, keys[1])
        counts.add("scopes", len(scopes))
        for scope in scopes:
            items = listed(scope, keys[2])
            counts.add("spans", len(items))
            yield resource.get("resource"), scope, items


def _items(batches: list[tuple[object, Object, list[Any]]], reader: _ObjectReader,
           read: Callable[[_ObjectReader, Object, Resource, Scope], Item],
           decoded: Decoded[Item]) -> Iterator[Item]:
    for resource_message, scope_message, items in batches:
        try:
            resource = reader.resource(resource_message or {})
            scope = _scope(scope_message)
        except _BROKEN as error:
            decoded.rejected[_reason(error)] += len(items)
            continue
        for item in items:
            try:
                yield read(reader, item, resource, scope)
            except _BROKEN as error:
                decoded.rejected[_reason(error)] += 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"


def _scope(message: Object) -> Scope:
    scope = message.get("scope") or {}
    return Scope(text(scope.get("name")), text(scope.get("version")),
                 text(message.get("schemaUrl")))


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


class _ObjectReader:
    """Reads the messages of one body. Raises _BROKEN and Refused."""

    def __init__(self, bounds: Bounds, words: Vocabulary) -> None:
        self.counts = BodyCount(bounds)
        self._bounds = bounds
        self._words = words
        self._values = JsonValues(words, bounds, self.counts)
        self._of_resources = JsonValues(OF_RESOURCES, bounds, self.counts)

    def resource(self, message: object) -> Resource:
        """Who sent it."""
        return Resource(self._of_resources.named(self._pairs(message)))

    def _pairs(self, message: object) -> list[Any]:
        """The attributes of a message."""
        pairs = listed(message, "attributes")
        if len(pairs) > self._bounds.attributes:
            raise BadSpan("too_many_attributes")
        self.counts.begin_span(len(pairs))
        return pairs

    def span(self, message: Object, resource: Resource, scope: Scope) -> Span:
        """A span."""
        trace_id = _id(message.get("traceId"), TRACE_ID)
        span_id = _id(message.get("spanId"), SPAN_ID)
        check_ids(trace_id, span_id)
        events = listed(message, "events")
        if len(events) > self._bounds.events:
            raise BadSpan("too_many_events")
        if len(listed(message, "links")) > self._bounds.links:
            raise BadSpan("too_many_links")
        start, end = times(integer(message.get("startTimeUnixNano")),
                           integer(message.get("endTimeUnixNano")))
        status = message.get("status") or {}
        return Span(trace_id, span_id, parent(_id(message.get("parentSpanId"), SPAN_ID), span_id),
                    text(message.get("name")), _KINDS.get(message.get("kind"), Kind.UNSPECIFIED),
                    start, end, _STATUSES.get(status.get("code"), Status.UNSET),
                    text(status.get("message"), 1024),
                    self._values.named(self._pairs(message)),
                    self._events(events) if events else (), resource, scope)

    def _events(self, messages: list[Any]) -> tuple[Event, ...]:
        """The first event of each name that a table knows."""
        events: dict[str, Event] = {}
        for message in messages:
            name = text(message.get("name"))
            if name not in events and self._words.reads_event(name):
                pairs = listed(message, "attributes")
                if len(pairs) > self._bounds.attributes:
                    raise BadSpan("too_many_attributes")
                self.counts.add("values", len(pairs))
                events[name] = Event(name, integer(message.get("timeUnixNano")),
                                     self._values.all(pairs))
        return tuple(events.values())

    def log(self, message: Object, resource: Resource, scope: Scope) -> LogRecord:
        """A log record."""
        attributes = self._values.all(self._pairs(message))
        name = text(message.get("eventName")) or attributes.get("event.name") or ""
        return LogRecord(
            _id(message.get("traceId"), TRACE_ID), _id(message.get("spanId"), SPAN_ID),
            str(name)[:256],
            integer(message.get("timeUnixNano")) or integer(message.get("observedTimeUnixNano")),
            attributes, self._values.value(message.get("body"), self._bounds.text), resource, scope)
