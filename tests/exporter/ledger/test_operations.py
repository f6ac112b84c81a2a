"""Operations over MCP: each once, whichever side told of it, and no tool a second time."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import OTHER, STEP_SEATS
from inferometer.collector import Deadline
from inferometer.facts import Fact, McpOperation, Outcome, ToolCall
from inferometer.guard import Guard
from inferometer.ledger import tree
from inferometer.ledger.people import forget, person
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.store import load_seats
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from tests.exporter.ledger.making import BEGIN, SECOND, TRACE, Bench, ledger_in
from tests.exporter.spans.bodies import traces, truth

CAPTURED = "mcp-python-sdk-2.3.0"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def asked(method: str, service: str = "shop", parent_id: bytes = b"", lasts: float = 1.0,
          trace_id: bytes = b"", outcome: Outcome = Outcome.SUCCESS) -> McpOperation:
    return McpOperation(
        trace_id=trace_id or TRACE, span_id=os.urandom(8), parent_id=parent_id,
        service_name=service, scope="mcp-python-sdk", start=BEGIN,
        end=BEGIN + int(lasts * SECOND), method=method, outcome=outcome)


def tool(parent_id: bytes = b"", protocol: str = "", service: str = "shop") -> ToolCall:
    return ToolCall(trace_id=TRACE, span_id=os.urandom(8), parent_id=parent_id, tool="search",
                    scope="mcp-python-sdk" if protocol else "agents", protocol=protocol,
                    service_name=service, start=BEGIN, end=BEGIN + SECOND)


def shown(bench: Bench, metric: c.Metric = c.MCP_OPERATIONS) -> Mapping[tuple[str, ...], float]:
    """What the page has of it behind the guard, but for what is 0."""
    families = {family.metric: family for family in Guard().admit(CallsCollector(
        bench.ledger.reading).collect(Deadline(10)))}
    return {key: value for key, value in families[metric].items()
            if isinstance(value, float) and value}


def test_what_client_and_server_tell_of_is_the_clients_and_failed_if_the_server_says_so(
        bench: Bench) -> None:
    client = asked("resources/read", lasts=2.0)
    bench.send(client, asked("resources/read", "files", client.span_id, outcome=Outcome.INVALID))
    bench.wait()
    assert shown(bench) == {("shop", "resources/read", "invalid"): 1.0}
    assert verify(bench.file).differences == []


@pytest.mark.parametrize("late", range(4))
def test_a_tool_over_mcp_is_one_tool_and_one_operation_whichever_span_comes_last(
        bench: Bench, late: int) -> None:
    agents = tool()
    client = tool(agents.span_id, "mcp")
    server = tool(client.span_id, "mcp", "files")
    coming: list[Fact] = [agents, client, server]
    last = coming.pop(late) if late < len(coming) else None
    bench.send(*coming)
    bench.wait()
    if last is not None:
        bench.send(last)
        bench.wait()
    assert sum(shown(bench, c.TOOL_CALLS).values()) == 1
    (_, method, outcome), = shown(bench)
    assert (method, outcome, sum(shown(bench).values())) == ("tools/call", "success", 1)
    assert verify(bench.file).differences == []


def test_a_tool_that_is_not_called_over_mcp_is_no_operation(bench: Bench) -> None:
    bench.send(tool())
    bench.wait()
    assert shown(bench) == {}
    assert sum(shown(bench, c.TOOL_CALLS).values()) == 1


def test_two_calls_of_one_tool_over_mcp_that_an_agent_has_as_one_are_two_operations(
        bench: Bench) -> None:
    agents = tool()
    bench.send(agents, tool(agents.span_id, "mcp"), tool(agents.span_id, "mcp"))
    bench.wait()
    assert sum(shown(bench, c.TOOL_CALLS).values()) == 1
    assert shown(bench) == {("shop", "tools/call", "success"): 2.0}
    assert verify(bench.file).differences == []


def test_what_the_sdk_sent_is_counted_as_it_was_called(bench: Bench) -> None:
    for trace_id, trace in traces(CAPTURED).items():
        bench.send(*trace.facts, more_links={trace_id: b"".join(
            span + (parent or bytes(8)) for span, parent in trace.parents.items())})
    bench.wait()
    counted: Counter[str] = Counter()
    for (_, method, outcome), value in shown(bench).items():
        counted[f"{method} {outcome}"] += int(value)
    called = Counter(one for scenario in truth(CAPTURED).values()
                     for one in scenario["operations"])
    assert counted == called
    assert sum(shown(bench, c.TOOL_CALLS).values()) == sum(
        len(scenario["tools_run"]) for scenario in truth(CAPTURED).values())
    # What the server alone tells of is its own.
    assert {service for service, *_ in shown(bench)} == {"agent-demo", "mcp-server"}
    assert sum(value for key, value in shown(bench).items() if key[0] == "mcp-server") == 1
    assert verify(bench.file).differences == []
    groups = top(LedgerAnswers(bench.file), "service", 0)
    assert {group.name: group.figures["mcp_operations"] for group in groups} == {
        "agent-demo": called.total() - 1, "mcp-server": 1}


@pytest.mark.parametrize("seed", range(3))
def test_spans_of_the_sdk_that_come_one_by_one_count_the_same(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    facts = [fact for trace in traces(CAPTURED).values() for fact in trace.facts]
    links = {trace_id: b"".join(span + (parent or bytes(8))
                                for span, parent in trace.parents.items())
             for trace_id, trace in traces(CAPTURED).items()}
    for fact in chance.sample(facts, len(facts)):
        bench.send(fact, more_links={fact.trace_id: links[fact.trace_id]})
        if chance.random() < 0.4:
            bench.wait()
    bench.send(*facts)
    bench.wait()
    assert sum(shown(bench).values()) == sum(
        len(scenario["operations"]) for scenario in truth(CAPTURED).values())
    assert sum(shown(bench, c.TOOL_CALLS).values()) == 3
    assert verify(bench.file).differences == []


def test_methods_that_mcp_does_not_have_are_one(bench: Bench) -> None:
    bench.send(*(asked(f"x/{number}", trace_id=os.urandom(16)) for number in range(300)),
               asked("", trace_id=os.urandom(16)), asked(OTHER, trace_id=os.urandom(16)))
    bench.wait()
    assert shown(bench) == {("shop", "other", "success"): 302.0}


def test_services_beyond_the_seats_share_one_and_no_operation_is_lost(bench: Bench) -> None:
    bench.send(*(asked("ping", f"s{number:03}", trace_id=os.urandom(16))
                 for number in range(STEP_SEATS + 20)))
    bench.wait()
    bench.restart()
    bench.send(asked("ping", f"s{STEP_SEATS + 10:03}"))
    bench.wait()
    assert sum(shown(bench).values()) == STEP_SEATS + 21
    assert shown(bench)[OTHER, OTHER, "success"] == 22
    assert len({key[:2] for key in shown(bench)}) == STEP_SEATS
    assert verify(bench.file).differences == []


def test_who_used_a_tool_over_mcp_took_one_step_and_is_forgotten_in_all_rows(
        bench: Bench) -> None:
    one = replace(tool(protocol="mcp"), user="alice")
    bench.send(one, replace(asked("tools/list"), user="alice"))
    bench.wait()
    kept = person(bench.file, "alice", load_seats(bench.file))
    assert kept is not None
    assert kept.steps == 2
    steps = tree.trace(bench.file, TRACE)
    assert {step.kind: step.row.kind for step in steps if step.row} == {
        "ToolCall": "tool", "McpOperation": "mcp"}
    forget(bench.file, "alice")
    assert person(bench.file, "alice", load_seats(bench.file)) is None
    assert verify(bench.file).differences == []


@pytest.mark.parametrize(("change", "place"), [
    ("DELETE FROM counted WHERE kind = 'mcp'", "counters"),
    ("UPDATE counted SET outcome = 'error' WHERE kind = 'mcp'", "counters"),
    ("UPDATE counted SET arrived = arrived - 3600000000000 WHERE kind = 'mcp'", "rollups"),
    ("UPDATE counters SET value = value + 1 WHERE seat IN (SELECT id FROM seats "
     "WHERE kind = 'mcp')", "counters"),
])
def test_verify_finds_an_operation_that_was_changed(
        bench: Bench, change: str, place: str) -> None:
    bench.send(tool(protocol="mcp"))
    bench.wait()
    assert verify(bench.file).differences == []
    bench.file.connection.execute(change)
    assert place in {one.place for one in verify(bench.file).differences}


def test_an_operation_is_the_same_after_it_was_kept(bench: Bench) -> None:
    client = asked("prompts/get", outcome=Outcome.ERROR, lasts=2.0)
    bench.send(client)
    bench.restart()
    bench.send(asked("prompts/get", "files", client.span_id))
    bench.wait()
    assert shown(bench) == {("shop", "prompts/get", "error"): 1.0}
