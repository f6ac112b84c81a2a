"""Bodies of OTLP that cost their sender little and a receiver much, by name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.otlp_entries import JSON, PROTOBUF

MOST = 32 * 2**20  # bytes that a body may have
SPANS = 10_000
TIME = 1_780_000_000_000_000_000


@dataclass(frozen=True)
class Hostile:
    """A body and how it is sent; `packed` is already in the body."""

    encoding: str
    body: bytes
    packed: bool = False


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _full(unit: bytes, room: int = MOST - 64) -> bytes:
    return unit * (room // len(unit))


def _span(inside: bytes) -> bytes:
    return _field(1, b"\1" * 16) + _field(2, b"\2" * 8) + inside


def _in_span(inside: bytes) -> bytes:
    return _field(1, _field(2, _field(2, _span(inside))))


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9)


def _deep(depth: int, list_field: int) -> bytes:
    """An AnyValue of so many lists, one in the other."""
    value = b""
    for _ in range(depth):
        value = _field(list_field, _field(1, value))
    return _field(9, _field(1, b"k") + _field(2, value))


def _json_in(levels: str, content: str) -> bytes:
    names = levels.split()
    return ("".join(f'{{"{name}":[' for name in names) + content + "]}" * len(names)).encode()


def _filled(unit: str, room: int = MOST - 256) -> str:
    return ",".join([unit] * (room // (len(unit) + 1)))


SPANS_PATH = "resourceSpans scopeSpans spans"


def _calls(text: int) -> bytes:
    """As many calls as a body may have, each in a trace of its own, with so much text."""
    request: Any = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for i in range(SPANS):
        span = scope.spans.add(trace_id=i.to_bytes(16, "big"), span_id=(i + 1).to_bytes(8, "big"),
                               name="chat", start_time_unix_nano=TIME,
                               end_time_unix_nano=TIME + 1)
        for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", f"m{i}"),
                           ("user.id", f"user {i}"), ("gen_ai.input.messages", "x" * text)):
            span.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())


def _attributes(count: int, length: int) -> bytes:
    return b"".join(_field(9, _field(1, b"k%d" % i) + _field(2, _field(1, b"v" * length)))
                    for i in range(count))


def _one_call_with(attribute: tuple[str, str]) -> bytes:
    request: Any = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=b"\3" * 16, span_id=b"\4" * 8, start_time_unix_nano=TIME,
        end_time_unix_nano=TIME + 1)
    for key, value in (("gen_ai.operation.name", "chat"), attribute):
        span.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())


def _chain(count: int) -> bytes:
    """One trace in which every span is the child of the one before."""
    request: Any = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for i in range(count):
        span = scope.spans.add(
            trace_id=b"\5" * 16, span_id=(i + 1).to_bytes(8, "big"), start_time_unix_nano=TIME,
            parent_span_id=i.to_bytes(8, "big") if i else (count).to_bytes(8, "big"),
            end_time_unix_nano=TIME + 1)
        for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "m")):
            span.attributes.add(key=key).value.string_value = value
    return bytes(request.SerializeToString())


_STEMS: Mapping[str, Callable[[], bytes]] = {  # of protobuf
    "empty resources": lambda: _full(b"\x0a\0"),
    "empty scopes": lambda: _field(1, _full(b"\x12\0")),
    "empty spans": lambda: _field(1, _field(2, _full(b"\x12\0"))),
    "empty attributes": lambda: _in_span(_full(b"\x4a\0")),
    "empty events": lambda: _in_span(_full(b"\x5a\0")),
    "empty links": lambda: _in_span(_full(b"\x6a\0")),
    "empty attributes of a resource": lambda: _field(1, _field(1, _full(b"\x0a\0"))),
    "empty attributes of a scope": lambda: _field(1, _field(2, _field(1, _full(b"\x1a\0")))),
    "empty values of a list": lambda: _in_span(
        _field(9, _field(2, _field(5, _full(b"\x0a\0", 4_000_000))))),
    "small spans with a full list each": lambda: b"".join(
        [_in_span(_field(9, _field(2, _field(5, _full(b"\x0a\0", 30_000)))))] * 1000),
    "unknown fields": lambda: _full(b"\xba\x3e\0"),
    "groups": lambda: _full(b"\x0b\x0c"),
    "an endless group": lambda: _full(b"\x0b"),
    "deep lists": lambda: _in_span(_deep(2000, 5)),
    "deep maps": lambda: _in_span(_deep(2000, 6)),
    "lists as deep as may be": lambda: _in_span(_deep(90, 5) * 1000),
    "ids of any length": lambda: _field(1, _field(2, b"".join(
        _field(2, _field(1, b"\1" * (i % 40)) + _field(2, b"\2" * (i % 20)))
        for i in range(SPANS)))),
    "one long string": lambda: _in_span(_field(9, _field(1, b"k") + _field(2, _field(
        1, _full(b"v"))))),
    "one long name": lambda: _in_span(_field(5, _full(b"n"))),
    "one long attribute name": lambda: _in_span(_field(9, _field(1, _full(b"k")))),
    "a long string within a span's bound": lambda: _in_span(_attributes(1, 4_000_000)),
    "spans with as many attributes as may be": lambda: b"".join(
        [_in_span(_attributes(1024, 1))] * 2500),
    "attributes as long as may be": lambda: b"".join(
        [_in_span(_attributes(200, 16_384))] * 9),
    "as many calls as may be": lambda: _calls(16),
    "as many calls with text": lambda: _calls(3000),
    "a chain of calls in a circle": lambda: _chain(SPANS),
    "usage in a text that nests": lambda: _one_call_with(
        ("mlflow.chat.tokenUsage", "[" * 1_000_000)),
    "usage in a text of empty objects": lambda: _one_call_with(
        ("llm.openai.usage", "[" + "{}," * 1_300_000 + "{}]")),
    "usage of many digits": lambda: _one_call_with(
        ("mlflow.chat.tokenUsage", '{"input_tokens":' + "9" * 3_000_000 + "}")),
    "no message": lambda: b"\xff" * MOST,
}
_JSONS: Mapping[str, Callable[[], bytes]] = {
    "JSON of empty resources": lambda: _json_in("resourceSpans", _filled("{}")),
    "JSON of empty lists": lambda: _json_in("resourceSpans", _filled("[]")),
    "JSON of empty spans": lambda: _json_in(SPANS_PATH, _filled("{}")),
    "JSON of small objects": lambda: _json_in(SPANS_PATH, _filled('{"a":{}}')),
    "JSON of empty attributes": lambda: _json_in(f"{SPANS_PATH} attributes", _filled("{}")),
    "JSON of numbers": lambda: _json_in(SPANS_PATH, _filled("0.1")),
    "JSON of nothing": lambda: _json_in(SPANS_PATH, _filled("null")),
    "JSON beside what is read": lambda: b'{"x":[' + _filled("{}").encode() + b"]}",
    "JSON of other names": lambda: json.dumps(
        {f"{i:x}": i for i in range(1_600_000)}).encode()[:MOST],
    "JSON of lists, one in the other": lambda: b"[" * MOST,
    "JSON of maps, one in the other": lambda: b'{"a":' * (MOST // 5),
    "JSON of deep values": lambda: _json_in(
        f"{SPANS_PATH} attributes", '{"key":"k","value":' + '{"arrayValue":{"values":[' * 300
        + "]}}" * 300 + "}"),
    "JSON of escapes": lambda: b'{"x":"' + b"\\u0001" * (MOST // 6 - 2) + b'"}',
    "JSON of one wide text": lambda: ('{"x":"\U0001f600' + "a" * (MOST - 64) + '"}').encode(),
    "JSON of a long number": lambda: b'{"x":' + b"9" * (MOST - 64) + b"}",
}
_GZIPS: Mapping[str, Callable[[], bytes]] = {  # made of nothing else
    "a bomb": lambda: _packed(bytes(2**30)),
    "many empty members": lambda: gzip.compress(b"") * (MOST // 21),
    "members of one byte": lambda: gzip.compress(b"\x0a") * (MOST // 24),
    "padding": lambda: gzip.compress(b"") + bytes(MOST - 64),
    "a bomb in a bomb": lambda: _packed(_packed(bytes(2**28))),
    "a member cut": lambda: _packed(bytes(2**20))[:-9],
    "a long header": lambda: b"\x1f\x8b\x08\x10" + bytes(6) + b"c" * (MOST - 64),
    "stored blocks of nothing": lambda: (gzip.compress(b"")[:10]
                                         + b"\x00\x00\x00\xff\xff" * (MOST // 5 - 9)),
}


def _named() -> dict[str, Callable[[], Hostile]]:
    bodies: dict[str, Callable[[], Hostile]] = {}
    for encoding, makers in ((PROTOBUF, _STEMS), (JSON, _JSONS)):
        for name, make in makers.items():
            bodies[name] = partial(_hostile, encoding, make)
            bodies[f"{name}, packed"] = partial(_hostile, encoding, make, _packed)
    for name, make in _GZIPS.items():
        bodies[f"gzip of {name}"] = partial(_hostile, PROTOBUF, make, bytes)
    return bodies


def _hostile(encoding: str, make: Callable[[], bytes],
             pack: Callable[[bytes], bytes] | None = None) -> Hostile:
    body = make()
    return Hostile(encoding, pack(body) if pack else body, pack is not None)


HOSTILE = _named()
