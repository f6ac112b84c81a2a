"""OTLP bodies to spans, log records and data points, one by one: a broken one costs itself.

Source of the messages: opentelemetry/proto/collector/trace/v1/trace_service.proto and what it
imports; of their JSON: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".
"""

from __future__ import annotations

from inferometer.points import MetricPoint
from inferometer.spans.decoded import JSON, Bounds, Decoded, Refused
from inferometer.spans.flavours import vocabulary
from inferometer.spans.span import LogRecord, Span

_DEFAULT = Bounds()


def decode_traces(body: bytes, encoding: str, bounds: Bounds = _DEFAULT,
                  content: bool = False, also: tuple[str, ...] = (),
                  answers: bool = False, sources: bool = False) -> Decoded[Span]:
    """The spans of an ExportTraceServiceRequest.

    `content`: also the attributes with what was said; `also`: attributes that no table names, as
    Wishes.attributes has them; `answers`: what models answered; `sources`: what they were
    given, and what searches gave. Raises Refused: the body is none (400), or is beyond the bounds
    (413).
    """
    words = vocabulary(content, also, answers, sources)
    if encoding == JSON:
        from inferometer.spans import json_body
        return json_body.traces(body, bounds, words)
    from inferometer.spans import protobuf_body
    return protobuf_body.traces(body, bounds, words)


def decode_logs(body: bytes, encoding: str, bounds: Bounds = _DEFAULT,
                content: bool = False, also: tuple[str, ...] = (),
                answers: bool = False, sources: bool = False) -> Decoded[LogRecord]:
    """The records of an ExportLogsServiceRequest, as decode_traces; no record has an answer."""
    words = vocabulary(content, also)
    if encoding == JSON:
        from inferometer.spans import json_body
        return json_body.logs(body, bounds, words)
    from inferometer.spans import protobuf_body
    return protobuf_body.logs(body, bounds, words)


def decode_metrics(body: bytes, encoding: str, bounds: Bounds = _DEFAULT) -> Decoded[MetricPoint]:
    """The data points of an ExportMetricsServiceRequest that say something of calls. Raises as
    decode_traces.
    """
    if encoding == JSON:
        from inferometer.spans import metrics_json
        return metrics_json.metrics(body, bounds)
    from inferometer.spans import metrics_protobuf
    return metrics_protobuf.metrics(body, bounds)


__all__ = ["Bounds", "Decoded", "Refused", "decode_logs", "decode_metrics", "decode_traces"]
