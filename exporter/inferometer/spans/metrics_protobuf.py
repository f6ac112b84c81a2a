"""OTLP's metrics in protobuf: of those about calls each data point is read, the others are passed
over unparsed.

Source of the numbers of fields: opentelemetry/proto/metrics/v1/metrics.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from google.protobuf.message import DecodeError

from inferometer.points import MetricPoint
from inferometer.protobuf import BYTES, FIXED64, VARINT, ProtobufError, by_number, fields, text
from inferometer.spans.decoded import BadSpan, BodyCount, Bounds, Decoded, Refused
from inferometer.spans.envelope import Batch, batches, check_fields
from inferometer.spans.messages import ResourceMessage, ScopeMessage
from inferometer.spans.metric_points import (
    DELTA,
    EXPONENTIAL,
    HISTOGRAM,
    MOST_BOUNDS,
    SUM,
    MetricSource,
    RawPoint,
    is_read,
    point_of,
    sender_of,
)
from inferometer.spans.protobuf_values import ProtobufValues
from inferometer.spans.span import AttributeValue, Resource, Scope
from inferometer.spans.vocabulary import OF_RESOURCES

_NAME, _UNIT = 1, 3  # Metric
_DATA = {7: SUM, 9: HISTOGRAM, 10: EXPONENTIAL}
_POINTS, _TEMPORALITY, _MONOTONIC = 1, 2, 3  # all of these
_BROKEN = (BadSpan, DecodeError, ProtobufError)
_REAL, _WHOLE = struct.Struct("<d"), struct.Struct("<q")


class _PointFields(NamedTuple):
    """Numbers of a data point's fields; 0 where it has none of these."""

    attributes: int
    flags: int
    values: int = 4
    total: int = 5
    integer: int = 0  # the same as a whole number
    counts: int = 0
    bounds: int = 0
    start: int = 2
    time: int = 3


_FIELDS: Mapping[str, _PointFields] = {
    SUM: _PointFields(7, 8, values=0, total=4, integer=6),
    HISTOGRAM: _PointFields(9, 10, counts=6, bounds=7),
    EXPONENTIAL: _PointFields(1, 10),
}


def metrics(body: bytes, bounds: Bounds) -> Decoded[MetricPoint]:
    """As otlp.decode_metrics."""
    reader = _MetricReader(bounds)
    try:
        made = batches(body, reader.counts, "metrics")
    except ProtobufError as error:
        raise Refused(400, f"no OTLP in protobuf: {error}") from error
    decoded: Decoded[MetricPoint] = Decoded(iter(()))
    decoded.spans = reader.points(made, decoded)
    return decoded


class _MetricReader:
    """Reads the metrics of one body. Raises Refused."""

    def __init__(self, bounds: Bounds) -> None:
        self.counts = BodyCount(bounds)
        self._bounds = bounds
        self._values = ProtobufValues(OF_RESOURCES, bounds, self.counts)

    def points(self, made: list[Batch], decoded: Decoded[MetricPoint]) -> Iterator[MetricPoint]:
        """All of them; what is broken is counted, and left out."""
        for batch in made:
            messages = [message for message in batch.items if _is_read(message)]
            if not messages:
                continue
            try:
                attributes = self._resource(batch.resource)
                scope = self._scope(batch)
            except _BROKEN as error:
                decoded.rejected[_reason(error)] += len(messages)
                continue
            sender = sender_of(attributes)
            for message in messages:
                source = MetricSource(sender, Resource(attributes).service_name, scope, "", "", "",
                                      is_delta=False)
                try:
                    source, points = self._metric(source, message)
                except _BROKEN as error:
                    decoded.rejected[_reason(error)] += 1
                    continue
                for one in points:
                    try:
                        point = point_of(source, self._point(one, source.data))
                    except _BROKEN as error:
                        decoded.rejected[_reason(error)] += 1
                        continue
                    if point is not None:
                        yield point

    def _metric(self, source: MetricSource, message: bytes) -> tuple[MetricSource, list[bytes]]:
        """What it is, and its data points unread: none of what is no counter."""
        name = unit = data = ""
        points: list[bytes] = []
        temporality, monotonic = 0, True
        for number, wire_type, value in fields(message):
            if wire_type != BYTES or not isinstance(value, bytes):
                continue
            if number == _NAME:
                name = text(value)
            elif number == _UNIT:
                unit = text(value)
            elif number in _DATA:
                data = _DATA[number]
                points, temporality, monotonic = self._data(value, data)
        if not temporality or not monotonic:
            points = []
        return source._replace(name=name, unit=unit, data=data,
                               is_delta=temporality == DELTA), points

    def _data(self, message: bytes, data: str) -> tuple[list[bytes], int, bool]:
        points: list[bytes] = []
        temporality, monotonic = 0, data != SUM
        for number, wire_type, value in fields(message):
            if wire_type == BYTES and number == _POINTS and isinstance(value, bytes):
                self.counts.add("points")
                points.append(value)
            elif wire_type == VARINT and isinstance(value, int):
                if number == _TEMPORALITY:
                    temporality = value
                elif number == _MONOTONIC and data == SUM:
                    monotonic = value != 0
        return points, temporality, monotonic

    def _point(self, message: bytes, data: str) -> RawPoint:
        numbers = _FIELDS[data]
        check_fields(message, self._bounds.span_bytes, {
            numbers.attributes: ("too_many_attributes", self._bounds.attributes)})
        pairs: list[bytes] = []
        raw = RawPoint({})
        for number, wire_type, value in fields(message):
            if isinstance(value, int):
                if number == numbers.flags:
                    raw.flags = value
            elif number == numbers.attributes and wire_type == BYTES:
                pairs.append(value)
            elif number and number == numbers.bounds:
                raw.bounds += _numbers(value, "d")
            elif number and number == numbers.counts:
                raw.counts += tuple(map(int, _numbers(value, "Q")))
            elif wire_type == FIXED64:
                _set(raw, numbers, number, value)
        raw.attributes = self._attributes(pairs)
        return raw

    def _attributes(self, pairs: list[bytes]) -> dict[str, AttributeValue]:
        if len(pairs) > self._bounds.attributes:
            raise BadSpan("too_many_attributes")
        self.counts.begin_span(len(pairs))
        return self._values.all(pairs)

    def _resource(self, message: bytes) -> dict[str, AttributeValue]:
        check_fields(message, self._bounds.span_bytes, {
            1: ("too_many_attributes", self._bounds.attributes)})
        return self._attributes(list(ResourceMessage.FromString(message).attributes))

    def _scope(self, batch: Batch) -> Scope:
        check_fields(batch.scope, self._bounds.span_bytes, {
            3: ("too_many_attributes", self._bounds.attributes)})
        scope = ScopeMessage.FromString(batch.scope)
        return Scope(scope.name[:256], scope.version[:256], batch.schema_url)


def _is_read(message: bytes) -> bool:
    """Whether the metric is about calls; one that is broken is looked at to be counted."""
    try:
        names = by_number(message).get(_NAME, [b""])
    except ProtobufError:
        return True
    return is_read(names[-1].decode(errors="replace"))


def _set(raw: RawPoint, numbers: _PointFields, number: int, value: bytes) -> None:
    if number == numbers.start:
        raw.start = int.from_bytes(value, "little")
    elif number == numbers.time:
        raw.time = int.from_bytes(value, "little")
    elif number == numbers.total:
        raw.total = _REAL.unpack(value)[0]
    elif number == numbers.values:
        raw.count = int.from_bytes(value, "little")
    elif number == numbers.integer:
        raw.total = _WHOLE.unpack(value)[0]


def _numbers(value: bytes, kind: str) -> tuple[float, ...]:
    """Packed numbers of 64 bits, or one that stands alone. Raises BadSpan."""
    many, rest = divmod(len(value), 8)
    if rest or many > MOST_BOUNDS + 1:
        raise BadSpan("malformed" if rest else "too_large")
    return struct.unpack(f"<{many}{kind}", value)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"
