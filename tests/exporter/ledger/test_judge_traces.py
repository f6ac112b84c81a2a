"""What engines and proxies tell of requests to a judge is in no application's figures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from inferometer.facts import (
    AgentRun,
    EngineCall,
    Evaluation,
    Fact,
    McpOperation,
    Retrieval,
    ToolCall,
    Usage,
)
from inferometer.ledger.keys import KeyRing
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import BEGIN, SECOND, call, ledger_in

SAID = {"gen_ai.output.messages": "Ada lives in Paris."}


def spans_of_a_proxy(trace_id: bytes) -> list[Fact]:
    """All kinds of steps, of a service of its own, with names and content."""
    def step(kind: type[Fact], **fields: Any) -> Fact:
        return kind(trace_id=trace_id, span_id=os.urandom(8),
                    service_name="proxy", start=BEGIN, end=BEGIN + SECOND, **fields)
    root = step(AgentRun, agent="router")
    inner = call(trace_id, parent_id=root.span_id, service_name="proxy", user="ada",
                 conversation="c1", response_id="chatcmpl-1", refusal="phrase", is_read=True,
                 json_valid=False, bad_tools=("t",), content=SAID)
    return [root, inner,
            step(EngineCall, parent_id=inner.span_id, response_id="chatcmpl-1",
                 usage=Usage(100, 0, None, 20, None), queue=0.1),
            step(ToolCall, parent_id=root.span_id, tool="t"),
            step(McpOperation, parent_id=root.span_id, method="tools/call"),
            step(Retrieval, parent_id=root.span_id, documents=3),
            step(Evaluation, parent_id=inner.span_id, evaluation="json_valid", label="fail")]


@pytest.mark.usefixtures("each_store")
def test_spans_of_a_judges_call_add_to_nothing(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        trace_id = bench.file.keys.judge_trace()
        first, *others = spans_of_a_proxy(trace_id)
        bench.send(*others)
        bench.wait()
        bench.send(first)  # late
        bench.wait()
        rows = bench.rows('SELECT kind, seat, "user", conversation FROM counted')
        assert {*rows} == {("judging", 0, None, None)}
        assert bench.ledger.reading().counters == {}
        assert bench.rows("SELECT hour FROM rollups") == []
        assert bench.rows("SELECT seq FROM contents") == []
        verified = verify(bench.file)
        assert (verified.facts, verified.differences) == (7, [])


@pytest.mark.usefixtures("each_store")
def test_the_same_spans_of_an_application_count(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    with ledger_in(tmp_path) as bench:
        bench.send(*spans_of_a_proxy(os.urandom(16)))
        bench.wait()
        assert bench.counters()["ended", "success/"] == 1
        assert len(bench.rows("SELECT seq FROM contents")) == 1


def test_who_is_forgotten_is_in_no_span_of_a_judge_either(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(*spans_of_a_proxy(bench.file.keys.judge_trace()))
        bench.wait()
        forget(bench.file, "ada")
        assert bench.rows('SELECT seq FROM facts WHERE "user" IS NOT NULL') == []
        assert not verify(bench.file).differences


def test_an_applications_call_beside_it_counts_once(tmp_path: Path) -> None:
    """An engine that serves both has the ids of responses of both."""
    with ledger_in(tmp_path) as bench:
        bench.send(*spans_of_a_proxy(bench.file.keys.judge_trace()))
        bench.send(call(os.urandom(16), response_id="chatcmpl-1"))
        bench.wait()
        assert bench.counters()["ended", "success/"] == 1
        assert bench.counters()["output", ""] == 20
        assert not verify(bench.file).differences


def test_only_who_has_the_key_makes_a_judges_trace_id() -> None:
    ours, theirs = KeyRing.of(b"ours"), KeyRing.of(b"theirs")
    trace_id = ours.judge_trace()
    assert len(trace_id) == 16
    assert ours.is_judge_trace(trace_id)
    assert not theirs.is_judge_trace(trace_id)
    assert not ours.is_beat(trace_id)
    assert not ours.is_judge_trace(ours.beat_trace())
    assert not any(ours.is_judge_trace(os.urandom(16)) for _ in range(1000))


def test_two_requests_have_two_traces() -> None:
    keys = KeyRing.of(b"ours")
    assert len({keys.judge_trace() for _ in range(100)}) == 100
