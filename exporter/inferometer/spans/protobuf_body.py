"""OTLP's protobuf encoding.

The wire format is walked and counted down to each span's bytes, then each span is parsed on its
own, and of its attributes those that a table names. So twenty kilobytes that would unfold to ten
million objects are refused unparsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Status as StatusMessage

from inferometer.protobuf import ProtobufError
from inferometer.spans.decoded import BadSpan, BodyCount, Bounds, Decoded, Item, Refused
from inferometer.spans.envelope import SMALL, Batch, batches, check_fields
from inferometer.spans.ids import SPAN_ID, TRACE_ID, check_ids, parent, times
from inferometer.spans.messages import (
    EventMessage,
    LogMessage,
    ResourceMessage,
    ScopeMessage,
    SpanMessage,
)
from inferometer.spans.protobuf_values import ProtobufValues
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
from inferometer.spans.vocabulary import OF_RESOURCES, Vocabulary

_KINDS = {int(kind): kind for kind in Kind}
_STATUSES = {int(status): status for status in Status}
# As most are: none, or one without a message.
_SHORT_STATUSES = {b"": Status.UNSET, b"\x18\x01": Status.OK, b"\x18\x02": Status.ERROR}
_BROKEN = (BadSpan, DecodeError, ProtobufError)
_NONE: dict[str, AttributeValue] = {}


def traces(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[Span]:
    """As otlp.decode_traces."""
    return _decoded(body, _MessageReader(bounds, words), _MessageReader.span)


def logs(body: bytes, bounds: Bounds, words: Vocabulary) -> Decoded[LogRecord]:
    """As otlp.decode_logs."""
    return _decoded(body, _MessageReader(bounds, words), _MessageReader.log)


def _decoded(body: bytes, reader: _MessageReader,
             read: Callable[[_MessageReader, bytes, Resource, Scope], Item]) -> Decoded[Item]:
    try:
        made = batches(body, reader.counts)
    except ProtobufError as error:
        raise Refused(400, f"no OTLP in protobuf: {error}") from error
    decoded: Decoded[Item] = Decoded(iter(()))
    decoded.spans = _items(made, reader, read, decoded)
    return decoded


def _items(made: list[Batch], reader: _MessageReader,
           read: Callable[[_MessageReader, bytes, Resource, Scope], Item],
           decoded: Decoded[Item]) -> Iterator[Item]:
    for batch in made:
        try:
            resource = reader.resource(batch.resource)
            scope = reader.scope(batch.scope, batch.schema_url)
        except _BROKEN as error:
            decoded.rejected[_reason(error)] += len(batch.items)
            continue
        for item in batch.items:
            try:
                yield read(reader, item, resource, scope)
            except _BROKEN as error:
                decoded.rejected[_reason(error)] += 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"


class _MessageReader:
    """Reads the messages of one body. Raises _BROKEN and Refused."""

    def __init__(self, bounds: Bounds, words: Vocabulary) -> None:
        self.counts = BodyCount(bounds)
        self._bounds = bounds
        self._words = words
        self._values = ProtobufValues(words, bounds, self.counts)
        self._of_resources = ProtobufValues(OF_RESOURCES, bounds, self.counts)
        self._last: tuple[bytes, Resource | BadSpan] | None = None
        of_attributes = "too_many_attributes", bounds.attributes
        self._of_resource, self._of_scope = {1: of_attributes}, {3: of_attributes}
        self._of_log = {6: of_attributes}
        self._of_span = {9: of_attributes, 11: ("too_many_events", bounds.events),
                         13: ("too_many_links", bounds.links)}

    def resource(self, message: bytes) -> Resource:
        """One batch after the other has the same, and only that is remembered."""
        if self._last is None or self._last[0] != message:
            try:
                self._last = message, self._resource(message)
            except _BROKEN as error:
                self._last = message, BadSpan(_reason(error))
        resource = self._last[1]
        if isinstance(resource, BadSpan):
            raise resource
        return resource

    def _resource(self, message: bytes) -> Resource:
        check_fields(message, self._bounds.span_bytes, self._of_resource)
        pairs = ResourceMessage.FromString(message).attributes
        if len(pairs) > self._bounds.attributes:
            raise BadSpan("too_many_attributes")
        self.counts.begin_span(len(pairs))
        return Resource(self._of_resources.named(pairs))

    def scope(self, message: bytes, schema_url: str) -> Scope:
        """The instrumentation."""
        check_fields(message, self._bounds.span_bytes, self._of_scope)
        scope = ScopeMessage.FromString(message)
        return Scope(scope.name[:256], scope.version[:256], schema_url)

    def span(self, message: bytes, resource: Resource, scope: Scope) -> Span:
        """A span."""
        bounds = self._bounds
        if len(message) >= SMALL:
            check_fields(message, bounds.span_bytes, self._of_span)
        span = SpanMessage.FromString(message)
        trace_id, span_id = span.trace_id, span.span_id
        check_ids(trace_id, span_id)
        pairs, events = span.attributes, span.events
        number = len(pairs)
        if number > bounds.attributes:
            raise BadSpan("too_many_attributes")
        if len(events) > bounds.events:
            raise BadSpan("too_many_events")
        if len(span.links) > bounds.links:
            raise BadSpan("too_many_links")
        self.counts.begin_span(number)
        start, end = times(span.start_time_unix_nano, span.end_time_unix_nano)
        status, text = span.status, ""
        code = _SHORT_STATUSES.get(status)
        if code is None:
            code, text = _status(status)
        return Span(trace_id, span_id, parent(span.parent_span_id, span_id), span.name[:256],
                    _KINDS.get(span.kind, Kind.UNSPECIFIED), start, end, code, text,
                    self._values.named(pairs[:]) if number else _NONE,
                    self._events(events) if events else (), resource, scope)

    def _events(self, messages: Any) -> tuple[Event, ...]:
        """The first event of each name that a table knows."""
        events: dict[str, Event] = {}
        for message in messages:
            event = EventMessage.FromString(message)
            name = event.name
            if name not in events and self._words.reads_event(name):
                pairs = event.attributes[:self._bounds.attributes]
                self.counts.add("values", len(pairs))
                events[name] = Event(name, event.time_unix_nano, self._values.all(pairs))
        return tuple(events.values())

    def log(self, message: bytes, resource: Resource, scope: Scope) -> LogRecord:
        """A log record."""
        bounds = self._bounds
        check_fields(message, bounds.span_bytes, self._of_log)
        record = LogMessage.FromString(message)
        if len(record.attributes) > bounds.attributes:
            raise BadSpan("too_many_attributes")
        self.counts.begin_span(len(record.attributes))
        trace_id, span_id = record.trace_id, record.span_id
        if (trace_id and len(trace_id) != TRACE_ID) or (span_id and len(span_id) != SPAN_ID):
            raise BadSpan("bad_id")
        attributes = self._values.all(record.attributes)
        name = record.event_name or attributes.get("event.name") or ""
        return LogRecord(trace_id, span_id, str(name)[:256],
                         record.time_unix_nano or record.observed_time_unix_nano, attributes,
                         self._values.value(record.body, bounds.text), resource, scope)


def _status(message: bytes) -> tuple[Status, str]:
    status = StatusMessage.FromString(message)
    return _STATUSES.get(status.code, Status.UNSET), status.message[:1024]
