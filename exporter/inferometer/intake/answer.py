"""Answers of OTLP/HTTP, in the encoding of the request.

Source: opentelemetry.io/docs/specs/otlp/#otlphttp-response and google/rpc/status.proto. All that
may be tried again is 503 with a Retry-After, never 429: there are exporters that take it for final.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

RETRY_SECONDS = 2  # after which one may send again, at least
MOST_RETRY_SECONDS = 30
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
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Basic, Bearer"},
}


class Reply(NamedTuple):
    """One response."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = PLAIN
    headers: Mapping[str, str] = {}


_TAKEN = {PROTOBUF: Reply(HTTPStatus.OK, b"", PROTOBUF), JSON: Reply(HTTPStatus.OK, b"{}", JSON)}


def taken(signal: str, encoding: str, rejected: int = 0, why: str = "") -> Reply:
    """200: it is kept, but for so many spans or records, and why these are not."""
    if not why:
        return _TAKEN[encoding]
    if encoding == JSON:
        partial = {REJECTED[signal]: str(rejected), "errorMessage": why}
        return Reply(HTTPStatus.OK, json.dumps({"partialSuccess": partial}).encode(), JSON)
    message = bytes_field(1, number_field(1, rejected) + bytes_field(2, why.encode()))
    return Reply(HTTPStatus.OK, message, PROTOBUF)


def retry_seconds(lag: float) -> int:
    """After how long one may send again what the gateway, so many seconds behind, did not take."""
    return min(MOST_RETRY_SECONDS, max(RETRY_SECONDS, math.ceil(lag)))


def refused(status: HTTPStatus, why: str, encoding: str = "", lag: float = 0.0) -> Reply:
    """A google.rpc.Status, or a line of text to who speaks no encoding of OTLP."""
    headers = _HEADERS.get(status, {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(retry_seconds(lag))}
    code = _CODES.get(status, 2)
    if encoding == JSON:
        text = json.dumps({"code": code, "message": why})
        return Reply(status, text.encode(), JSON, headers)
    if encoding == PROTOBUF:
        message = number_field(1, code) + bytes_field(2, why.encode())
        return Reply(status, message, PROTOBUF, headers)
    return Reply(status, f"{why}\n".encode(), PLAIN, headers)


def number_field(field_number: int, value: int) -> bytes:
    """A field of protobuf's wire format; nothing for 0, which is what is not there."""
    return _varint(field_number << 3) + _varint(value) if value else b""


def bytes_field(field_number: int, value: bytes) -> bytes:
    """The same of a text or a message."""
    return _varint(field_number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
