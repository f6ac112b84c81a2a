"""A span as every encoding of OTLP gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from inferometer.record import record

AttributeValue = (str | bool | int | float | bytes | Sequence["AttributeValue"]
                  | Mapping[str, "AttributeValue"] | None)
Attributes = Mapping[str, AttributeValue]


class Kind(IntEnum):
    """Whose side of a call it is: SpanKind of opentelemetry/proto/trace/v1/trace.proto."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Status(IntEnum):
    """Status.StatusCode of the same file."""

    UNSET = 0
    OK = 1
    ERROR = 2


@record
class Event:
    """Something at one moment of a span."""

    name: str
    time: int  # Unix nanoseconds
    attributes: Attributes


@dataclass(frozen=True)
class Resource:
    """Who sent it."""

    attributes: Attributes

    @cached_property
    def service_name(self) -> str:
        """The service's name; empty where none is given."""
        return str(self.attributes.get("service.name") or "")


@record
class Scope:
    """Which instrumentation made it."""

    name: str = ""
    version: str = ""
    schema_url: str = ""


@record
class Span:
    """One span."""

    trace_id: bytes  # 16 bytes
    span_id: bytes  # 8 bytes
    parent_id: bytes  # 8 bytes, or empty
    name: str
    kind: Kind
    start: int  # Unix nanoseconds
    end: int
    status: Status
    message: str  # of the status
    attributes: Attributes
    events: Sequence[Event]
    resource: Resource
    scope: Scope


@record
class LogRecord:
    """One log record; those of GenAI are events with a name."""

    trace_id: bytes
    span_id: bytes
    name: str
    time: int
    attributes: Attributes
    body: AttributeValue
    resource: Resource
    scope: Scope
