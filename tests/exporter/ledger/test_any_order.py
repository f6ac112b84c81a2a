"""The same spans in any order, in any bodies, in either encoding and repeated: the same counts."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.intake.answer import JSON, PROTOBUF
from inferometer.intake.batch import Wish, batch_of
from inferometer.spans.reader import Wishes
from tests.exporter.ledger.making import ledger_in

NOW = 1_800_000_000 * 10**9
SPANS = 6
Json = dict[str, Any]

attributes = st.fixed_dictionaries({
    "gen_ai.operation.name": st.sampled_from(("chat", "invoke_agent", "execute_tool", "x"))},
    optional={"gen_ai.request.model": st.sampled_from(("m", "n")),
              "gen_ai.usage.input_tokens": st.sampled_from((0, 1, 7, -3, 2**39, 2**41, 2**63 - 1)),
              "gen_ai.usage.output_tokens": st.sampled_from((0, 1, 9, 2**39)),
              "gen_ai.response.id": st.sampled_from(("a", "b", ""))})
spans = st.lists(st.tuples(
    st.sampled_from((1, 2)), st.integers(1, SPANS), st.integers(0, SPANS), st.sampled_from(
        ((0, 10**9), (10**8, 5 * 10**8), (-NOW, 0), (9, 3), (0, 16_000_000_000 * 10**9))),
    attributes, st.sampled_from(("one", "two"))),
    min_size=1, max_size=8, unique_by=lambda made: made[:2])


def body(spans: list[Any], encoding: str) -> bytes:
    """An export of these spans."""
    resources: list[Any] = [{"scopeSpans": [{"scope": {"name": scope}, "spans": [{
        "traceId": f"{trace:032x}", "spanId": f"{span:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "", "name": "s", "kind": 3,
        "startTimeUnixNano": str(NOW + start), "endTimeUnixNano": str(NOW + end),
        "attributes": [{"key": key, "value": {"intValue": str(value)} if isinstance(value, int)
                        else {"stringValue": value}} for key, value in named.items()]}]}]}
        for trace, span, parent, (start, end), named, scope in spans]
    if encoding == JSON:
        return json.dumps({"resourceSpans": resources}).encode()
    for resource in resources:
        for span in resource["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId", "parentSpanId"):
                span[name] = _base64(span[name])
    message: Any = ParseDict({"resourceSpans": resources}, ExportTraceServiceRequest())
    return bytes(message.SerializeToString())


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def counted(deliveries: list[tuple[list[Any], str]]) -> Json:
    """All counters after these bodies, and the number of calls in rows."""
    with TemporaryDirectory() as folder, ledger_in(Path(folder)) as bench:
        for made, encoding in deliveries:
            batch = batch_of(Wish("traces", encoding, "", 2**20, Wishes()), body(made, encoding))
            done = bench.ledger.commit(batch.facts, batch.links, bench.now)
            bench.turn()
            done.result(0)
        bench.wait()
        assert not bench.ledger.condition().failed
        reading = bench.ledger.reading()
        return {str((*reading.seats[seat], name, part)): value
                for (seat, name, part), value in reading.counters.items() if value}


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(spans, st.data())
def test_order_splits_repeats_and_encodings_change_no_count(made: list[Any],
                                                            data: st.DataObject) -> None:
    mixed = [*data.draw(st.permutations(made)), *data.draw(st.lists(st.sampled_from(made)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=3)))
    pieces = [mixed[start:end] for start, end in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    encodings = st.sampled_from((JSON, PROTOBUF))
    assert counted([(piece, data.draw(encodings)) for piece in pieces]) == counted(
        [(made, PROTOBUF)])
