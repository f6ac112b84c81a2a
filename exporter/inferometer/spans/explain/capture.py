"""Bodies of OTLP out of files: what they are is found out by content, and no attribute is lost.

Spans are decoded as a gateway decodes them; beside each stand the names of all its attributes and
events, also of those that no table names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from inferometer.protobuf import BYTES, FIXED64, ProtobufError, fields
from inferometer.spans.decoded import JSON, PROTOBUF, BodyCount, Bounds, Decoded, Refused
from inferometer.spans.flavours import vocabulary
from inferometer.spans.span import LogRecord, Span
from inferometer.spans.vocabulary import Vocabulary

T = TypeVar("T", Span, LogRecord)
TRACES, LOGS, METRICS = "traces", "logs", "metrics"  # signals
_KEYS = {TRACES: b'"resourceSpans"', LOGS: b'"resourceLogs"', METRICS: b'"resourceMetrics"'}
_SNAKE = b'"resource_spans"'
_DATA_OF_METRICS = (5, 7, 9, 10, 11)  # fields of a metric, one of which has its points


@dataclass(frozen=True, slots=True)
class CapturedSpan:
    """A span, with the names of all that the sender wrote onto it."""

    span: Span
    keys: frozenset[str]  # of attributes
    events: frozenset[str]


@dataclass(slots=True)
class CapturedBody:
    """What one body holds."""

    origin: str  # its file
    encoding: str
    signal: str
    spans: list[CapturedSpan] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


class _NameRecorder(Vocabulary):
    """Reads what another vocabulary reads, and takes down every name that it is asked for."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self.names, self.heads = {}, {}  # nothing is remembered, so that each name is asked for
        self.keys: list[str] = []
        self.events: list[str] = []

    def name(self, key: str) -> str | None:
        self.keys.append(key)
        return self._words.name(key)

    def long(self, key: str) -> bool:
        return self._words.long(key)

    def reads_event(self, name: str) -> bool:
        self.events.append(name)
        return self._words.reads_event(name)

    def clear(self) -> None:
        """Begin anew, with the next span."""
        self.keys.clear()
        self.events.clear()


def read_bodies(origin: str, content: bytes, most: int, also: tuple[str, ...] = ()
                ) -> Iterator[CapturedBody]:
    """The bodies of one file: one, or with JSON one a line, as the Collector's file exporter has.

    `most`: bytes of each. `also`: attributes that no table names and a deployment reads. Raises
    Refused.
    """
    if not content.strip():
        raise Refused(400, "an empty file")
    encoding = encoding_of(content)
    for body in _lines(content) if encoding == JSON else (content,):
        if len(body) > most:
            raise Refused(413, f"a body of {len(body)} bytes, of which a gateway takes {most}")
        yield _read(origin, body, encoding, also)


def encoding_of(body: bytes) -> str:
    """JSON, or else protobuf, whose first byte may be a line feed and its second a brace."""
    return JSON if body.lstrip()[:1] in (b"{", b"[") and not _is_message(body) else PROTOBUF


def _is_message(body: bytes) -> bool:
    try:
        return all(True for _ in fields(body))
    except ProtobufError:
        return False


def _lines(content: bytes) -> Iterable[bytes]:
    """Bodies that stand one a line; else all of it is one."""
    first, _, rest = content.strip().partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        return (content,)
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return (content,)
    return (line for line in content.splitlines() if line.strip())


def _read(origin: str, body: bytes, encoding: str, also: tuple[str, ...]) -> CapturedBody:
    signal = _signal_in_json(body) if encoding == JSON else _signal_in_protobuf(body)
    read = CapturedBody(origin, encoding, signal)
    words = _NameRecorder(vocabulary(False, also))
    if signal == TRACES:
        decoded = _decoder(encoding).traces(body, Bounds(), words)
        for span, sound in _in_turn(decoded):
            if sound:
                keys, events = frozenset(words.keys), frozenset(words.events)
            else:  # what was taken down is also of a span that was left out
                keys = frozenset(span.attributes)
                events = frozenset(event.name for event in span.events)
            read.spans.append(CapturedSpan(span, keys, events))
            words.clear()
        read.rejected = decoded.rejected
    elif signal == LOGS:
        records = _decoder(encoding).logs(body, Bounds(), words)
        read.logs = [record for record, _sound in _in_turn(records)]
        read.rejected = records.rejected
    return read


def _in_turn(decoded: Decoded[T]) -> Iterator[tuple[T, bool]]:
    """Each item, and whether none was left out since the one before."""
    before = 0
    for item in decoded.spans:
        now = decoded.rejected.total()
        yield item, now == before
        before = now


def _decoder(encoding: str) -> Any:
    """The module that reads it; what protobuf needs is in an extra."""
    if encoding == JSON:
        from inferometer.spans import json_body
        return json_body
    from inferometer.spans import protobuf_body
    return protobuf_body


def _signal_in_json(body: bytes) -> str:
    places = {signal: place for signal, key in _KEYS.items() if (place := body.find(key)) >= 0}
    if not places:
        if _SNAKE in body:
            raise Refused(400, "OTLP's JSON has resourceSpans, not resource_spans: it is not what "
                               "protobuf's own libraries write with preserved names")
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return TRACES  # the decoder says what is wrong with it
        raise Refused(400, "JSON, and no OTLP: it has no resourceSpans and no resourceLogs")
    return min(places, key=lambda signal: places[signal])


def _signal_in_protobuf(body: bytes) -> str:
    """By the first item: all signals have the same messages around theirs."""
    from inferometer.spans.envelope import batches
    try:
        made = batches(body, BodyCount(Bounds()))
        item = next((item for batch in made for item in batch.items), b"")
        first = {number: (wire_type, value) for number, wire_type, value in fields(item)}
    except ProtobufError:
        return TRACES  # the decoder says what is wrong with it
    types = {number: wire_type for number, (wire_type, _value) in first.items()}
    trace_id = first.get(1, (None, b""))[1]
    if FIXED64 in (types.get(7), types.get(8)) or (
            isinstance(trace_id, bytes) and len(trace_id) == 16):
        return TRACES
    if FIXED64 in (types.get(1), types.get(11)):
        return LOGS
    if types.get(1) == BYTES and any(types.get(number) == BYTES for number in _DATA_OF_METRICS):
        return METRICS
    return TRACES
