"""Metrics about calls: what their data points say, in both encodings, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from inferometer.points import CallLabels, MetricPoint
from inferometer.spans.decoded import Bounds, Refused
from inferometer.spans.metric_names import MEASURES
from inferometer.spans.otlp import decode_metrics
from inferometer.spans.settlement import UsageState
from tests.exporter.spans.bodies import FIXTURES, traces

NOW = 1_800_000_000 * 10**9
CAPTURED = sorted(FIXTURES.glob("*/*-metrics.pb"))
# Whose metrics have all calls that their spans have.
COMPLETE = ("handwritten-genai-0.1.0", "official-genai-anthropic-1.3b0",
            "official-genai-openai-1.3b0-default")


def encoded(metrics: object, resource: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """An export of these metrics in both encodings."""
    body = {"resourceMetrics": [{
        "resource": {"attributes": attributes(resource or {"service.name": "envoy"})},
        "scopeMetrics": [{"scope": {"name": "gateway", "version": "1"}, "metrics": metrics}]}]}
    return {"json": json.dumps(body).encode(),
            "protobuf": ParseDict(body, ExportMetricsServiceRequest()).SerializeToString()}


def attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def one(name: str = "gen_ai.server.request.duration", unit: str = "s", kind: str = "histogram",
        temporality: int = 2, **fields: Any) -> dict[str, Any]:
    """A metric with one data point: of two calls that took half a second and two."""
    data = {"startTimeUnixNano": str(NOW), "timeUnixNano": str(NOW + 10**9), "count": "2",
            "sum": 2.5, "bucketCounts": ["1", "1"], "explicitBounds": [1.0],
            "attributes": attributes({
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "m", **fields.pop("more", {})})}
    data |= fields
    return {"name": name, "unit": unit, kind: {
        "dataPoints": [{key: value for key, value in data.items() if value is not None}],
        "aggregationTemporality": temporality,
        **({"isMonotonic": True} if kind == "sum" else {})}}


def counter(name: str, number: int, **fields: Any) -> dict[str, Any]:
    """A sum of so many tokens."""
    return one(name, "{token}", "sum", count=None, sum=None, bucketCounts=None,
               explicitBounds=None, **{"asInt": str(number), **fields})


def read(bodies: Mapping[str, bytes], bounds: Bounds | None = None
         ) -> tuple[list[MetricPoint], Counter[str]]:
    """What both encodings have, which is the same."""
    made = []
    for encoding, body in bodies.items():
        decoded = decode_metrics(body, encoding, bounds or Bounds())
        made.append((list(decoded.spans), decoded.rejected))
    assert made[0] == made[1]
    return made[0]


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.parent.name)
def test_a_captured_body_says_the_same_in_both_encodings(path: Path) -> None:
    message = ExportMetricsServiceRequest.FromString(path.read_bytes())
    points, rejected = read({"protobuf": path.read_bytes(),
                             "json": MessageToJson(message).encode()})
    assert points
    assert not rejected
    assert {point.labels.service_name for point in points} <= {"agent-demo", "rag-demo"}
    assert len({point.stream for point in points}) == len(points)


@pytest.mark.parametrize("folder", COMPLETE)
def test_a_captured_body_has_the_tokens_that_the_spans_beside_it_have(folder: str) -> None:
    """By spans each call is read on its own; the sender's own sums are the other witness."""
    (path,) = (FIXTURES / folder).glob("*-metrics.pb")
    ours: Counter[tuple[str, str]] = Counter()
    for point in decode_metrics(path.read_bytes(), "protobuf").spans:
        if point.quantity in ("input", "output"):
            ours[point.labels.operation, point.quantity] += point.total
    spans: Counter[tuple[str, str]] = Counter()
    for trace in traces(folder).values():
        for row in trace.settled().rows:
            if row.usage is UsageState.KNOWN and row.billed:
                spans[row.call.operation, "input"] += row.call.usage.input or 0
                spans[row.call.operation, "output"] += row.call.usage.output or 0
    assert ours["chat", "input"]
    assert ours == {key: spans[key] for key in ours}


def test_a_duration_is_told_with_labels_outcome_and_buckets() -> None:
    points, _ = read(encoded([one(), one(more={"error.type": "429"})]))
    assert [(point.outcome, point.error_type) for point in points] == [
        ("success", ""), ("rejected", "rate_limit")]
    assert points[0]._replace(stream=b"", chooser=b"") == MetricPoint(
        b"", b"", "gen_ai.server.request.duration", 2, "duration",
        CallLabels("openai", "m", "chat", "envoy"), "success", "", is_delta=False, start=NOW,
        time=NOW + 10**9, values=2, total=2_500_000_000, bounds=(1.0,), counts=(1, 1))


@pytest.mark.parametrize(("name", "quantity"), [
    (name, measure.quantity) for name, measure in MEASURES.items() if measure.quantity])
def test_each_name_old_and_new_is_read(name: str, quantity: str) -> None:
    metric = counter(name, 7) if ".usage." in name else one(name)
    points, rejected = read(encoded([metric]))
    assert [point.quantity for point in points] == [quantity]
    assert not rejected


@pytest.mark.parametrize(("kind", "quantity"), [
    ("input", "input"), ("output", "output"), ("cached_input", "cached"),
    ("cache_creation_input", "cache_write"), ("reasoning", "reasoning"), ("total", None),
    ("", None)])
def test_tokens_are_told_apart_by_their_type(kind: str, quantity: str | None) -> None:
    points, _ = read(encoded([one("gen_ai.client.token.usage", "token",
                                  more={"gen_ai.token.type": kind})]))
    assert [(point.quantity, point.total) for point in points] == (
        [(quantity, 2)] if quantity else [])


def test_who_it_is_of_goes_by_resource_scope_metric_and_attributes() -> None:
    (first,), _ = read(encoded([one()]))
    again = [read(encoded([one()]))[0][0],
             read(encoded([one(sum=3.5, count="3", bucketCounts=["1", "2"])]))[0][0]]
    others = [
        read(encoded([one()], {"service.name": "envoy", "service.instance.id": "2"}))[0][0],
        read(encoded([one(more={"kong.workspace.name": "w"})]))[0][0],
        read(encoded([one(temporality=1)]))[0][0],
        read(encoded([one("gen_ai.client.operation.duration")]))[0][0]]
    assert {point.stream for point in again} == {first.stream}
    assert len({first.stream, *(point.stream for point in others)}) == 5
    assert others[3].chooser == first.chooser  # the same, under another name
    assert others[0].chooser != first.chooser


@pytest.mark.parametrize("name", ["retrieval", "execute_tool", "invoke_agent", "rerank"])
def test_what_is_no_call_to_a_model_is_none(name: str) -> None:
    metric = one("gen_ai.client.operation.duration", more={"gen_ai.operation.name": name})
    assert read(encoded([metric])) == ([], Counter())


@pytest.mark.parametrize("metric", [
    one("http.client.request.duration"), one(temporality=0), one(flags=1),
    one("gen_ai.client.operation.time_per_output_chunk"),
    {**counter("gen_ai.client.inference.usage.input_tokens", 1), "sum": {
        **counter("gen_ai.client.inference.usage.input_tokens", 1)["sum"], "isMonotonic": False}},
    {"name": "gen_ai.server.request.duration", "gauge": {"dataPoints": [{"asDouble": 1.0}]}},
    {"name": "gen_ai.server.request.duration"}])
def test_what_counts_no_calls_is_passed_over(metric: dict[str, Any]) -> None:
    assert read(encoded([metric])) == ([], Counter())


@pytest.mark.parametrize("fields", [
    {"sum": -1.0}, {"sum": "NaN"}, {"sum": "Infinity"}, {"sum": None}, {"sum": 1e300},
    {"count": "3"}, {"bucketCounts": ["1"]}, {"explicitBounds": [1.0, 0.5]},
    {"explicitBounds": ["NaN"]}, {"explicitBounds": [1.0, 1.0], "bucketCounts": ["1", "0", "1"]},
    {"timeUnixNano": "0"}, {"startTimeUnixNano": str(NOW + 2 * 10**9)}])
def test_a_point_that_cannot_be_is_left_out_and_the_others_stay(fields: dict[str, Any]) -> None:
    points, rejected = read(encoded([one(), one(**fields)]))
    assert len(points) == 1
    assert rejected == {"malformed": 1}


def test_a_negative_number_of_tokens_is_none() -> None:
    assert read(encoded([counter("gen_ai.client.inference.usage.input_tokens", -5)])) == (
        [], Counter(malformed=1))


def test_another_unit_is_reckoned_in_seconds_or_refused() -> None:
    (point,), _ = read(encoded([one(unit="ms", sum=2500.0, explicitBounds=[1000.0])]))
    assert (point.total, point.bounds) == (2_500_000_000, (1.0,))
    assert read(encoded([one(unit="By")])) == ([], Counter(malformed=1))


def test_an_exponential_histogram_has_its_count_and_sum_alone() -> None:
    metric = one(kind="exponentialHistogram", bucketCounts=None, explicitBounds=None, scale=3,
                 positive={"offset": 1, "bucketCounts": ["1", "1"]})
    (point,), _ = read(encoded([metric]))
    assert (point.values, point.total, point.counts) == (2, 2_500_000_000, ())


def test_bodies_beyond_the_bounds_are_refused() -> None:
    many = [one() for _ in range(20)]
    for bounds in (Bounds(points=10), Bounds(metrics=10), Bounds(values=10)):
        for encoding, body in encoded(many).items():
            with pytest.raises(Refused) as refusal:
                list(decode_metrics(body, encoding, bounds).spans)
            assert refusal.value.status == 413
    wide = one(more={f"key {number}": "x" for number in range(30)})
    assert read(encoded([wide]), Bounds(attributes=10))[1] == {"too_many_attributes": 1}
    long = one(explicitBounds=list(range(300)), bucketCounts=["0"] * 300 + ["2"])
    assert read(encoded([long]))[1] == {"too_large": 1}


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"resourceMetrics": 3}',
                                  b'{"resourceMetrics": [{"scopeMetrics": {}}]}'])
def test_no_otlp_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="no OTLP in JSON"):
        decode_metrics(body, "json")
    with pytest.raises(Refused, match="no OTLP in protobuf"):
        decode_metrics(b"\x0a\xff", "protobuf")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_bodies_that_are_changed_anywhere_break_nothing(data: st.DataObject) -> None:
    encoding, body = data.draw(st.sampled_from(sorted(encoded([one(), counter(
        "gen_ai.client.inference.usage.input_tokens", 5)]).items())))
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + data.draw(st.binary(max_size=3)) + body[place + 1:]
    with suppress(Refused):
        for point in decode_metrics(changed, encoding).spans:
            assert point.total >= 0
            assert sum(point.counts) in (0, point.values)
