"""Answers of OTLP/gRPC: a message, and a status in the trailers.

Source: opentelemetry.io/docs/specs/otlp/#otlpgrpc-response, google/rpc/error_details.proto and
grpc.github.io/grpc/core/md_doc_statuscodes.html. All that may be tried again is UNAVAILABLE with a
RetryInfo, and all that may not is never RESOURCE_EXHAUSTED, which Python's exporter tries again.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus

from inferometer.intake.answer import bytes_field, number_field, retry_seconds

UNAVAILABLE = 14
# Codes of gRPC for those of HTTP by which a body is refused.
CODES: Mapping[HTTPStatus, int] = {
    HTTPStatus.BAD_REQUEST: 3,  # INVALID_ARGUMENT
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 3,
    HTTPStatus.FORBIDDEN: 7,  # PERMISSION_DENIED
    HTTPStatus.NOT_FOUND: 12,  # UNIMPLEMENTED: no such method
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: 12,  # or no such compression
    HTTPStatus.LOOP_DETECTED: 9,  # FAILED_PRECONDITION
    HTTPStatus.INTERNAL_SERVER_ERROR: 13,
    HTTPStatus.SERVICE_UNAVAILABLE: UNAVAILABLE,
    HTTPStatus.UNAUTHORIZED: 16,
}
PREFIX = 5  # bytes before a message: whether it is compressed, and its length
Header = tuple[bytes, bytes]
HEADERS: tuple[Header, ...] = (
    (b":status", b"200"), (b"content-type", b"application/grpc"))
CODINGS: Header = (b"grpc-accept-encoding", b"identity,gzip")
TAKEN: tuple[Header, ...] = ((b"grpc-status", b"0"),)
NO_GRPC: tuple[Header, ...] = ((b":status", b"415"), (b"content-length", b"0"))

_RETRY_INFO_TYPE = bytes_field(1, b"type.googleapis.com/google.rpc.RetryInfo")


def prefixed(message: bytes) -> bytes:
    """The message as it stands on the wire, uncompressed."""
    return b"\0" + len(message).to_bytes(PREFIX - 1, "big") + message


def refused(status: HTTPStatus, why: str, lag: float = 0.0) -> tuple[Header, ...]:
    """Headers of an answer that has nothing else. What may be tried again has a RetryInfo twice:
    in the status, as the specification has it, and where Python's exporter looks for it.
    """
    code = CODES.get(status, 2)
    details = number_field(1, code) + bytes_field(2, why.encode())
    headers = [*HEADERS, CODINGS, (b"grpc-status", b"%d" % code),
               (b"grpc-message", urllib.parse.quote(why, safe=" :;,./=+()'").encode())]
    if code == UNAVAILABLE:
        retry_info = bytes_field(1, number_field(1, retry_seconds(lag)))
        details += bytes_field(3, _RETRY_INFO_TYPE + bytes_field(2, retry_info))
        headers.append((b"google.rpc.retryinfo-bin", _base64(retry_info)))
    return (*headers, (b"grpc-status-details-bin", _base64(details)))


def _base64(value: bytes) -> bytes:
    return base64.b64encode(value).rstrip(b"=")
