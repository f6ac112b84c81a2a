"""What `explain` says of captured bodies is what a gateway makes of them, and no prompt.

Record the golden reports anew with `make golden`, and read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from inferometer.chapters import Chapter, as_data, as_text
from inferometer.cli.explain_calls import call_chapters, count_calls
from inferometer.pricing import unpriced
from inferometer.spans.explain.capture import read_bodies
from inferometer.spans.explain.report import Explanation, chapters, explain_bodies
from inferometer.spans.explain.sources import KIND
from inferometer.spans.flavours import FLAVOURS
from inferometer.spans.normalise import facts_of
from inferometer.spans.otlp import decode_traces
from inferometer.spans.reader import Wishes
from inferometer.spans.settlement import UsageState
from tests.exporter.spans.bodies import FIXTURES, FOLDERS, bodies, spans, traces

GOLDEN = Path(__file__).parents[2] / "golden" / "otlp"
# Twins by two and by four instrumentations, a proxy, an engine, JSON, an agent, a tool's server.
GOLDENS = ("official-genai-openai+langchain-1.3b0-both",
           "openinf+traceloop-langchain+openai-four", "litellm-proxy-1.110.2",
           "vllm-0.32.0", "vercel-ai-6.0.326", "openinf-langgraph-0.1.80",
           "traceloop-mcp-0.62.4+mcp-1.30.0", "mcp-python-sdk-2.3.0", "python-evaluation-event",
           "haystack-3.4.1", "openlit-mcp-1.45.0+mcp-1.30.0")
MARK = "it may say what made the span"
CONTENT = {name for flavour in FLAVOURS for name in flavour.content}


@cache
def explained(folder: str) -> Explanation:
    files = sorted(file for file in (FIXTURES / folder).iterdir() if file.name != "TRUTH.json")
    return explain_bodies([body for file in files
                           for body in read_bodies(file.name, file.read_bytes(), 2**25)], Wishes())


def report(folder: str) -> Sequence[Chapter]:
    explanation = explained(folder)
    return [*chapters(explanation),
            *call_chapters(explanation, count_calls(explanation, unpriced), "not priced here")]


@pytest.mark.parametrize("folder", GOLDENS)
def test_the_report_is_the_recorded_one(folder: str) -> None:
    file = GOLDEN / f"{folder}.txt"
    text = "\n".join(as_text(report(folder))) + "\n"
    if os.environ.get("GOLDEN") == "record":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"if {file.name} should change: make golden"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_span_is_read_as_a_gateway_reads_it(folder: str) -> None:
    theirs = {(span.trace_id, span.span_id): facts_of(span) for span in spans(folder)}
    assert {(one.captured.span.trace_id, one.captured.span.span_id): one.fact
            for one in explained(folder).spans} == theirs
    settled = {trace.trace_id: trace.settlement for trace in explained(folder).traces}
    for trace_id, trace in traces(folder).items():
        if trace.facts:
            mine, own = settled[trace_id], trace.settled()
            assert ([*mine.rows], [*mine.runs], [*mine.tools], [*mine.operations],
                    [*mine.retrievals]) == (
                [*own.rows], [*own.runs], [*own.tools], [*own.operations], [*own.retrievals])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_fact_is_the_same_without_what_is_not_used(folder: str) -> None:
    for one in explained(folder).spans:
        span = one.captured.span
        needless = {key for key, why in one.unused.items() if not why.startswith(MARK)}
        assert one.fact is None or facts_of(replace(span, attributes={
            key: value for key, value in span.attributes.items() if key not in needless})
            ) == one.fact


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_attribute_of_a_body_is_a_source_or_has_a_reason(folder: str) -> None:
    """Also those that no decoder keeps, which are looked up in the body itself."""
    keys = set()
    for body, encoding in bodies(folder):
        if encoding == "json":
            keys |= {pair["key"] for resource in json.loads(body)["resourceSpans"]
                     for scope in resource["scopeSpans"] for span in scope["spans"]
                     for pair in span.get("attributes", ())}
    mine = {key for one in explained(folder).spans for key in one.captured.keys}
    assert keys <= mine
    for one in explained(folder).spans:
        unused = {key for key in one.unused if not key.startswith("event ")}
        sources = " ".join(one.fields.values())
        assert [key for key in one.captured.keys - unused if key not in sources] == []
        assert all(one.unused.values())
        assert (one.fact is None) == bool(one.why)
        assert one.fact is None or KIND in one.fields


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_span_that_is_one_with_others_has_a_reason(folder: str) -> None:
    for trace in explained(folder).traces:
        joined = {(join.outer, join.fact.span_id): join.why for join in trace.joins}
        for row in trace.settlement.rows:
            if len(row.spans) > 1 and row.billed and row.calls is not None:
                assert {span for outer, span in joined if outer == row.call.span_id} >= row.spans
        assert all(joined.values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_prompt_and_no_answer_is_printed(folder: str) -> None:
    sayings = {value for body, encoding in bodies(folder)
               for span in decode_traces(body, encoding, content=True).spans
               for key, value in span.attributes.items()
               if key in CONTENT and isinstance(value, str) and len(value) > 15}
    printed = "\n".join(as_text(report(folder))) + json.dumps(as_data(report(folder)))
    assert [saying for saying in sayings if saying in printed] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_counts_is_what_was_settled(folder: str) -> None:
    counted = count_calls(explained(folder), unpriced).calls
    rows = [row for trace in traces(folder).values() for row in trace.settled().rows]
    assert sum(one.row.calls for one in counted) == sum(row.calls or 0 for row in rows)
    for name in ("input", "output"):
        assert sum(getattr(one.row, name) or 0 for one in counted
                   if one.row.billed and one.row.usage == UsageState.KNOWN) == sum(
            getattr(row.call.usage, name) or 0 for row in rows
            if row.billed and row.usage is UsageState.KNOWN)
