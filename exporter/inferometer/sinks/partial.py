"""What a destination says that it did not take of a body that it took.

Source: ExportTracePartialSuccess and its like of OTLP, which have the same fields. Such a body is
not sent again: what was taken of it would be there twice.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from inferometer.protobuf import BYTES, VARINT, ProtobufError, by_number, fields

_REJECTED = ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")
MOST_REJECTED = 2**31  # more can be in no body
MOST_MESSAGE = 4096  # bytes that are looked at


class PartialSuccess(NamedTuple):
    """How many entries, and why."""

    rejected: int = 0
    message: str = ""


def partial_success(content: bytes, content_type: str) -> PartialSuccess:
    """What an answer says; nothing where it says nothing that can be read."""
    try:
        if "json" in content_type:
            return _of_json(json.loads(content)) if content else PartialSuccess()
        if "protobuf" in content_type:
            return _of_protobuf(content)
    except (ValueError, RecursionError, ProtobufError):
        pass
    return PartialSuccess()


def _of_json(answer: object) -> PartialSuccess:
    partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
    if not isinstance(partial, dict):
        return PartialSuccess()
    count = next((partial[name] for name in _REJECTED if name in partial), 0)
    return PartialSuccess(_bounded(int(count)), str(partial.get("errorMessage", ""))[:MOST_MESSAGE])


def _of_protobuf(answer: bytes) -> PartialSuccess:
    rejected, message = 0, b""
    for partial in by_number(answer).get(1, ()):
        for number, kind, value in fields(partial):
            if number == 1 and kind == VARINT and isinstance(value, int):
                rejected = value
            elif number == 2 and kind == BYTES and isinstance(value, bytes):
                message = value
    return PartialSuccess(_bounded(rejected), message[:MOST_MESSAGE].decode("utf-8", "replace"))


def _bounded(count: int) -> int:
    return count if 0 <= count <= MOST_REJECTED else 0
