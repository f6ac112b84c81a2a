"""One OTLP body in the other encoding: JSON to protobuf and back.

protobuf's own json_format does the work, but for what OTLP's JSON has differently: ids are in hex,
and enums are numbers. Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".

Only a field that the definitions do not have is lost on the way: JSON has no name for it.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from inferometer.protobuf import ProtobufError
from inferometer.reasons import reason_of
from inferometer.sinks.encoding_repair import repaired
from inferometer.spans.decoded import JSON, PROTOBUF
from inferometer.spans.unicode import well_formed

TRACES, LOGS, METRICS = SIGNALS = ("traces", "logs", "metrics")
CONTENT_TYPES = {PROTOBUF: "application/x-protobuf", JSON: "application/json"}

_REQUESTS: dict[str, Any] = {
    TRACES: ExportTraceServiceRequest, LOGS: ExportLogsServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}
# Where a body's items are in JSON, and what they are.
_ITEMS: dict[str, tuple[str, str, str, Any]] = {
    TRACES: ("resourceSpans", "scopeSpans", "spans", Span),
    LOGS: ("resourceLogs", "scopeLogs", "logRecords", LogRecord),
    METRICS: ("resourceMetrics", "scopeMetrics", "metrics", Metric),
}
# Keys of objects are names of fields, never of attributes, which are values of `key`.
_IDS = frozenset(("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"))
_BROKEN = (ValueError, TypeError, OverflowError, RecursionError)


class NotOtlpError(ValueError):
    """The bytes are no body of this signal in this encoding."""


def encoding_of(content_type: str) -> str:
    """PROTOBUF or JSON, by a header's value or by its own name."""
    return JSON if "json" in content_type.partition(";")[0].lower() else PROTOBUF


def reencoded(body: bytes, content_type: str, signal: str, encoding: str) -> bytes:
    """The body, unpacked, in this encoding: PROTOBUF or JSON, or a content type.

    A span, record or metric that is broken is left out. Raises NotOtlpError.
    """
    if encoding_of(content_type) == encoding_of(encoding):
        return body
    return body_of(message_of(body, content_type, signal), encoding_of(encoding))


def message_of(body: bytes, content_type: str, signal: str) -> Any:
    """The request that the body is; what is broken in it is left out. Raises NotOtlpError."""
    read = _from_json if encoding_of(content_type) == JSON else _from_protobuf
    return read(body, signal)


def body_of(message: Any, encoding: str) -> bytes:
    """The bytes of a request."""
    if encoding == PROTOBUF:
        return bytes(message.SerializeToString())
    fields = _with_ids(MessageToDict(message, use_integers_for_enums=True), _hex)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _from_protobuf(body: bytes, signal: str) -> Any:
    request = _REQUESTS[signal]
    try:
        return request.FromString(body)
    except DecodeError:
        pass  # the parser does not say which text or span it is
    try:
        return request.FromString(repaired(body, request.DESCRIPTOR, _ITEMS[signal][3]))
    except (DecodeError, ProtobufError) as error:
        raise NotOtlpError(f"no {signal} in protobuf: {reason_of(error)}") from error


def _from_json(body: bytes, signal: str) -> Any:
    request = _REQUESTS[signal]
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise TypeError("no object")
        try:
            return _parsed(fields, request)
        except _BROKEN:
            return _parsed(_without_broken(fields, *_ITEMS[signal]), request)
    except (*_BROKEN, AttributeError) as error:
        raise NotOtlpError(f"no {signal} in JSON: {reason_of(error)}") from error


def _parsed(fields: Any, message: Any) -> Any:
    """Raises _BROKEN."""
    try:
        return ParseDict(_with_ids(fields, _base64), message(), ignore_unknown_fields=True)
    except ParseError as error:  # which is a bare Exception
        raise ValueError("a value is none of its field's type") from error


def _without_broken(fields: Any, resources: str, scopes: str, items: str, item: Any) -> Any:
    """The request without the items that are broken, and those of a broken resource or scope."""
    return {resources: [
        {**resource, scopes: [
            {**scope, items: [one for one in scope.get(items) or () if _parses(one, item)]}
            for scope in resource.get(scopes) or ()
            if _parses(scope.get("scope") or {}, InstrumentationScope)]}
        for resource in fields.get(resources) or ()
        if _parses(resource.get("resource") or {}, Resource)]}


def _parses(fields: Any, message: Any) -> bool:
    try:
        _parsed(fields, message)
    except _BROKEN:
        return False
    return True


def _with_ids(value: Any, spelt: Any) -> Any:
    """The value as it is, but for ids and for what json_format would refuse or misread."""
    if isinstance(value, dict):
        return {well_formed(key): spelt(inner) if key in _IDS and isinstance(inner, str)
                else _with_ids(inner, spelt) for key, inner in value.items()}
    if isinstance(value, list):  # JSON's null is a value without a kind
        return [{} if inner is None else _with_ids(inner, spelt) for inner in value]
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()
