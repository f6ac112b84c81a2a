"""Bodies in the other encoding, and back."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from inferometer.sinks.encoding import (
    CONTENT_TYPES,
    LOGS,
    METRICS,
    SIGNALS,
    TRACES,
    NotOtlpError,
    body_of,
    encoding_of,
    message_of,
    reencoded,
)
from inferometer.spans.decoded import JSON, PROTOBUF
from inferometer.spans.otlp import decode_traces
from tests.exporter.sinks.captured import SentBody, bodies
from tests.exporter.spans.otlp_strategies import captured, mistaken, odd_bodies

# Any: they take maps for messages too, which their types do not say.
REQUEST: Any = ExportTraceServiceRequest
VALUE: Any = AnyValue
AS_PROTOBUF, AS_JSON = CONTENT_TYPES[PROTOBUF], CONTENT_TYPES[JSON]
SETTINGS = settings(max_examples=50, deadline=None, database=None)
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
any_values = st.recursive(
    st.one_of(
        st.builds(lambda text: VALUE(string_value=text), texts),
        st.builds(lambda truth: VALUE(bool_value=truth), st.booleans()),
        st.builds(lambda number: VALUE(int_value=number),
                  st.integers(-2**63, 2**63 - 1)),
        st.builds(lambda number: VALUE(double_value=number),
                  st.floats(allow_nan=False)),
        st.builds(lambda raw: VALUE(bytes_value=raw), st.binary(max_size=8)),
        st.just(VALUE())),
    lambda inner: st.one_of(
        st.builds(lambda items: VALUE(array_value={"values": items}),
                  st.lists(inner, max_size=3)),
        st.builds(lambda pairs: VALUE(kvlist_value={"values": [
            {"key": key, "value": value} for key, value in pairs]}),
            st.lists(st.tuples(texts, inner), max_size=3))),
    max_leaves=6)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """A request with whatever its messages may hold."""
    attributes = st.lists(st.tuples(texts, any_values), max_size=3).map(
        lambda pairs: [{"key": key, "value": value} for key, value in pairs])
    small, large = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
    trace_ids, span_ids = st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)
    made: ExportTraceServiceRequest = REQUEST(resource_spans=[{
        "resource": {"attributes": draw(attributes), "dropped_attributes_count": draw(small)},
        "schema_url": draw(texts),
        "scope_spans": [{
            "scope": {"name": draw(texts), "version": draw(texts),
                      "attributes": draw(attributes), "dropped_attributes_count": draw(small)},
            "schema_url": draw(texts),
            "spans": [{
                "trace_id": draw(trace_ids), "span_id": draw(span_ids),
                "parent_span_id": draw(span_ids), "trace_state": draw(texts),
                "flags": draw(small), "name": draw(texts), "kind": draw(st.integers(0, 5)),
                "start_time_unix_nano": draw(large), "end_time_unix_nano": draw(large),
                "attributes": draw(attributes), "dropped_attributes_count": draw(small),
                "events": [{"name": draw(texts), "time_unix_nano": draw(large),
                            "attributes": draw(attributes)}],
                "links": [{"trace_id": draw(trace_ids), "span_id": draw(span_ids),
                           "trace_state": draw(texts), "attributes": draw(attributes),
                           "flags": draw(small)}],
                "status": {"code": draw(st.integers(0, 2)), "message": draw(texts)},
            }],
        }],
    }])
    return made


@pytest.mark.parametrize("sent", bodies(), ids=lambda sent: sent.name)
def test_a_captured_body_is_the_same_after_both_ways(sent: SentBody) -> None:
    message = message_of(sent.body, sent.content_type, sent.signal)
    as_json = reencoded(sent.body, sent.content_type, sent.signal, JSON)
    as_protobuf = reencoded(sent.body, sent.content_type, sent.signal, PROTOBUF)

    assert message_of(as_json, AS_JSON, sent.signal) == message
    assert message_of(as_protobuf, AS_PROTOBUF, sent.signal) == message
    assert reencoded(as_json, AS_JSON, sent.signal, PROTOBUF) == body_of(message, PROTOBUF)
    if encoding_of(sent.content_type) == PROTOBUF:
        assert reencoded(as_json, AS_JSON, sent.signal, PROTOBUF) == sent.body


def test_bodies_of_every_signal_were_captured() -> None:
    assert {sent.signal for sent in bodies()} == set(SIGNALS)
    assert {sent.content_type for sent in bodies()} == {AS_PROTOBUF, AS_JSON}


@SETTINGS
@given(requests())
def test_no_field_of_a_request_is_lost_either_way(request: ExportTraceServiceRequest) -> None:
    body = request.SerializeToString()

    as_json = reencoded(body, AS_PROTOBUF, TRACES, JSON)

    assert message_of(as_json, AS_JSON, TRACES) == request
    assert ExportTraceServiceRequest.FromString(
        reencoded(as_json, AS_JSON, TRACES, PROTOBUF)) == request


@SETTINGS
@given(requests())
def test_ids_are_hex_enums_are_numbers_and_long_numbers_are_texts(
        request: ExportTraceServiceRequest) -> None:
    made = json.loads(body_of(request, JSON))

    span = made["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    sent = request.resource_spans[0].scope_spans[0].spans[0]
    assert span["traceId"] == sent.trace_id.hex()
    assert span["spanId"] == sent.span_id.hex()
    assert span["links"][0]["traceId"] == sent.links[0].trace_id.hex()
    assert span.get("kind", 0) == sent.kind
    assert span.get("startTimeUnixNano", "0") == str(sent.start_time_unix_nano)


def test_what_a_sender_wrote_in_json_is_read_as_the_specification_has_it() -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": TRACE.upper(), "spanId": SPAN, "parentSpanId": PARENT, "kind": 3,
        "startTimeUnixNano": "1800000000000000001", "endTimeUnixNano": 1800000000000000002,
        "status": {"code": "STATUS_CODE_ERROR"}, "newerField": {"traceId": "not hex"},
        "attributes": [
            {"key": "traceId", "value": {"stringValue": "an attribute, no id"}},
            {"key": "half", "value": {"stringValue": "a\ud800"}},
            {"key": "list", "value": {"arrayValue": {"values": [None, {"intValue": "7"}]}}},
            {"key": "nothing", "value": None},
            {"key": "endless", "value": {"doubleValue": float("inf")}},
        ]}]}]}]}).encode()

    # A field that is newer than the definitions has no meaning here, whatever its value.
    made = message_of(body.replace(b"not hex", b"00"), "application/json; charset=utf-8", TRACES)

    span = made.resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (
        TRACE, SPAN, PARENT)
    assert (span.kind, span.status.code) == (3, 2)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1
    values = {pair.key: pair.value for pair in span.attributes}
    assert values["traceId"].string_value == "an attribute, no id"
    assert values["half"].string_value == "a?"
    assert [item.WhichOneof("value") for item in values["list"].array_value.values] == [
        None, "int_value"]
    assert values["nothing"].WhichOneof("value") is None
    assert values["endless"].double_value == float("inf")


def test_a_broken_span_in_json_costs_itself() -> None:
    good = {"traceId": TRACE, "spanId": SPAN, "name": "good"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [
        good, {**good, "traceId": "zz"}, 7, {**good, "startTimeUnixNano": "soon"},
        {**good, "spanId": PARENT}]}]}]}).encode()

    made = message_of(body, AS_JSON, TRACES)

    assert [span.span_id.hex() for span in made.resource_spans[0].scope_spans[0].spans] == [
        SPAN, PARENT]


def test_a_broken_resource_in_json_costs_its_own_spans() -> None:
    spans = {"scopeSpans": [{"spans": [{"traceId": TRACE, "spanId": SPAN}]}]}
    body = json.dumps({"resourceSpans": [
        {"resource": {"attributes": [{"key": "a", "value": {"doubleValue": 10**400}}]}, **spans},
        spans]}).encode()

    assert len(message_of(body, AS_JSON, TRACES).resource_spans) == 1


def test_a_text_that_is_not_utf_8_costs_no_span_in_protobuf() -> None:
    request = REQUEST(resource_spans=[{"scope_spans": [{"spans": [
        {"trace_id": bytes.fromhex(TRACE), "span_id": bytes.fromhex(SPAN), "name": name,
         "attributes": [{"key": "a", "value": {"int_value": -5}},
                        {"key": "b", "value": {"double_value": 0.5}}]}
        for name in ("first", "second", "third")]}]}])
    body = request.SerializeToString().replace(b"second", b"sec\xffnd")
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)

    made = message_of(body, AS_PROTOBUF, TRACES)

    spans = made.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans] == ["first", "sec\ufffdnd", "third"]
    assert list(spans[1].attributes) == list(request.resource_spans[0].scope_spans[0].spans[1]
                                             .attributes)


def test_a_broken_span_in_protobuf_costs_itself() -> None:
    request = REQUEST(resource_spans=[{"scope_spans": [{"spans": [
        {"trace_id": bytes.fromhex(TRACE), "span_id": bytes.fromhex(SPAN), "name": name}
        for name in ("first", "second", "third")]}]}])
    # A name that is longer than its span: its size alone is changed.
    body = request.SerializeToString().replace(b"\x06second", b"\x7fsecond")

    made = message_of(body, AS_PROTOBUF, TRACES)

    assert [span.name for span in made.resource_spans[0].scope_spans[0].spans] == [
        "first", "third"]


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(("content_type", "body"), [
    (AS_PROTOBUF, b"\xff"), (AS_PROTOBUF, b"\x0a\x05\x01"), (AS_JSON, b"{"), (AS_JSON, b"[]"),
    (AS_JSON, b"[" * 100_000), (AS_JSON, b'{"resourceSpans": 7, "resourceLogs": 7, '
                                         b'"resourceMetrics": 7}'),
    (AS_JSON, b"\xff"),
])
def test_what_is_no_body_at_all_is_refused_in_a_line(signal: str, content_type: str,
                                                     body: bytes) -> None:
    with pytest.raises(NotOtlpError, match=f"^no {signal} in "):
        reencoded(body, content_type, signal,
                  JSON if content_type == AS_PROTOBUF else PROTOBUF)


@pytest.mark.parametrize("signal", [LOGS, METRICS])
def test_ids_of_records_and_exemplars_are_hex_too(signal: str) -> None:
    ids = {"traceId": TRACE, "spanId": SPAN}
    sent = {LOGS: {"resourceLogs": [{"scopeLogs": [{"logRecords": [ids]}]}]},
            METRICS: {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{
                "name": "a", "gauge": {"dataPoints": [{"exemplars": [ids]}]}}]}]}]}}[signal]

    made = message_of(json.dumps(sent).encode(), AS_JSON, signal)

    assert bytes.fromhex(TRACE) in made.SerializeToString()
    assert json.loads(body_of(made, JSON)) == sent


@SETTINGS
@given(odd_bodies())
def test_an_odd_body_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        made = reencoded(body, AS_JSON, TRACES, PROTOBUF)
    except NotOtlpError:
        return
    assert message_of(made, AS_PROTOBUF, TRACES) is not None


def test_a_body_with_mistakes_is_read_or_refused_and_nothing_else() -> None:
    dice = Random(20261130)
    refused = 0
    for body, encoding in captured():
        for _ in range(3):
            content_type = CONTENT_TYPES[encoding]
            other = JSON if encoding == PROTOBUF else PROTOBUF
            try:
                made = reencoded(mistaken(body, dice), content_type, TRACES, other)
                decode_traces(made, other)
            except NotOtlpError:
                refused += 1
    assert refused


def test_what_is_in_the_encoding_already_stays_byte_for_byte() -> None:
    assert reencoded(b"\xff", AS_PROTOBUF, TRACES, PROTOBUF) == b"\xff"
    assert reencoded(b"{", AS_JSON, TRACES, AS_JSON) == b"{"

