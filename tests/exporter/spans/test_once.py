"""Which spans are one call, by structure alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.facts import (
    AgentRun,
    EngineCall,
    ErrorType,
    Fact,
    McpOperation,
    ModelCall,
    Outcome,
    Retrieval,
    ToolCall,
    Usage,
)
from inferometer.spans.once import settle
from inferometer.spans.settlement import Settlement, UsageState

SECOND = 10**9
START = 1_800_000_000 * SECOND
PLAIN = Usage(120, 64, None, 24, None)


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def make(kind: type[Fact], number: int, parent: int = 0, *, scope: str = "one",
         begin: float = 0.0, lasts: float = 1.0, service: str = "app", **fields: Any) -> Any:
    start = START + int(begin * SECOND)
    return kind(trace_id=b"t" * 16, span_id=span_id(number),
                parent_id=span_id(parent) if parent else b"", scope=scope, service_name=service,
                start=start, end=start + int(lasts * SECOND), **fields)


def call(number: int, parent: int = 0, *, usage: Usage = PLAIN, model: str = "gpt-4o-mini",
         **fields: Any) -> ModelCall:
    made: ModelCall = make(ModelCall, number, parent, usage=usage, operation="chat",
                           request_model=model, **fields)
    return made


def failed(number: int, parent: int = 0, **fields: Any) -> ModelCall:
    return call(number, parent, usage=Usage(), outcome=Outcome.REJECTED,
                error_type=ErrorType.RATE_LIMIT, **fields)


def settled(facts: Sequence[Fact], **parents: int) -> Settlement:
    links = {fact.span_id: fact.parent_id for fact in facts}
    links |= {span_id(int(child[1:])): span_id(parent) for child, parent in parents.items()}
    return settle(facts, links)


def tokens(result: Settlement) -> tuple[int, int]:
    usages = [row.call.usage for row in result.rows if row.billed]
    return sum(usage.input or 0 for usage in usages), sum(usage.output or 0 for usage in usages)


def test_a_call_above_one_call_is_that_call_seen_from_outside() -> None:
    result = settled([call(1, lasts=2.0), call(2, 1, scope="native")])
    assert len(result.rows) == 1
    assert result.rows[0].call.seconds == 2.0
    assert result.rows[0].spans == {span_id(1), span_id(2)}
    assert tokens(result) == (120, 24)


def test_spans_that_are_no_fact_do_not_hide_who_is_above() -> None:
    result = settled([call(1), call(3, 2, scope="native")], s2=1)
    assert len(result.rows) == 1


def test_a_call_above_several_successes_is_a_wrapper() -> None:
    result = settled([call(1, usage=Usage(240, None, None, 48, None), lasts=3.0),
                      call(2, 1), call(3, 1, begin=1.5)])
    assert [row.call.span_id for row in result.rows] == [span_id(2), span_id(3)]
    assert tokens(result) == (240, 48)
    assert [run.calls for run in result.runs] == [2]


def test_tries_of_which_the_last_succeeded_are_one_call() -> None:
    result = settled([call(1, lasts=3.0, usage=Usage()), failed(2, 1, lasts=0.1),
                      call(3, 1, begin=1.0)])
    assert [(row.call.tries, row.call.outcome) for row in result.rows] == [(2, Outcome.SUCCESS)]
    assert tokens(result) == (120, 24)


def test_a_failure_after_a_success_is_no_try_of_it() -> None:
    result = settled([call(1, lasts=3.0), call(2, 1), failed(3, 1, begin=1.5)])
    assert len(result.rows) == 2


def test_an_applications_own_retry_is_two_calls() -> None:
    result = settled([make(AgentRun, 1, lasts=3.0), failed(2, 1, lasts=0.1),
                      call(3, 1, begin=1.0)])
    assert len(result.rows) == 2


def test_an_agent_above_one_call_is_no_call() -> None:
    result = settled([make(AgentRun, 1, usage=PLAIN, lasts=9.0), call(2, 1)])
    assert [row.call.seconds for row in result.rows] == [1.0]
    assert tokens(result) == (120, 24)
    assert [run.calls for run in result.runs] == [1]


def test_a_call_above_a_tool_that_calls_is_a_wrapper() -> None:
    result = settled([call(1, lasts=5.0), make(ToolCall, 2, 1, tool="ask"), call(3, 2)])
    assert [row.call.span_id for row in result.rows] == [span_id(3)]


@pytest.mark.parametrize(("other", "rows"), [
    ({"scope": "two"}, 1),
    ({"scope": "one"}, 2),
    ({"scope": "two", "model": "gpt-4o-mini-2024-07-18"}, 1),
    ({"scope": "two", "model": "openai/gpt-4o-mini"}, 1),
    ({"scope": "two", "model": "gpt-4o"}, 2),
    ({"scope": "two", "usage": Usage(80, None, None, 17, None)}, 2),
    ({"scope": "two", "usage": Usage()}, 1),
    ({"scope": "two", "begin": 0.9}, 2),
    ({"scope": "two", "service": "other"}, 2),
])
def test_siblings_are_one_call_if_scopes_differ_and_all_else_agrees(
        other: dict[str, Any], rows: int) -> None:
    assert len(settled([call(1), call(2, **{"lasts": 0.9, **other})]).rows) == rows


def test_siblings_with_one_response_are_one_call_whatever_they_are_named() -> None:
    result = settled([call(1, response_id="r", model="a"),
                      call(2, response_id="r", model="b", scope="two")])
    assert len(result.rows) == 1


def test_parallel_twins_are_matched_one_to_one() -> None:
    outer = [call(number, begin=number / 1000) for number in range(1, 6)]
    inner = [call(number + 10, begin=number / 1000, scope="two", lasts=0.99)
             for number in range(1, 6)]
    result = settled([*outer, *inner])
    assert len(result.rows) == 5
    assert all(len(row.spans) == 2 for row in result.rows)


def test_both_services_of_a_proxied_call_count_it_and_one_is_billed() -> None:
    result = settled([call(1, lasts=2.0), call(2, 1, service="proxy", scope="litellm")])
    assert [(row.call.service_name, row.billed) for row in result.rows] == [
        ("app", True), ("proxy", False)]
    assert tokens(result) == (120, 24)


def test_the_sum_of_a_wrapper_is_taken_once_where_no_call_was_sent() -> None:
    result = settled([make(AgentRun, 1, usage=Usage(360, None, None, 72, None), lasts=4.0),
                      make(AgentRun, 2, 1, usage=Usage(180, None, None, 32, None))])
    assert [row.calls for row in result.rows] == [None]
    assert tokens(result) == (360, 72)


def test_the_sum_of_a_wrapper_is_its_one_calls() -> None:
    result = settled([make(AgentRun, 1, usage=PLAIN), call(2, 1, usage=Usage())])
    assert [(row.calls, row.usage) for row in result.rows] == [(1, UsageState.KNOWN)]
    assert tokens(result) == (120, 24)


def test_a_run_below_a_call_that_has_tokens_adds_none() -> None:
    result = settled([call(1, lasts=3.0), make(AgentRun, 2, 1, usage=PLAIN)])
    assert tokens(result) == (120, 24)


@pytest.mark.parametrize(("second", "total"), [
    (Usage(240, None, None, 48, None), (240, 48)),  # goes on from the first
    (Usage(80, None, None, 17, None), (200, 41)),  # its own
])
def test_an_agents_sums_that_never_begin_anew_are_not_added(
        second: Usage, total: tuple[int, int]) -> None:
    result = settled([make(AgentRun, 1, usage=Usage(120, None, None, 24, None), agent="a"),
                      make(AgentRun, 2, usage=second, agent="a", begin=2.0)])
    assert tokens(result) == total


@pytest.mark.parametrize(("asked", "streamed", "sums"), [
    ("TOOL_CALLS", None, (320, 62)),  # 80/17, 100/15 and 140/30, each with those before it
    ("STOP", None, (580, 111)),  # three answers, and no loop
    ("TOOL_CALLS", False, (580, 111)),  # a version whose spans have their own
])
def test_spring_ais_running_sums_are_counted_once(
        asked: str, streamed: bool | None, sums: tuple[int, int]) -> None:
    usages = ((80, 17), (180, 32), (320, 62))
    calls = [call(number, 9, scope="org.springframework.boot", usage=Usage(tokens, output=output),
                  begin=2.0 * number, streamed=streamed,
                  finish_reason=asked)
             for number, (tokens, output) in enumerate(usages, 1)]
    result = settled(calls)
    assert sum(row.calls or 0 for row in result.rows) == 3
    assert tokens(result) == sums


def test_a_calls_missing_usage_is_not_0() -> None:
    result = settled([call(1, usage=Usage())])
    assert [(row.usage, row.call.usage.input) for row in result.rows] == [
        (UsageState.MISSING, None)]


def test_a_guessed_usage_gives_way_to_a_true_one() -> None:
    guess = Usage(200, None, None, 40, None, estimated=True)
    assert [row.usage for row in settled([call(1, usage=guess)]).rows] == [UsageState.ESTIMATED]
    both = settled([call(1, usage=guess), call(2, 1, scope="native")])
    assert [row.usage for row in both.rows] == [UsageState.KNOWN]
    assert tokens(both) == (120, 24)


def test_an_embedding_below_a_call_is_another_call() -> None:
    embedding = make(ModelCall, 2, 1, operation="embeddings", usage=Usage(7),
                     request_model="text-embedding-3-small")
    result = settled([call(1, lasts=2.0), embedding])
    assert tokens(result) == (127, 24)
    assert len(result.rows) == 2


def test_an_engine_span_fills_its_call_and_counts_none() -> None:
    engine = make(EngineCall, 2, 1, response_id="r", queue=0.1, service="vllm")
    result = settled([call(1), engine])
    assert [row.engine for row in result.rows] == [engine]
    assert settled([engine]).engines == [engine]


def test_a_tool_of_client_and_server_ran_once_and_failed_if_either_says_so() -> None:
    result = settled([
        make(ToolCall, 1, tool="weather", lasts=2.0),
        make(ToolCall, 2, 1, tool="weather", scope="server", service="mcp",
             outcome=Outcome.ERROR, error_type=ErrorType.TOOL)])
    assert [step.fact.outcome for step in result.tools] == [Outcome.ERROR]


def test_a_tool_that_an_agent_within_it_ran_again_ran_twice() -> None:
    result = settled([make(ToolCall, 1, tool="search", lasts=2.0), make(AgentRun, 2, 1),
                      make(ToolCall, 3, 2, tool="search")])
    assert len(result.tools) == 2


def test_a_tool_over_mcp_is_an_operation_too_and_what_an_agent_tells_of_it_is_not() -> None:
    result = settled([
        make(ToolCall, 1, tool="weather", scope="agent", lasts=3.0),
        make(ToolCall, 2, 1, tool="weather", protocol="mcp", lasts=2.0),
        make(ToolCall, 3, 2, tool="weather", protocol="mcp", service="server",
             outcome=Outcome.ERROR, error_type=ErrorType.TOOL)])
    assert [step.spans for step in result.tools] == [{span_id(1), span_id(2), span_id(3)}]
    assert [step.spans for step in result.operations] == [{span_id(2), span_id(3)}]
    operation = result.operations[0].fact
    assert (operation.method, operation.target, operation.service_name, operation.outcome) == (
        "tools/call", "weather", "app", Outcome.ERROR)


def test_what_a_server_asks_of_another_is_an_operation_of_its_own() -> None:
    result = settled([
        make(ToolCall, 1, tool="report", protocol="mcp", lasts=3.0),
        make(ToolCall, 2, 1, tool="report", protocol="mcp", service="server", lasts=2.0),
        make(McpOperation, 3, 2, method="resources/read", service="server"),
        make(ToolCall, 4, 2, tool="weather", protocol="mcp", service="server")])
    assert [(step.fact.method, step.fact.target) for step in result.operations] == [
        ("tools/call", "report"), ("resources/read", ""), ("tools/call", "weather")]


def test_one_after_another_of_one_sender_is_another_operation() -> None:
    result = settled([make(McpOperation, number, method="ping", begin=float(number))
                      for number in (1, 2)])
    assert len(result.operations) == 2


def test_a_search_of_several_places_is_one_search() -> None:
    result = settled([make(Retrieval, 1, lasts=2.0), make(Retrieval, 2, 1, documents=3),
                      make(Retrieval, 3, 1, documents=2)])
    assert [step.fact.documents for step in result.retrievals] == [None]
    one = settled([make(Retrieval, 1, lasts=2.0), make(Retrieval, 2, 1, documents=3)])
    assert [step.fact.documents for step in one.retrievals] == [3]


def test_a_circle_of_parents_ends() -> None:
    assert settled([call(1, 2), call(2, 1)]).rows == []


_KINDS = (ModelCall, AgentRun, ToolCall, McpOperation, Retrieval, EngineCall)


@st.composite
def _traces(draw: st.DrawFn) -> list[Fact]:
    facts: list[Fact] = []
    for number in range(1, draw(st.integers(1, 9)) + 1):
        kind = draw(st.sampled_from(_KINDS))
        fields: dict[str, Any] = {
            "scope": draw(st.sampled_from(("one", "two", "three"))),
            "service": draw(st.sampled_from(("app", "proxy"))),
            "begin": draw(st.sampled_from((0.0, 0.002, 0.5, 1.0))),
            "lasts": draw(st.sampled_from((0.1, 1.0, 2.0)))}
        if kind in (ModelCall, AgentRun):
            fields["usage"] = draw(st.sampled_from((Usage(), PLAIN, Usage(80, output=17))))
        if kind is ModelCall:
            fields |= {"request_model": draw(st.sampled_from(("a", "a-2024-07-18", "b"))),
                       "response_id": draw(st.sampled_from(("", "r1", "r2"))),
                       "outcome": draw(st.sampled_from((Outcome.SUCCESS, Outcome.ERROR)))}
        if kind is ToolCall:
            fields |= {"tool": draw(st.sampled_from(("a", "b"))),
                       "protocol": draw(st.sampled_from(("", "mcp")))}
        if kind is McpOperation:
            fields["method"] = draw(st.sampled_from(("tools/call", "ping")))
        facts.append(make(kind, number, draw(st.integers(0, number - 1)), **fields))
    return facts


@settings(max_examples=80, deadline=None)
@given(_traces(), st.randoms(use_true_random=False))
def test_any_order_and_resend_settles_to_the_same_rows(
        facts: list[Fact], chance: random.Random) -> None:
    expected = settled(facts)
    again = [*facts, *chance.choices(facts, k=4)]
    chance.shuffle(again)
    assert settle(again, {fact.span_id: fact.parent_id for fact in facts}) == expected


@settings(max_examples=80, deadline=None)
@given(_traces())
def test_each_span_is_in_one_call_and_no_figure_exceeds_all_spans_together(
        facts: list[Fact]) -> None:
    result = settled(facts)
    calls = [fact for fact in facts if isinstance(fact, ModelCall)]
    by_call = {row.spans: row for row in result.rows if row.calls is not None}
    counted = [member for spans in by_call for member in spans]
    assert len(counted) == len(set(counted))
    assert len(by_call) <= len(calls)
    assert sum(row.billed for row in result.rows if row.calls) == len(by_call)
    most = sum(fact.usage.input or 0 for fact in facts if isinstance(fact, ModelCall | AgentRun))
    assert tokens(result)[0] <= most


@settings(max_examples=80, deadline=None)
@given(_traces())
def test_each_span_over_mcp_is_in_one_operation_and_no_other_is(facts: list[Fact]) -> None:
    over_mcp = [fact.span_id for fact in facts if isinstance(fact, McpOperation)
                or (isinstance(fact, ToolCall) and fact.protocol)]
    counted = [member for step in settled(facts).operations for member in step.spans]
    assert sorted(counted) == sorted(over_mcp)
