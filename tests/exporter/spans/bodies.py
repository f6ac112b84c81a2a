"""The captured bodies, decoded, and what a scenario of them comes to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.facts import Fact
from inferometer.spans.normalise import facts_of
from inferometer.spans.once import settle
from inferometer.spans.otlp import decode_traces
from inferometer.spans.settlement import Settlement
from inferometer.spans.span import Span

FIXTURES = Path(__file__).parents[2] / "fixtures" / "otlp"
FOLDERS = sorted(folder.name for folder in FIXTURES.iterdir() if list(folder.glob("*traces*")))
WITH_TRUTH = sorted(path.parent.name for path in FIXTURES.glob("*/TRUTH.json"))


@dataclass(frozen=True)
class Trace:
    """The facts of one trace, and the parent of each of its spans."""

    facts: Sequence[Fact]
    parents: Mapping[bytes, bytes]

    def settled(self) -> Settlement:
        return settle(self.facts, self.parents)


def bodies(folder: str) -> Iterator[tuple[bytes, str]]:
    """Each body of traces with its encoding."""
    for path in sorted((FIXTURES / folder).glob("*traces*")):
        yield path.read_bytes(), "json" if path.suffix == ".json" else "protobuf"


@cache
def spans(folder: str) -> Sequence[Span]:
    decoded = [decode_traces(body, encoding) for body, encoding in bodies(folder)]
    read = [span for each_body in decoded for span in each_body.spans]
    assert not any(each_body.rejected for each_body in decoded)
    return read


@cache
def traces(folder: str) -> Mapping[bytes, Trace]:
    facts: dict[bytes, list[Fact]] = defaultdict(list)
    parents: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for span in spans(folder):
        parents[span.trace_id][span.span_id] = span.parent_id
        fact = facts_of(span)
        if fact is not None:
            facts[span.trace_id].append(fact)
    return {trace: Trace(facts[trace], parents[trace]) for trace in parents}


@cache
def scenarios(folder: str) -> Mapping[str, Sequence[Settlement]]:
    """The settled traces of each scenario; those without one under the empty name."""
    names = dict(_names(folder))
    settled = defaultdict(list)
    for trace_id, trace in traces(folder).items():
        settled[names.get(trace_id, "")].append(trace.settled())
    return settled


def _names(folder: str) -> Iterator[tuple[bytes, str]]:
    for body, encoding in bodies(folder):
        if encoding == "json":
            for resource in json.loads(body)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        for pair in span["attributes"]:
                            if pair["key"] == "scenario":
                                yield bytes.fromhex(span["traceId"]), pair["value"]["stringValue"]
            continue
        request: Any = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    for pair in span.attributes:
                        if pair.key == "scenario":
                            yield span.trace_id, pair.value.string_value.strip('"')


def truth(folder: str) -> Mapping[str, Any]:
    """What was really called, by scenario."""
    read: dict[str, Any] = json.loads((FIXTURES / folder / "TRUTH.json").read_text())
    return read["scenarios"]  # type: ignore[no-any-return]
