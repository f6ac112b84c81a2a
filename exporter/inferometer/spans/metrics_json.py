"""OTLP's metrics in JSON: as metrics_protobuf reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from inferometer.points import MetricPoint
from inferometer.reasons import reason_of
from inferometer.spans.decoded import BadSpan, BodyCount, Bounds, Decoded, Refused
from inferometer.spans.json_values import JsonValues, Object, integer, listed, text
from inferometer.spans.metric_points import (
    CUMULATIVE,
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
from inferometer.spans.span import AttributeValue, Resource, Scope
from inferometer.spans.vocabulary import OF_RESOURCES

_TEMPORALITIES: Mapping[object, int] = {
    DELTA: DELTA, CUMULATIVE: CUMULATIVE, "AGGREGATION_TEMPORALITY_DELTA": DELTA,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": CUMULATIVE}
_BROKEN = (BadSpan, ValueError, TypeError, AttributeError, OverflowError)


class _ScopeMetrics(NamedTuple):
    """The metrics of one scope, unread."""

    resource: object
    scope: Object
    metrics: list[Any]


def metrics(body: bytes, bounds: Bounds) -> Decoded[MetricPoint]:
    """As otlp.decode_metrics."""
    reader = _ObjectMetricReader(bounds)
    try:
        made = list(_batches(json.loads(body), reader.counts))
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(400, f"no OTLP in JSON: {reason_of(error)}") from error
    decoded: Decoded[MetricPoint] = Decoded(iter(()))
    decoded.spans = reader.points(made, decoded)
    return decoded


def _batches(message: object, counts: BodyCount) -> Iterator[_ScopeMetrics]:
    resources = listed(message, "resourceMetrics")
    counts.add("resources", len(resources))
    for resource in resources:
        scopes = listed(resource, "scopeMetrics")
        counts.add("scopes", len(scopes))
        for scope in scopes:
            items = listed(scope, "metrics")
            counts.add("metrics", len(items))
            yield _ScopeMetrics(resource.get("resource"), scope, items)


class _ObjectMetricReader:
    """Reads the metrics of one body. Raises Refused."""

    def __init__(self, bounds: Bounds) -> None:
        self.counts = BodyCount(bounds)
        self._bounds = bounds
        self._values = JsonValues(OF_RESOURCES, bounds, self.counts)

    def points(self, made: list[_ScopeMetrics], decoded: Decoded[MetricPoint]
               ) -> Iterator[MetricPoint]:
        """All of them; what is broken is counted, and left out."""
        for resource, scope_message, items in made:
            messages = [message for message in items if _is_read(message)]
            if not messages:
                continue
            try:
                attributes = self._attributes(resource or {})
                scope = _scope(scope_message)
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

    def _metric(self, source: MetricSource, message: Object) -> tuple[MetricSource, list[Any]]:
        """What it is, and its data points unread: none of what is no counter."""
        data = next((kind for kind in (SUM, HISTOGRAM, EXPONENTIAL) if message.get(kind)), "")
        body = message[data] if data else {}
        points = listed(body, "dataPoints")
        self.counts.add("points", len(points))
        temporality = _TEMPORALITIES.get(body.get("aggregationTemporality"), 0)
        if not temporality or (data == SUM and body.get("isMonotonic") is not True):
            points = []
        return source._replace(name=text(message.get("name")), unit=text(message.get("unit")),
                               data=data, is_delta=temporality == DELTA), points

    def _point(self, message: Object, data: str) -> RawPoint:
        raw = RawPoint(self._attributes(message), integer(message.get("startTimeUnixNano")),
                       integer(message.get("timeUnixNano")), integer(message.get("flags")))
        if data == SUM:
            tokens = message.get("asInt")
            raw.total = _real(message.get("asDouble")) if tokens is None else integer(tokens)
            return raw
        raw.count, raw.total = integer(message.get("count")), _real(message.get("sum"))
        if data == HISTOGRAM:
            counts, bounds = listed(message, "bucketCounts"), listed(message, "explicitBounds")
            if len(bounds) > MOST_BOUNDS or len(counts) > MOST_BOUNDS + 1:
                raise BadSpan("too_large")
            raw.counts, raw.bounds = tuple(map(integer, counts)), tuple(map(float, bounds))
        return raw

    def _attributes(self, message: object) -> dict[str, AttributeValue]:
        pairs = listed(message, "attributes")
        if len(pairs) > self._bounds.attributes:
            raise BadSpan("too_many_attributes")
        self.counts.begin_span(len(pairs))
        return self._values.all(pairs)


def _is_read(message: object) -> bool:
    """Whether the metric is about calls; one that is broken is looked at to be counted."""
    name = message.get("name") if isinstance(message, dict) else None
    return not isinstance(name, str) or is_read(name)


def _scope(message: Object) -> Scope:
    scope = message.get("scope") or {}
    return Scope(text(scope.get("name")), text(scope.get("version")),
                 text(message.get("schemaUrl")))


def _real(value: object) -> float | None:
    """A number, also one that stands as text; None where there is none. Raises ValueError, …"""
    return None if value is None else float(value)  # type: ignore[arg-type]  # else it raises


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BadSpan) else "malformed"
