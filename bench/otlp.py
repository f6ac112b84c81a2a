"""Bodies to measure a gateway with: captured ones and plain ones, with ids made new for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.process import ROOT

PROTOBUF, JSON = "application/x-protobuf", "application/json"
FIXTURES = ROOT / "tests" / "fixtures" / "otlp"
PLAIN_SPANS = 128
BATCH_SPANS = 512  # OTEL_BSP_MAX_EXPORT_BATCH_SIZE, where nobody sets it
# Attributes of spans that are no calls to models, as instrumentations of HTTP and databases write.
_HTTP: Mapping[str, str | int] = {
    "http.request.method": "GET", "url.scheme": "https", "url.path": "/api/orders/17",
    "server.address": "shop.example", "server.port": 443, "network.protocol.version": "1.1",
    "client.address": "192.0.2.17", "http.route": "/api/orders/{id}",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)", "http.response.status_code": 200}
_DATABASE: Mapping[str, str | int] = {
    "db.system.name": "postgresql", "db.namespace": "shop", "db.operation.name": "SELECT",
    "db.query.text": "SELECT id, total FROM orders WHERE customer = $1 ORDER BY made",
    "server.address": "db.example", "server.port": 5432}


@dataclass(frozen=True)
class Template:
    """A body, and where its ids stand."""

    encoding: str
    body: bytes
    spans: int
    places: Sequence[tuple[int, bytes]]  # where each id begins, and the id as it is written

    def fresh(self, number: int) -> bytes:
        """The body with ids that no other number gives."""
        body = bytearray(self.body)
        salt = number.to_bytes(4, "big")
        salt = salt if self.encoding == PROTOBUF else salt.hex().encode()
        for place, _ in self.places:
            body[place:place + len(salt)] = salt
        return bytes(body)


@cache
def captured() -> Sequence[Template]:
    """Every captured body of spans."""
    paths = [path for path in sorted(FIXTURES.glob("*/*-traces*"))
             if path.suffix == ".pb" or path.name.endswith(".sent.json")]
    return [_template(path.read_bytes(), PROTOBUF if path.suffix == ".pb" else JSON)
            for path in paths]


@cache
def gathered() -> Sequence[Template]:
    """The same spans in bodies as large as exporters make them under load."""
    made: list[Template] = []
    parts: list[bytes] = []
    spans = 0
    for template in captured():
        if template.encoding == PROTOBUF:
            parts.append(template.body)
            spans += template.spans
        if spans >= BATCH_SPANS:
            made.append(_template(b"".join(parts), PROTOBUF))  # messages one after another are one
            parts, spans = [], 0
    return made


@cache
def plain() -> Sequence[Template]:
    """A body of spans of a web application that asks no model."""
    request: Any = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _write(resource.resource, {"service.name": "shop", "telemetry.sdk.language": "python"})
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.asgi"
    for i in range(PLAIN_SPANS):
        span = scope.spans.add(
            trace_id=b"\0\0\0\0" + (i // 8 + 1).to_bytes(12, "big"),
            span_id=b"\0\0\0\0" + (i + 1).to_bytes(4, "big"),
            name="GET /api/orders/{id}" if i % 2 else "SELECT shop.orders",
            kind=2 if i % 2 else 3,
            start_time_unix_nano=1_780_000_000_000_000_000 + i,
            end_time_unix_nano=1_780_000_000_010_000_000 + i)
        if i % 8:
            span.parent_span_id = b"\0\0\0\0" + i.to_bytes(4, "big")
        _write(span, _HTTP if i % 2 else _DATABASE)
    return [_template(request.SerializeToString(), PROTOBUF)]


KINDS = {"captured": captured, "gathered": gathered, "plain": plain}


def bodies(templates: Sequence[Template], spans: int, first: int = 1
           ) -> Iterator[tuple[Template, bytes]]:
    """One after another, until there were so many spans; the ids of `first` and all after it."""
    for number in count(first):
        template = templates[number % len(templates)]
        if spans <= 0:
            return
        spans -= template.spans
        yield template, template.fresh(number)


def _write(owner: Any, attributes: Mapping[str, str | int]) -> None:
    for key, value in attributes.items():
        field = "string_value" if isinstance(value, str) else "int_value"
        setattr(owner.attributes.add(key=key).value, field, value)


def _template(body: bytes, encoding: str) -> Template:
    """The first four bytes of each id are made new; what is left tells the body's spans apart."""
    if encoding == JSON:
        ids = set(re.findall(rb'"(?:traceId|spanId|parentSpanId)":\s*"([0-9a-fA-F]+)"', body))
        spans = len(re.findall(rb'"startTimeUnixNano"', body))
        places = [(match.start(1), match[1]) for one in ids
                  for match in re.finditer(b'"(' + one + b')"', body)]
        return Template(encoding, body, spans, places)
    request: Any = ExportTraceServiceRequest.FromString(body)
    spans_of = [span for resource in request.resource_spans for scope in resource.scope_spans
                for span in scope.spans]
    ids = {bytes(one) for span in spans_of
           for one in (span.trace_id, span.span_id, span.parent_span_id) if one}
    ids |= {bytes(one) for span in spans_of for link in span.links
            for one in (link.trace_id, link.span_id)}
    # An id stands behind its length, and one of 8 bytes may be part of no other thing.
    places = [(match.start() + 1, one) for one in ids
              for match in re.finditer(re.escape(bytes((len(one),)) + one), body)]
    return Template(encoding, body, len(spans_of), places)
