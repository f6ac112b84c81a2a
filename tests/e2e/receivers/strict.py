"""A receiver that takes what one service's documentation says, and refuses all else."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.receivers.demands import FEEDBACK, JSON, LOGS, METRICS, TRACES, Demand
from tests.exporter.support import send

MESSAGES: dict[str, Any] = {TRACES: ExportTraceServiceRequest, LOGS: ExportLogsServiceRequest,
                            METRICS: ExportMetricsServiceRequest}
_HEX = set("0123456789abcdef")


class StrictReceiver(ThreadingHTTPServer):
    """What it took, by signal: the number of spans, records or metrics of each body."""

    def __init__(self, demand: Demand) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.demand = demand
        self.taken: list[tuple[str, int]] = []
        self.bodies: list[bytes] = []  # unpacked
        self.refused: list[tuple[int, str]] = []

    def number(self, signal: str) -> int:
        """Of the spans, records or metrics that it took."""
        return sum(number for one, number in self.taken if one == signal)


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class _Handler(BaseHTTPRequestHandler):
    server: StrictReceiver

    def do_POST(self) -> None:
        packed = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            signal = self._checked()
            body = self._unpacked(packed)
            number = self._votes(body) if signal == FEEDBACK else items_in(
                body, self.headers["content-type"], signal)
        except _Refused as refused:
            self.server.refused.append((refused.status, refused.why))
            send(self, refused.why, refused.status)
            return
        self.server.bodies.append(body)
        self.server.taken.append((signal, number))
        send(self, b"{}" if self.headers["content-type"] == JSON else b"")

    def _checked(self) -> str:
        demand = self.server.demand
        signal = demand.paths.get(self.path)
        if signal is None:
            raise _Refused(404, f"no such path: {self.path}")
        for name, accepts in demand.headers.items():
            if not accepts(self.headers.get(name, "")):
                raise _Refused(demand.unauthorized, f"header {name}")
        types = (JSON,) if signal == FEEDBACK else demand.types
        if self.headers.get("content-type") not in types:
            raise _Refused(415, f"content type {self.headers.get('content-type')}")
        return signal

    def _unpacked(self, packed: bytes) -> bytes:
        coding = self.headers.get("content-encoding", "identity")
        if coding == "identity":
            return packed
        if coding != "gzip":
            raise _Refused(415, f"content encoding {coding}")
        try:
            return gzip.decompress(packed)
        except (OSError, EOFError, zlib.error) as error:
            raise _Refused(400, "no gzip") from error

    def _votes(self, body: bytes) -> int:
        try:
            why = self.server.demand.votes(json.loads(body))
        except ValueError as error:
            raise _Refused(400, "no JSON") from error
        if why:
            raise _Refused(422, why)
        return 1

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def items_in(body: bytes, content_type: str, signal: str) -> int:
    """The number of spans, records or metrics. Raises _Refused where it is no such body."""
    counted = _json_items(body, signal) if content_type == JSON else _items(body, signal)
    if not counted:
        raise _Refused(400, "nothing in it")
    return counted


def _items(body: bytes, signal: str) -> int:
    try:
        message = MESSAGES[signal].FromString(body)
    except DecodeError as error:
        raise _Refused(400, "no protobuf") from error
    root = {TRACES: "spans", LOGS: "logs", METRICS: "metrics"}[signal]
    items = [item for resource in getattr(message, f"resource_{root}")
             for scope in getattr(resource, f"scope_{root}")
             for item in getattr(scope, {LOGS: "log_records"}.get(signal, root))]
    if signal == TRACES and any(len(span.trace_id) != 16 or len(span.span_id) != 8
                                for span in items):
        raise _Refused(400, "an id of another length")
    return len(items)


def _json_items(body: bytes, signal: str) -> int:
    """By the specification's own words, without the library that the sender uses."""
    root = {TRACES: "Spans", LOGS: "Logs", METRICS: "Metrics"}[signal]
    try:
        items = [item for resource in json.loads(body)[f"resource{root}"]
                 for scope in resource[f"scope{root}"]
                 for item in scope[{LOGS: "logRecords"}.get(signal, root.lower())]]
    except (ValueError, KeyError, TypeError) as error:
        raise _Refused(400, "no OTLP in JSON") from error
    for span in items if signal == TRACES else ():
        if len(span["traceId"]) != 32 or len(span["spanId"]) != 16 \
                or set(span["traceId"] + span["spanId"]) - _HEX \
                or not isinstance(span.get("kind", 0), int):
            raise _Refused(400, "an id that is not hex, or an enum that is no number")
    return len(items)


@contextmanager
def receiving(demand: Demand) -> Iterator[tuple[StrictReceiver, int]]:
    """A receiver with these demands, and its port."""
    with StrictReceiver(demand) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, server.server_port
        finally:
            server.shutdown()
            thread.join(10)
