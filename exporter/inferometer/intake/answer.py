"""Answers of OTLP/HTTP, in the encoding of the request.

Source: opentelemetry.io/docs/specs/otlp/#otlphttp-response and google/rpc/status.proto. All that
may be tried again is 503 with a Retry-After, never 429: there are exporters that take it for final.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

RETRY_SECONDS = 2
PROTOBUF, JSON = "application/x-protobuf", "application/json"
PLAIN = "text/plain; charset=utf-8"

# Codes of google/rpc/code.proto.
_CODES: Mapping[HTTPStatus, int] = {
    HTTPStatus.BAD_REQUEST: 3,
    HTTPStatus.UNAUTHORIZED: 16,
    HTTPStatus.FORBIDDEN: 7,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 8,
    HTTPStatus.INTERNAL_SERVER_ERROR: 13,
    HTTPStatus.SERVICE_UNAVAILABLE: 14,
}
# The field in ExportTracePartialSuccess and its like that counts what was not taken.
REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords",
            "metrics": "rejectedDataPoints"}
_HEADERS: Mapping[HTTPStatus, Mapping[str, str]] = {
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_SECONDS)},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Basic, Bearer"},
}


@dataclass(frozen=True)
class Reply:
    """One response."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)


def taken(signal: str, encoding: str, rejected: int = 0, why: str = "") -> Reply:
    """200: it is kept, but for so many spans or records, and why these are not."""
    if encoding == JSON:
        partial = {REJECTED[signal]: str(rejected), "errorMessage": why}
        text = json.dumps({"partialSuccess": partial} if why else {})
        return Reply(HTTPStatus.OK, text.encode(), JSON)
    message = _bytes(1, _number(1, rejected) + _bytes(2, why.encode())) if why else b""
    return Reply(HTTPStatus.OK, message, PROTOBUF)


def refused(status: HTTPStatus, why: str, encoding: str = "") -> Reply:
    """A google.rpc.Status, or a line of text to who speaks no encoding of OTLP."""
    headers = _HEADERS.get(status, {})
    code = _CODES.get(status, 2)
    if encoding == JSON:
        text = json.dumps({"code": code, "message": why})
        return Reply(status, text.encode(), JSON, headers)
    if encoding == PROTOBUF:
        return Reply(status, _number(1, code) + _bytes(2, why.encode()), PROTOBUF, headers)
    return Reply(status, f"{why}\n".encode(), PLAIN, headers)


def _number(field_number: int, value: int) -> bytes:
    return _varint(field_number << 3) + _varint(value) if value else b""


def _bytes(field_number: int, value: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
