"""Down to the bytes of each span of a body in protobuf, and no further: walked and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from inferometer.protobuf import BYTES, fields
from inferometer.spans.decoded import BadSpan, BodyCount

# Numbers of fields: one message of each signal has what the other has, under the same number.
_ROOT_RESOURCES = 1
_RESOURCE, _SCOPES = 1, 2
_SCOPE, _ITEMS, _SCHEMA_URL = 1, 2, 3

# Of a message of so many bytes, and fewer, the fields are not counted: they unfold to 1 MB at most.
SMALL = 64 * 1024


@dataclass(slots=True)
class Batch:
    """The spans, records or metrics of one scope; all of them unparsed."""

    resource: bytes
    scope: bytes = b""
    schema_url: str = ""
    items: list[bytes] = field(default_factory=list)


def batches(body: bytes, counts: BodyCount, items: str = "spans") -> list[Batch]:
    """The batches of a body. `items`: as what they are counted. Raises ProtobufError and Refused.
    """
    made: list[Batch] = []
    for number, wire_type, value in fields(body):
        if number == _ROOT_RESOURCES and wire_type == BYTES and isinstance(value, bytes):
            counts.add("resources")
            made += _of_resource(value, counts, items)
        else:
            counts.add("fields")
    return made


def _of_resource(resource_spans: bytes, counts: BodyCount, items: str) -> list[Batch]:
    resource, scopes = b"", []
    for number, wire_type, value in fields(resource_spans):
        if wire_type != BYTES or not isinstance(value, bytes):
            counts.add("fields")
        elif number == _SCOPES:
            counts.add("scopes")
            scopes.append(value)
        else:
            counts.add("fields")
            if number == _RESOURCE:
                resource = value
    return [_of_scope(Batch(resource), scope_spans, counts, items) for scope_spans in scopes]


def _of_scope(batch: Batch, scope_spans: bytes, counts: BodyCount, items: str) -> Batch:
    for number, wire_type, value in fields(scope_spans):
        if wire_type != BYTES or not isinstance(value, bytes):
            counts.add("fields")
        elif number == _ITEMS:
            counts.add(items)
            batch.items.append(value)
        else:
            counts.add("fields")
            if number == _SCOPE:
                batch.scope = value
            elif number == _SCHEMA_URL:
                batch.schema_url = value[:256].decode(errors="replace")
    return batch


def check_fields(message: bytes, largest: int, limits: dict[int, tuple[str, int]]) -> None:
    """Raise BadSpan for a message that is too large, or has too many fields of one number.

    `limits`: by the number, the reason and how many there may be.
    """
    if len(message) < SMALL:
        return
    if len(message) > largest:
        raise BadSpan("too_large")
    counts = dict.fromkeys(limits, 0)
    for number, _, _ in fields(message):
        if number in counts:
            counts[number] += 1
            if counts[number] > limits[number][1]:
                raise BadSpan(limits[number][0])
