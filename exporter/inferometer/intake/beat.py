"""The body of a heartbeat: one call, as an SDK sends it, in OTLP's protobuf.

Source: opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

import struct

from inferometer.heartbeats import SERVICE
from inferometer.intake.answer import bytes_field, number_field

CLIENT = 3  # kind of a span
TEXTS = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "inferometer",
         "gen_ai.request.model": "heartbeat"}
NUMBERS = {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1}


def beat_body(trace_id: bytes, span_id: bytes, now: int) -> bytes:
    """A call that ended now, in Unix nanoseconds, and took a millisecond."""
    span = (bytes_field(1, trace_id) + bytes_field(2, span_id) + bytes_field(5, b"heartbeat")
            + number_field(6, CLIENT) + _fixed(7, now - 10**6) + _fixed(8, now)
            + b"".join(bytes_field(9, _text(*pair)) for pair in TEXTS.items())
            + b"".join(bytes_field(9, _pair(key, number_field(3, number)))
                       for key, number in NUMBERS.items()))
    scope = bytes_field(1, bytes_field(1, b"inferometer")) + bytes_field(2, span)
    resource = bytes_field(1, _text("service.name", SERVICE))
    return bytes_field(1, bytes_field(1, resource) + bytes_field(2, scope))


def _text(key: str, text: str) -> bytes:
    return _pair(key, bytes_field(1, text.encode()))


def _pair(key: str, value: bytes) -> bytes:
    return bytes_field(1, key.encode()) + bytes_field(2, value)


def _fixed(field_number: int, value: int) -> bytes:
    return bytes([field_number << 3 | 1]) + struct.pack("<Q", value)
