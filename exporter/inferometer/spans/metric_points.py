"""Data points of metrics, as both encodings have them, to what they say of calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

from inferometer.facts import ErrorType
from inferometer.points import CallLabels, MetricPoint
from inferometer.spans.decoded import BadSpan
from inferometer.spans.errors import error_of, outcome_of
from inferometer.spans.flavours.genai import OPERATIONS
from inferometer.spans.flavours.reading import text
from inferometer.spans.flavours.table import StepKind
from inferometer.spans.metric_names import (
    ERROR,
    MEASURES,
    MODEL,
    OPERATION,
    PROVIDER,
    SECONDS,
    TIMES,
    TOKEN_TYPE,
    TOKEN_TYPES,
    UNKNOWN,
    Measure,
)
from inferometer.spans.span import Attributes, Scope

SIZE = 16  # bytes of an identity
LONGEST = 256  # characters of a label's value
MOST_BOUNDS = 200
MOST_COUNT = 2**53
MOST_TOTAL = 10**18  # nanoseconds, or tokens
DELTA, CUMULATIVE = 1, 2  # AggregationTemporality
NO_VALUE = 1  # the flag of a point that says that there is none
# What is counted in it, by the data that it may have: a sum's values are no calls.
SUM, HISTOGRAM, EXPONENTIAL = "sum", "histogram", "exponentialHistogram"


class MetricSource(NamedTuple):
    """One metric of one instrumentation of one sender."""

    sender: bytes  # identity of its resource
    service_name: str
    scope: Scope
    name: str
    unit: str
    data: str  # SUM, HISTOGRAM or EXPONENTIAL
    is_delta: bool


@dataclass(slots=True)
class RawPoint:
    """A data point as it stands in a body."""

    attributes: Mapping[str, object]
    start: int = 0
    time: int = 0
    flags: int = 0
    count: int = 0
    total: float | None = None
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def sender_of(attributes: Attributes) -> bytes:
    """Identity of a resource, by all of its attributes."""
    return _digest(_pairs(attributes))


def is_read(name: str) -> bool:
    """Whether the metric is about calls."""
    return name in MEASURES


def point_of(source: MetricSource, raw: RawPoint) -> MetricPoint | None:
    """What the point says of calls; None where it says nothing of them.

    Raises BadSpan for what cannot be: a negative number, buckets that do not add up, another unit.
    """
    attributes, measure = raw.attributes, MEASURES.get(source.name)
    if measure is None or raw.flags & NO_VALUE:
        return None
    quantity = measure.quantity or TOKEN_TYPES.get(text(attributes.get(TOKEN_TYPE)), "")
    operation = _operation(attributes, measure)
    if not quantity or operation is None:
        return None
    is_time = quantity in TIMES
    if is_time and source.data == SUM:
        return None  # a sum of durations says of no call how long it took
    scale = SECONDS.get(source.unit) if is_time else 1.0
    if scale is None or not raw.time or raw.start > raw.time:
        raise BadSpan("malformed")
    bounds, counts = _buckets(raw, scale) if is_time else ((), ())
    failure = text(attributes.get(ERROR))
    error = error_of((failure,), "") if failure else ErrorType.NONE
    scope = source.scope.name, source.scope.version
    return MetricPoint(
        stream=_digest((source.sender, scope, source.name, source.unit, source.data,
                        source.is_delta, _pairs(attributes))),
        chooser=_digest((source.sender, scope, quantity, operation)),
        metric=source.name, rank=measure.rank, quantity=quantity,
        labels=CallLabels(_first(attributes, PROVIDER), _first(attributes, MODEL), operation,
                          source.service_name[:LONGEST]),
        outcome=outcome_of(error), error_type=error, is_delta=source.is_delta, start=raw.start,
        time=raw.time, values=_count(raw.count), total=_total(raw.total, scale), bounds=bounds,
        counts=counts)


def _operation(attributes: Mapping[str, object], measure: Measure) -> str | None:
    """The operation by the name that spans' have; None for one that is no call to a model."""
    name = text(attributes.get(OPERATION))[:LONGEST]
    means = OPERATIONS.means.get(name)
    if means is None:  # of a gateway's own, or none
        return name or measure.operation
    return means.operation or name if means.kind is StepKind.CALL else None


def _first(attributes: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        value = text(attributes.get(name))
        if value and value != UNKNOWN:
            return value[:LONGEST]
    return ""


def _buckets(raw: RawPoint, scale: float) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Bounds in seconds, and how many values are in each bucket. Raises BadSpan."""
    bounds, counts = raw.bounds, raw.counts
    if len(bounds) > MOST_BOUNDS:
        raise BadSpan("too_large")
    if not counts:
        return (), ()
    if (len(counts) != len(bounds) + 1 or any(count < 0 for count in counts)
            or sum(counts) != raw.count or not all(map(math.isfinite, bounds))
            or any(a >= b for a, b in pairwise(bounds))):
        raise BadSpan("malformed")
    if scale == SECONDS["s"]:
        return bounds, counts
    return tuple(bound * scale / SECONDS["s"] for bound in bounds), counts


def _count(number: int) -> int:
    if not 0 <= number <= MOST_COUNT:
        raise BadSpan("malformed")
    return number


def _total(number: float | None, scale: float) -> int:
    """The sum in tokens or nanoseconds. Raises BadSpan."""
    if number is None or not 0 <= number * scale <= MOST_TOTAL:  # nor for what is no number
        raise BadSpan("malformed")
    return round(number * scale)


def _pairs(attributes: Mapping[str, object]) -> list[tuple[str, object]]:
    return sorted(attributes.items())


def _digest(identity: object) -> bytes:
    return blake2b(repr(identity).encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()
