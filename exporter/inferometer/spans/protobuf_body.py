"""OTLP's protobuf encoding.

Two steps: the wire format is walked and counted down to each span's bytes, then each span is parsed
on its own. So twenty kilobytes that unfold to ten million objects are refused unparsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from inferometer.protobuf import BYTES, ProtobufError, fields
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

# Numbers of fields: one message of each signal has what the other has, under the same number.
_ROOT_RESOURCES = 1
_RESOURCE, _SCOPES = 1, 2
_SCOPE, _ITEMS, _SCHEMA_URL = 1, 2, 3
_SPAN_ATTRIBUTES, _SPAN_EVENTS, _SPAN_LINKS = 9, 11, 13
_LOG_ATTRIBUTES = 6

_SMALL = 64 * 1024  # bytes of a span that are parsed uncounted: they unfold to 3 MB at most
_KINDS = {int(kind): kind for kind in Kind}
_STATUSES = {int(status): status for status in Status}

Batch = tuple[bytes, bytes, str, list[bytes]]  # resource, scope, schema URL, items


def traces(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[Span]:
    """As otlp.decode_traces."""
    return _decoded(body, bounds, words, _span)


def logs(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[LogRecord]:
    """As otlp.decode_logs."""
    return _decoded(body, bounds, words, _log)


def _decoded(body: bytes, bounds: Bounds, words: Vocabulary,
             read: Callable[[bytes, Bounds, Vocabulary, Resource, Scope], Item]) -> Decoded[Item]:
    try:
        batches = _batches(body, bounds)
    except ProtobufError as error:
        raise Refused(400, f"no OTLP in protobuf: {error}") from error
    decoded: Decoded[Item] = Decoded(iter(()))
    decoded.spans = _items(batches, bounds, words, read, decoded)
    return decoded


def _batches(body: bytes, bounds: Bounds) -> list[Batch]:
    """Down to the bytes of each span, and no further. Raises ProtobufError and Refused."""
    counts = BodyCount(bounds)
    batches: list[Batch] = []
    for number, resource_spans in _inside(body, counts):
        if number == _ROOT_RESOURCES:
            counts.add("resources")
            batches += _of_resource(resource_spans, counts)
        else:
            counts.add("fields")
    return batches


def _inside(message: bytes, counts: BodyCount) -> Iterator[tuple[int, bytes]]:
    """The fields that are bytes; the others are only counted."""
    for number, wire_type, value in fields(message):
        if wire_type == BYTES and isinstance(value, bytes):
            yield number, value
        else:
            counts.add("fields")


def _of_resource(resource_spans: bytes, counts: BodyCount) -> list[Batch]:
    resource, scopes = b"", []
    for number, value in _inside(resource_spans, counts):
        if number == _SCOPES:
            counts.add("scopes")
            scopes.append(value)
            continue
        counts.add("fields")
        if number == _RESOURCE:
            resource = value
    return [_batch(resource, scope_spans, counts) for scope_spans in scopes]


def _batch(resource: bytes, scope_spans: bytes, counts: BodyCount) -> Batch:
    scope, schema_url, items = b"", "", []
    for number, value in _inside(scope_spans, counts):
        if number == _ITEMS:
            counts.add("spans")
            items.append(value)
            continue
        counts.add("fields")
        if number == _SCOPE:
            scope = value
        elif number == _SCHEMA_URL:
            schema_url = value[:256].decode(errors="replace")
    return resource, scope, schema_url, items


def _items(batches: list[Batch], bounds: Bounds, words: Vocabulary,
           read: Callable[[bytes, Bounds, Vocabulary, Resource, Scope], Item],
           decoded: Decoded[Item]) -> Iterator[Item]:
    resources: dict[bytes, Resource | BadSpan] = {}
    for resource_bytes, scope_bytes, schema_url, items in batches:
        try:
            if resource_bytes not in resources:
                resources.clear()  # one batch after the other has the same, and only that
                resources[resource_bytes] = _resource_or_why(resource_bytes, bounds)
            resource = resources[resource_bytes]
            if isinstance(resource, BadSpan):
                raise resource
            scope = _scope(scope_bytes, schema_url, bounds)
        except (BadSpan, DecodeError, ProtobufError) as error:
            decoded.rejected[_reason(error)] += len(items)
            continue
        for item in items:
            try:
                yield read(item, bounds, words, resource, scope)
            except (BadSpan, DecodeError, ProtobufError) as error:
                decoded.rejected[_reason(error)] += 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"


def _resource_or_why(message: bytes, bounds: Bounds) -> Resource | BadSpan:
    try:
        return _resource(message, bounds)
    except (BadSpan, DecodeError, ProtobufError) as error:
        return BadSpan(_reason(error))


def _resource(message: bytes, bounds: Bounds) -> Resource:
    _count(message, bounds, {1: ("too_many_attributes", bounds.attributes)})
    attributes = ResourceMessage.FromString(message).attributes
    if len(attributes) > bounds.attributes:
        raise BadSpan("too_many_attributes")
    return Resource({pair.key: _value(pair.value, bounds, bounds.text, 1) for pair in attributes})


def _scope(message: bytes, schema_url: str, bounds: Bounds) -> Scope:
    _count(message, bounds, {3: ("too_many_attributes", bounds.attributes)})
    scope = InstrumentationScope.FromString(message)
    return Scope(scope.name[:256], scope.version[:256], schema_url)


def _count(message: bytes, bounds: Bounds, limits: dict[int, tuple[str, int]]) -> None:
    """Raise BadSpan for a message that would unfold to more than its bounds."""
    if len(message) < _SMALL:
        return
    if len(message) > bounds.span_bytes:
        raise BadSpan("too_large")
    counts = dict.fromkeys(limits, 0)
    left = bounds.values
    for number, wire_type, value in fields(message):
        left -= 1
        if number in counts:
            counts[number] += 1
            reason, limit = limits[number]
            if counts[number] > limit:
                raise BadSpan(reason)
        if wire_type == BYTES and isinstance(value, bytes) and number in limits:
            left = _nested(value, left, bounds.depth + 4)
        if left < 0:
            raise BadSpan("too_large")


def _nested(message: bytes, left: int, depth: int) -> int:
    """How many values may still come after those of an attribute, event or link.

    A text may look like a message, and is then counted as one: no harm, its bytes are few.
    """
    if len(message) < 64 or depth == 0 or left < 0:
        return left - 1
    try:
        for _number, wire_type, value in fields(message):
            left -= 1
            if left < 0:
                break
            if wire_type == BYTES and isinstance(value, bytes) and len(value) >= 64:
                left = _nested(value, left, depth - 1)
    except ProtobufError:
        pass  # a text
    return left


def _span(message: bytes, bounds: Bounds, words: Vocabulary, resource: Resource,
          scope: Scope) -> Span:
    if len(message) >= _SMALL:
        _count(message, bounds, {
            _SPAN_ATTRIBUTES: ("too_many_attributes", bounds.attributes),
            _SPAN_EVENTS: ("too_many_events", bounds.events),
            _SPAN_LINKS: ("too_many_links", bounds.links)})
    span: Any = SpanMessage.FromString(message)
    trace_id, span_id = span.trace_id, span.span_id
    check_ids(trace_id, span_id)
    attributes = span.attributes
    events = span.events
    if len(attributes) > bounds.attributes:
        raise BadSpan("too_many_attributes")
    if len(events) > bounds.events:
        raise BadSpan("too_many_events")
    if len(span.links) > bounds.links:
        raise BadSpan("too_many_links")
    start, end = times(span.start_time_unix_nano, span.end_time_unix_nano)
    status = span.status
    return Span(trace_id, span_id, parent(span.parent_span_id, span_id), span.name[:256],
                _KINDS.get(span.kind, Kind.UNSPECIFIED), start, end,
                _STATUSES.get(status.code, Status.UNSET), status.message[:1024],
                _attributes(attributes, bounds, words) if attributes else _NONE,
                _events(events, bounds, words) if events else (), resource, scope)


_NONE: dict[str, AttributeValue] = {}


def _attributes(pairs: Any, bounds: Bounds, words: Vocabulary) -> dict[str, AttributeValue]:
    answers, reads = words.answers, words.reads
    read: dict[str, AttributeValue] = {}
    for pair in pairs:
        key = pair.key
        answer = answers.get(key)
        if reads(key) if answer is None else answer:
            value = pair.value
            which = value.WhichOneof("value")
            if which == "int_value":
                read[key] = value.int_value
            elif which == "string_value":
                text = value.string_value
                if len(text) > bounds.text:
                    text = text[:bounds.long_text if words.long(key) else bounds.text]
                read[key] = text
            else:
                read[key] = _value(value, bounds, bounds.text, 1)
    return read


def _value(value: Any, bounds: Bounds, text: int, depth: int) -> AttributeValue:
    which = value.WhichOneof("value")
    if which is None or depth > bounds.depth:
        return None
    inner = getattr(value, which)
    if which in ("string_value", "bytes_value"):
        return inner[:text]  # type: ignore[no-any-return]  # upb has no types
    if which == "array_value":
        return [_value(item, bounds, text, depth + 1) for item in inner.values[:bounds.attributes]]
    if which == "kvlist_value":
        return {pair.key: _value(pair.value, bounds, text, depth + 1)
                for pair in inner.values[:bounds.attributes]}
    return inner  # type: ignore[no-any-return]  # upb has no types


def _events(messages: Any, bounds: Bounds, words: Vocabulary) -> tuple[Event, ...]:
    """The first event of each name that a table knows."""
    events: dict[str, Event] = {}
    for message in messages:
        name = message.name
        if name not in events and words.reads_event(name):
            attributes = {pair.key: _value(pair.value, bounds, bounds.text, 1)
                          for pair in message.attributes[:bounds.attributes]}
            events[name] = Event(name, message.time_unix_nano, attributes)
    return tuple(events.values())


def _log(message: bytes, bounds: Bounds, words: Vocabulary, resource: Resource,
         scope: Scope) -> LogRecord:
    _count(message, bounds, {_LOG_ATTRIBUTES: ("too_many_attributes", bounds.attributes)})
    record: Any = LogMessage.FromString(message)
    if len(record.attributes) > bounds.attributes:
        raise BadSpan("too_many_attributes")
    trace_id, span_id = record.trace_id, record.span_id
    if (trace_id and len(trace_id) != TRACE_ID) or (span_id and len(span_id) != SPAN_ID):
        raise BadSpan("bad_id")
    attributes = {pair.key: _value(pair.value, bounds, bounds.text, 1)
                  for pair in record.attributes}
    name = record.event_name or attributes.get("event.name") or ""
    return LogRecord(trace_id, span_id, str(name)[:256],
                     record.time_unix_nano or record.observed_time_unix_nano, attributes,
                     _value(record.body, bounds, bounds.text, 1), resource, scope)
