"""What a body comes to, and how much of it is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from inferometer.points import MetricPoint
from inferometer.spans.span import LogRecord, Span

Item = TypeVar("Item", Span, LogRecord, MetricPoint)

PROTOBUF, JSON = "protobuf", "json"  # the encodings of a body


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one body may hold. What is beyond them is refused, or costs its own span."""

    spans: int = 10_000  # or log records
    metrics: int = 10_000
    points: int = 50_000  # of metrics about calls; those of others are not looked at
    resources: int = 1_000
    scopes: int = 1_000
    fields: int = 20_000  # of a body in protobuf, around its spans and beside these three
    span_bytes: int = 4 * 1024 * 1024
    attributes: int = 1_024
    events: int = 128
    links: int = 64
    values: int = 1_000_000  # in all attributes of a body, those within lists and maps counted
    span_values: int = 65_536  # the same of one span
    text: int = 16 * 1024  # characters that are kept of a value
    long_text: int = 256 * 1024  # the same of values that hold a document of their own
    depth: int = 8  # lists and maps within each other


class Refused(Exception):
    """A body that is taken in no part."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # of HTTP: 400 or 413
        self.message = message


SEND_FEWER = "; the sender's OTEL_BSP_MAX_EXPORT_BATCH_SIZE bounds them"
_ADVICE = {"spans": SEND_FEWER, "values": SEND_FEWER,
           "fields": " beside its resources, scopes and spans"}


class BadSpan(ValueError):
    """One span, or log record, that cannot be taken; its text is one of REASONS."""


class BodyCount:
    """How many more one body may have of what Bounds bounds, by the same names."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._left_of_span = bounds.span_values
        self._left = {name: getattr(bounds, name)
                     for name in ("resources", "scopes", "spans", "metrics", "points", "fields",
                                  "values")}

    def add(self, name: str, number: int = 1) -> None:
        """Count so many more. Raises Refused once there are too many."""
        self._left[name] -= number
        if self._left[name] < 0:
            most = getattr(self._bounds, name)
            raise Refused(413, f"more than {most} {name} in one body{_ADVICE.get(name, '')}")

    def begin_span(self, attributes: int) -> None:
        """Count the values of the attributes that the next span has. Raises Refused."""
        self._left_of_span = self._bounds.span_values
        if attributes:
            self.add("values", attributes)

    def add_values(self, number: int = 1) -> None:
        """Count more within a value. Raises BadSpan where its span has too many, and Refused."""
        self._left_of_span -= number
        if self._left_of_span < 0:
            raise BadSpan("too_large")
        self.add("values", number)


# Why a span is left out: a closed label.
REASONS = ("bad_id", "malformed", "too_large", "too_many_attributes", "too_many_events",
           "too_many_links")


@dataclass(slots=True)
class Decoded(Generic[Item]):
    """The spans, records or data points of one body, made one by one as they are read.

    `rejected` counts by reason and is complete once the spans are read to their end.
    """

    spans: Iterator[Item]
    rejected: Counter[str] = field(default_factory=Counter)
