"""Every captured body against what was really called: equal, or unknown for a reason."""

from __future__ import annotations

import json
import random

import pytest

from inferometer.spans.normalise import facts_of
from inferometer.spans.once import settle
from inferometer.spans.otlp import decode_traces
from tests.exporter.spans.bodies import (
    FOLDERS,
    WITH_TRUTH,
    bodies,
    scenarios,
    spans,
    traces,
    truth,
)
from tests.exporter.spans.figures import Figures, summed, true
from tests.exporter.spans.unseen import UNSEEN


@pytest.mark.parametrize("folder", WITH_TRUTH)
def test_figures_are_the_true_ones_wherever_a_span_has_them(folder: str) -> None:
    settled = scenarios(folder)
    missed = {
        name: fields for name, scenario in truth(folder).items()
        if (fields := set(summed(settled.get(name, ())).differences(true(scenario))))}
    assert missed == UNSEEN.get(folder, {})


@pytest.mark.parametrize("folder", WITH_TRUTH)
def test_no_figure_exceeds_the_truth(folder: str) -> None:
    settled = scenarios(folder)
    for name, scenario in truth(folder).items():
        for field, (mine, theirs) in summed(settled.get(name, ())).differences(
                true(scenario)).items():
            if isinstance(mine, int):
                assert mine <= theirs, f"{name}: {field}"
            else:
                assert len(mine) <= len(theirs), f"{name}: {field}"


def test_a_truth_with_one_token_changed_is_noticed() -> None:
    scenario = json.loads(json.dumps(truth("pydantic-ai-2.68.0")["chat"]))
    settled = scenarios("pydantic-ai-2.68.0")["chat"]
    assert summed(settled).differences(true(scenario)) == {}
    scenario["tokens"]["output"] += 1
    assert set(summed(settled).differences(true(scenario))) == {"output"}


@pytest.mark.parametrize(("folder", "scenario", "figures"), [
    ("official-genai-openai-1.3b0-default", "tool", Figures(
        2, 2, 200, 64, 0, 41, 0, 0, (), (), ())),
    ("official-genai-openai+langchain-1.3b0-both", "lc", Figures(
        2, 2, 240, 128, 0, 48, 0, 1, ("get_weather",), (None,), ())),
    ("openinf-openai-0.1.66", "rag", Figures(2, 2, 127, 64, 0, 24, 0, 0, (), (3,), (3,))),
    ("openinf-openai-0.1.66", "responses", Figures(1, 1, 36, 16, 0, 9, 4, 0, (), (), ())),
    ("traceloop-openai-0.62.4", "lc_empty", Figures(0, 0, 0, 0, 0, 0, 0, 0, (), (0,), ())),
    ("litellm-proxy-1.110.2", "", Figures(12, 9, 766, 352, 0, 152, 8, 0, (), (), ())),
    ("official-openai-v2-2.4b0-default", "stream_usage", Figures(
        1, 1, 120, 0, 0, 24, 0, 0, (), (), ())),
])
def test_figures_of_emitters_without_a_log_of_the_server(
        folder: str, scenario: str, figures: Figures) -> None:
    assert summed(scenarios(folder)[scenario]) == figures


@pytest.mark.parametrize(("folder", "scenario", "error"), [
    ("official-genai-openai-1.3b0-default", "stream_cut_by_server", "truncated"),
    ("official-genai-openai-1.3b0-default", "stream_client_break", "abandoned"),
    ("official-genai-openai-1.3b0-default", "connrefused", "connection"),
    ("official-genai-openai-1.3b0-default", "filter", ""),
    ("openinf-openai-0.1.66", "stream_cut_by_server", "truncated"),
    ("traceloop-openai-0.62.4", "stream_cut_by_server", "truncated"),
    ("langfuse-5.0.4", "", None),
])
def test_how_calls_ended(folder: str, scenario: str, error: str | None) -> None:
    rows = [row for settled in scenarios(folder)[scenario] for row in settled.rows]
    if error is None:
        errors = [row.call.error_type.value for row in rows]
        assert sorted(filter(None, errors)) == [
            "connection", "rate_limit", "rate_limit", "server", "truncated", "truncated"]
    else:
        assert [row.call.error_type for row in rows] == [error]


def test_an_engine_span_is_joined_by_its_parent_and_counts_no_call() -> None:
    settled = [trace.settled() for trace in traces("app+vllm-propagation").values()]
    assert [len(one.rows) for one in settled] == [1, 1]
    engines = [engine for trace in traces("vllm-0.32.0").values()
               for engine in trace.settled().engines]
    assert len(engines) == 4
    assert all(engine.queue is not None and engine.prefill is not None for engine in engines)
    injected = [*spans("app+vllm-propagation"), *spans("vllm-0.32.0")]
    facts = [fact for span in injected if (fact := facts_of(span)) is not None]
    joined = settle(facts, {span.span_id: span.parent_id for span in injected})
    assert sum(row.engine is not None for row in joined.rows) == 2


@pytest.mark.parametrize("folder", FOLDERS)
def test_order_and_resends_change_no_row(folder: str) -> None:
    chance = random.Random(folder)
    for trace in traces(folder).values():
        expected = trace.settled()
        for _ in range(3):
            facts = [*trace.facts, *chance.choices(trace.facts, k=3)] if trace.facts else []
            chance.shuffle(facts)
            assert settle(facts, trace.parents) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_span_is_the_same_in_both_encodings(folder: str) -> None:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )
    for body, encoding in bodies(folder):
        if encoding == "json":
            continue
        message = MessageToDict(ExportTraceServiceRequest.FromString(body))
        for resource in message["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    _hexed(span)
        as_json = decode_traces(json.dumps(message).encode(), "json")
        assert list(as_json.spans) == list(decode_traces(body, "protobuf").spans)


def _hexed(span: dict[str, str]) -> None:
    import base64
    for key in ("traceId", "spanId", "parentSpanId"):
        if key in span:
            span[key] = base64.b64decode(span[key]).hex()
