"""The least that bodies can cost in Python: decoded, looked through, rows of calls inserted.

    python -m bench.intake_floor captured|gathered|plain SPANS

prints how many spans a second of CPU time takes. No HTTP, no server, no accounting.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.otlp import KINDS, PROTOBUF, bodies

# What any reader has to look for in a span, by its plainest names.
NAMES = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type",
         "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
         "gen_ai.response.id", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
         "gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt",
         "llm.token_count.completion", "error.type", "user.id", "gen_ai.conversation.id")
CALL = NAMES[:3]
ROWS = 1000  # in a transaction
Found = tuple[bytes, bytes, int, int, str]  # trace, span, begin, end, what it is of a call


def main(kind: str, spans: int) -> int:
    """Read them all; the exit code."""
    made = list(bodies(KINDS[kind](), spans))
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE facts (seq INTEGER PRIMARY KEY, digest INTEGER UNIQUE, "
                           "trace BLOB, span BLOB, start INTEGER, ending INTEGER, fact TEXT)")
        began, number = time.process_time(), 0
        rows: list[tuple[object, ...]] = []
        for template, body in made:
            for trace, span, start, end, fact in _spans(template.encoding, body):
                if fact:
                    number += 1
                    rows.append((number, hash(trace + span), trace, span, start, end, fact))
            if len(rows) >= ROWS:
                _insert(connection, rows)
        _insert(connection, rows)
        seconds = time.process_time() - began
    print(sum(template.spans for template, _ in made) / seconds)
    return os.EX_OK


def _insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    connection.execute("BEGIN")
    connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    rows.clear()


def _spans(encoding: str, body: bytes) -> Iterator[Found]:
    if encoding == PROTOBUF:
        request: Any = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {pair.key: pair.value for pair in span.attributes}
                    yield (span.trace_id, span.span_id, span.start_time_unix_nano,
                           span.end_time_unix_nano, _fact(attributes, _of_message))
        return
    for resource in json.loads(body).get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                attributes = {pair["key"]: pair["value"] for pair in span.get("attributes", ())}
                yield (bytes.fromhex(span["traceId"]), bytes.fromhex(span["spanId"]),
                       int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]),
                       _fact(attributes, _of_dict))


def _fact(attributes: Mapping[str, Any], read: Callable[[Any], object]) -> str:
    if not any(name in attributes for name in CALL):
        return ""
    return json.dumps([read(attributes[name]) for name in NAMES if name in attributes])


def _of_message(value: Any) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "int_value", "double_value") else None


def _of_dict(value: Mapping[str, Any]) -> object:
    return next(iter(value.values()), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
