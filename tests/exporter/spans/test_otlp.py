"""Bodies that lie, break off or unfold: refused unparsed, or at the cost of one span."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from inferometer.facts import Feedback
from inferometer.spans.log_events import facts_of_log
from inferometer.spans.otlp import Bounds, Refused, decode_logs, decode_traces
from tests.exporter.spans.bodies import FIXTURES, bodies

NOW = 1_800_000_000 * 10**9
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def span(**fields: Any) -> dict[str, Any]:
    return {"traceId": TRACE, "spanId": SPAN, "name": "chat m", "kind": 3,
            "startTimeUnixNano": str(NOW), "endTimeUnixNano": str(NOW + 10**9),
            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
            **fields}


def as_json(*spans: object) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def field(number: int, value: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    size = len(value)
    varint = bytearray()
    while True:
        varint.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + bytes(varint) + value


def as_protobuf(*spans: bytes) -> bytes:
    return field(1, field(2, b"".join(field(2, one) for one in spans)))


def raw_span(*more: bytes) -> bytes:
    return (field(1, bytes.fromhex(TRACE)) + field(2, bytes.fromhex(SPAN)) + field(5, b"chat m")
            + b"".join(more))


def attribute(value: bytes) -> bytes:
    return field(9, field(1, b"gen_ai.operation.name") + field(2, value))


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0b", field(1, field(2, b"\x12\xff")),
                                  b"\x0a\x7f"])
def test_what_is_no_protobuf_is_refused_as_a_bad_request(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        list(decode_traces(body, "protobuf").spans)
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"resourceSpans": {}}', b"\xff",
                                  b'{"resourceSpans": [{"scopeSpans": [7]}]}', b"[" * 100_000,
                                  b'{"resourceSpans": ' + b"9" * 10_000 + b"}"])
def test_what_is_no_otlp_in_json_is_refused_as_a_bad_request(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        list(decode_traces(body, "json").spans)
    assert refused.value.status == 400


@pytest.mark.parametrize(("body", "encoding"), [
    (as_protobuf(*[b""] * 11), "protobuf"),
    (as_json(*[{}] * 11), "json"),
    (field(1, b"") * 11, "protobuf"),
    (b'{"resourceSpans": [' + b",".join([b"{}"] * 11) + b"]}", "json"),
    (field(1, field(2, b"") * 11), "protobuf"),
    (b"\xba\x3e\0" * 11, "protobuf"),
    (field(1, b"\x18\0" * 6) + field(1, field(2, b"\x12\0" + b"\x18\0" * 5)), "protobuf"),
])
def test_a_body_of_too_many_is_refused_as_too_large(body: bytes, encoding: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_traces(body, encoding, Bounds(spans=10, resources=10, scopes=10, fields=10))
    assert refused.value.status == 413


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
@pytest.mark.parametrize("body", [field(1, field(2, b"\x12\0" * 10_001 + b"\xff" * 99)),
                                  b"\xba\x3e\0" * 20_001 + b"\xff" * 99])
def test_nothing_is_read_after_the_first_that_is_too_many(
        decode: Callable[[bytes, str], object], body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode(body, "protobuf")
    assert refused.value.status == 413


def test_small_messages_have_no_more_attributes_than_large_ones() -> None:
    many = field(1, b"") * 1025
    record = field(6, b"") * 1025
    resource = field(1, field(1, many) + field(2, field(2, raw_span())) * 2)
    for decoded in (decode_traces(resource, "protobuf"),
                    decode_logs(as_protobuf(record, record), "protobuf")):
        assert list(decoded.spans) == []
        assert decoded.rejected == {"too_many_attributes": 2}


def test_too_many_spans_name_the_senders_setting() -> None:
    with pytest.raises(Refused, match="OTEL_BSP_MAX_EXPORT_BATCH_SIZE"):
        decode_traces(as_json({}, {}), "json", Bounds(spans=1))


@pytest.mark.parametrize(("bad", "reason"), [
    ({"traceId": "00" * 16}, "bad_id"),
    ({"spanId": "00" * 8}, "bad_id"),
    ({"traceId": TRACE[:-2]}, "bad_id"),
    ({"traceId": base64.b64encode(bytes.fromhex(TRACE)).decode()}, "bad_id"),
    ({"spanId": "zz" * 8}, "bad_id"),
    ({"spanId": 7}, "bad_id"),
    ({"attributes": {}}, "malformed"),
    ({"attributes": [7]}, "malformed"),
    ({"startTimeUnixNano": "soon"}, "malformed"),
    ({"startTimeUnixNano": True}, "malformed"),
    ({"name": 7}, "malformed"),
    ({"kind": []}, "malformed"),
    ({"status": 7}, "malformed"),
    ({"attributes": [{"key": "k"}] * 1025}, "too_many_attributes"),
    ({"events": [{}] * 129}, "too_many_events"),
    ({"links": [{}] * 65}, "too_many_links"),
])
def test_a_broken_span_costs_itself(bad: dict[str, Any], reason: str) -> None:
    decoded = decode_traces(as_json(span(**bad), span()), "json")
    assert len(list(decoded.spans)) == 1
    assert decoded.rejected == {reason: 1}


@pytest.mark.parametrize(("bad", "reason"), [
    (b"\xff", "malformed"),
    (field(1, bytes(16)) + field(2, bytes.fromhex(SPAN)), "bad_id"),
    (raw_span(field(9, b"") * 1025), "too_many_attributes"),
    (raw_span(field(9, b"") * 70_000), "too_many_attributes"),
    (raw_span(field(11, b"") * 129), "too_many_events"),
    (raw_span(field(13, b"") * 65), "too_many_links"),
    (raw_span(field(5, b"x" * 5_000_000)), "too_large"),
    (raw_span(attribute(field(5, field(1, b"") * 200_000))), "too_large"),
])
def test_a_broken_span_of_protobuf_costs_itself(bad: bytes, reason: str) -> None:
    decoded = decode_traces(as_protobuf(bad, raw_span()), "protobuf")
    assert len(list(decoded.spans)) == 1
    assert decoded.rejected == {reason: 1}


def attributes_of(values: int) -> tuple[bytes, dict[str, Any]]:
    """An attribute that a table names, of a list of so many empty values."""
    return attribute(field(5, field(1, b"") * values)), {
        "key": "gen_ai.operation.name", "value": {"arrayValue": {"values": [{}] * values}}}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
@pytest.mark.parametrize(("spans", "values"), [(20, 49), (1000, 0)], ids=["lists", "attributes"])
def test_a_body_of_too_many_values_is_refused_and_names_the_senders_setting(
        encoding: str, spans: int, values: int) -> None:
    raw, pair = attributes_of(values)
    body = as_protobuf(*[raw_span(raw)] * spans) if encoding == "protobuf" \
        else as_json(*[span(attributes=[pair])] * spans)
    assert len(list(decode_traces(body, encoding, Bounds(values=1000)).spans)) == spans
    with pytest.raises(Refused, match=r"999 values.*OTEL_BSP_MAX_EXPORT_BATCH_SIZE") as refused:
        list(decode_traces(body, encoding, Bounds(values=999)).spans)
    assert refused.value.status == 413


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_a_span_of_too_many_values_costs_itself(encoding: str) -> None:
    raw, pair = attributes_of(101)
    body = as_protobuf(raw_span(raw), raw_span()) if encoding == "protobuf" \
        else as_json(span(attributes=[pair]), span())
    decoded = decode_traces(body, encoding, Bounds(span_values=100))
    assert len(list(decoded.spans)) == 1
    assert decoded.rejected == {"too_large": 1}


def test_lists_that_no_table_names_are_not_unfolded() -> None:
    raw = field(9, field(1, b"some.list") + field(2, field(5, field(1, b"") * 200_000)))
    decoded = decode_traces(as_protobuf(raw_span(raw)), "protobuf", Bounds(values=1))
    assert [read.attributes for read in decoded.spans] == [{}]


def test_as_many_spans_as_a_body_may_have_may_have_many_attributes_each() -> None:
    pairs = b"".join(field(9, field(1, b"llm.attribute.%d" % i) + field(2, field(1, b"x")))
                     for i in range(64))
    body = as_protobuf(*[raw_span(pairs)] * Bounds().spans)
    assert sum(1 for _ in decode_traces(body, "protobuf").spans) == Bounds().spans


@pytest.mark.parametrize("pair", [
    field(2, field(1, b"chat")) + field(1, b"gen_ai.operation.name"),  # the value first
    field(1, b"gen_ai.system") + field(1, b"gen_ai.operation.name")
    + field(2, field(1, b"embed")) + field(2, field(1, b"chat")),  # the last counts
    field(1, b"gen_ai.operation.name") + field(2, field(1, b"embed") + field(1, b"chat")),
    b"\x0a\x95\x00gen_ai.operation.name" + field(2, field(1, b"chat")),  # a size of two bytes
    field(1, b"gen_ai.operation.name") + field(2, field(1, b"chat")) + b"\x18\x07",
])
def test_an_attribute_is_read_however_it_stands_on_the_wire(pair: bytes) -> None:
    spans = list(decode_traces(as_protobuf(raw_span(field(9, pair))), "protobuf").spans)
    assert [read.attributes for read in spans] == [{"gen_ai.operation.name": "chat"}]


@given(st.recursive(
    st.text(max_size=300) | st.integers(-2**63, 2**63 - 1) | st.booleans() | st.floats()
    | st.binary(max_size=40), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8))
@settings(max_examples=200, deadline=None)
def test_values_are_those_that_protobufs_own_library_wrote(value: object) -> None:
    written = KeyValue(key="gen_ai.usage.input_tokens")
    write(written.value, value)
    body = as_protobuf(raw_span(field(9, written.SerializeToString())))
    (read,) = decode_traces(body, "protobuf").spans
    assert repr(read.attributes) == repr({"gen_ai.usage.input_tokens": value})


def write(any_value: Any, value: Any) -> None:
    """A value in OTLP's message of it."""
    match value:
        case bool():
            any_value.bool_value = value
        case list():
            any_value.array_value.SetInParent()
            for item in value:
                write(any_value.array_value.values.add(), item)
        case dict():
            any_value.kvlist_value.SetInParent()
            for key, item in value.items():
                write(any_value.kvlist_value.values.add(key=key).value, item)
        case _:
            name = {str: "string", int: "int", float: "double", bytes: "bytes"}[type(value)]
            setattr(any_value, f"{name}_value", value)


def test_values_within_values_end_at_a_depth() -> None:
    value = field(1, b"deep")
    for _ in range(90):
        value = field(5, field(1, value))
    decoded = decode_traces(as_protobuf(raw_span(attribute(value))), "protobuf")
    assert len(list(decoded.spans)) + decoded.rejected.total() == 1
    nested: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(300):
        nested = {"arrayValue": {"values": [nested]}}
    pair = {"key": "gen_ai.operation.name", "value": nested}
    assert len(list(decode_traces(as_json(span(attributes=[pair])), "json").spans)) == 1


@pytest.mark.parametrize(("start", "end", "possible"), [
    (NOW, NOW + 10**9, True), (NOW, NOW, True), (NOW + 1, NOW, False), (0, NOW, False),
    (2**64 - 1, 2**64 - 1, False), (NOW, NOW + 8 * 86_400 * 10**9, False)])
def test_times_that_cannot_be_are_unknown_and_the_span_stays(
        start: int, end: int, possible: bool) -> None:
    body = as_json(span(startTimeUnixNano=str(start), endTimeUnixNano=end))
    read = next(decode_traces(body, "json").spans)
    assert (read.start, read.end) == ((start, end) if possible else (0, 0))


@pytest.mark.parametrize(("written", "read"), [
    ({"intValue": "120"}, 120), ({"intValue": 120}, 120), ({"doubleValue": 1.5}, 1.5),
    ({"boolValue": True}, True), ({"bytesValue": "aGk="}, b"hi"), ({"stringValue": ""}, ""),
    ({"arrayValue": {"values": [{"intValue": "1"}]}}, [1]), ({"arrayValue": {}}, []),
    ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 2}}]}}, {"a": 2}),
    ({"newValue": 7}, None), ({}, None), (None, None)])
def test_every_kind_of_value_is_read(written: object, read: object) -> None:
    body = as_json(span(attributes=[{"key": "gen_ai.usage.input_tokens", "value": written}],
                        unheardOf={"x": 1}))
    attributes = next(decode_traces(body, "json").spans).attributes
    assert attributes == {"gen_ai.usage.input_tokens": read}


def test_long_texts_are_cut_and_unknown_attributes_are_not_read() -> None:
    pairs = [{"key": "gen_ai.request.model", "value": {"stringValue": "m" * 100_000}},
             {"key": "some.blob", "value": {"stringValue": "b" * 100_000}}]
    attributes = next(decode_traces(as_json(span(attributes=pairs)), "json").spans).attributes
    assert {key: len(str(value)) for key, value in attributes.items()} == {
        "gen_ai.request.model": 16 * 1024}


def test_content_is_read_only_where_it_is_wanted() -> None:
    pairs = [{"key": "gen_ai.input.messages", "value": {"stringValue": "[]"}}]
    body = as_json(span(attributes=pairs))
    assert next(decode_traces(body, "json").spans).attributes == {}
    assert next(decode_traces(body, "json", content=True).spans).attributes == {
        "gen_ai.input.messages": "[]"}


def test_ten_million_objects_in_twenty_thousand_bytes_cost_no_memory() -> None:
    body = field(1, b"") * 2_000_000
    tracemalloc.start()
    with pytest.raises(Refused):
        decode_traces(body, "protobuf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([body for folder in ("strands-1.62.0-default", "vercel-ai-6.0.326")
                        for body, _ in bodies(folder)]), st.data())
def test_a_body_with_bytes_changed_is_read_or_refused(body: bytes, data: st.DataObject) -> None:
    broken = bytearray(body)
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    encoding = "json" if body[:1] == b"{" else "protobuf"
    cut = bytes(broken[:data.draw(st.integers(1, len(body)))])
    with suppress(Refused):
        for read in decode_traces(cut, encoding).spans:
            assert len(read.trace_id) == 16


def test_evaluations_come_as_log_records() -> None:
    folder = FIXTURES / "python-evaluation-event"
    body = next(folder.glob("*logs.pb")).read_bytes()
    facts = [facts_of_log(record) for record in decode_logs(body, "protobuf").spans]
    assert len({fact.span_id for fact in facts if fact}) == len(facts)
    assert "thumbs_down" in {fact.kind for fact in facts if isinstance(fact, Feedback)}
    as_sent = next((FIXTURES / "js-otlp-http-json").glob("*logs.sent.json")).read_bytes()
    assert [facts_of_log(record) is not None
            for record in decode_logs(as_sent, "json").spans] == [True]


def test_an_empty_body_is_an_empty_request() -> None:
    assert ExportTraceServiceRequest.FromString(b"") is not None
    assert list(decode_traces(b"", "protobuf").spans) == []
    assert list(decode_traces(b"{}", "json").spans) == []
