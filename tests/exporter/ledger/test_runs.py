"""What agents' runs did, and how many calls a trace came to: once, however it came."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import AgentRun, ModelCall, ToolCall
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from inferometer.values import Histogram
from tests.exporter.ledger.making import BEGIN, SECOND, TRACE, Bench, call, ledger_in
from tests.exporter.spans.bodies import traces

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def run(agent: str = "planner", kind: str = "agent", parent_id: bytes = b"") -> AgentRun:
    return AgentRun(trace_id=TRACE, span_id=os.urandom(8), parent_id=parent_id, agent=agent,
                    kind=kind, service_name="shop", start=BEGIN, end=BEGIN + 60 * SECOND)


def tool(parent_id: bytes) -> ToolCall:
    return ToolCall(trace_id=TRACE, span_id=os.urandom(8), parent_id=parent_id, tool="search",
                    service_name="shop", start=BEGIN, end=BEGIN + SECOND)


def calls(number: int, parent_id: bytes = b"", service_name: str = "shop") -> list[ModelCall]:
    """One after another."""
    return [call(parent_id=parent_id, start=BEGIN + place * SECOND, service_name=service_name,
                 end=BEGIN + place * SECOND + SECOND // 2) for place in range(number)]


def per_run(bench: Bench) -> dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]]:
    """Of each agent the number of runs and the sum: of calls, and of tool calls."""
    families = {family.metric: family.points for family in CallsCollector(
        bench.ledger.reading).collect(Deadline(10))}
    sums: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {}
    for place, metric in enumerate((c.AGENT_CALLS, c.AGENT_TOOL_CALLS)):
        for (_, agent), seen in families[metric].items():
            assert isinstance(seen, Histogram)
            sums.setdefault(agent, ([], []))[place].append((seen.counts[-1], seen.total or 0.0))
    return sums


def long_traces(bench: Bench) -> dict[str, int]:
    return {part: value for (name, part), value in bench.counters().items()
            if name == "long_traces"}


def test_a_run_has_what_is_below_it_also_through_a_run_within(bench: Bench) -> None:
    outer = run()
    inner = run("writer", parent_id=outer.span_id)
    bench.send(outer, inner, *calls(2, outer.span_id), *calls(3, inner.span_id),
               tool(outer.span_id))
    bench.wait()
    assert per_run(bench) == {"planner": ([(1, 5)], [(1, 1)]), "writer": ([(1, 3)], [(1, 0)])}
    assert verify(bench.file).differences == []


def test_a_chain_within_a_run_is_a_step_of_it_and_an_outermost_one_is_a_run(bench: Bench) -> None:
    outer = run("graph", "chain")
    inner = run("node", "chain", outer.span_id)
    bench.send(outer, inner, *calls(2, inner.span_id))
    bench.wait()
    assert per_run(bench) == {"graph": ([(1, 2)], [(1, 0)])}
    assert bench.counters("run")["ended", "success"] == 2


def test_of_a_run_whose_calls_were_not_sent_nothing_is_said(bench: Bench) -> None:
    bench.send(run())
    bench.wait()
    assert per_run(bench) == {}
    bench.send(one := run("searcher"), tool(one.span_id))
    bench.wait()
    assert per_run(bench) == {"searcher": ([], [(1, 1)])}


def test_a_run_is_observed_once_with_what_had_come_by_then(bench: Bench) -> None:
    one = run()
    bench.send(*calls(2, one.span_id))
    bench.wait()
    assert per_run(bench) == {}
    bench.send(one)
    bench.wait()
    assert per_run(bench) == {"planner": ([(1, 2)], [(1, 0)])}
    bench.send(one, *calls(4, one.span_id), tool(one.span_id))
    bench.wait()
    assert per_run(bench) == {"planner": ([(1, 2)], [(1, 0)])}
    assert verify(bench.file).differences == []


def test_a_run_of_no_tools_and_one_of_very_many_calls_are_in_the_outermost_buckets(
        bench: Bench) -> None:
    one = run()
    bench.send(one, *calls(101, one.span_id))
    bench.wait()
    counted = bench.counters("run")
    assert counted["run_calls", "inf"] == counted["run_tools", "0.0"] == 1
    assert counted["run_calls", "sum"] == 101


@pytest.mark.parametrize("parts", [[21], [5, 5, 5, 6], [1] * 21, [9, 2, 10]])
def test_a_trace_is_long_once_in_whatever_parts_its_calls_come(
        bench: Bench, parts: list[int]) -> None:
    coming = calls(sum(parts))
    for number in parts:
        bench.send(*coming[:number])
        coming = coming[number:]
        bench.wait()
    assert long_traces(bench) == {"10": 1, "20": 1}
    assert verify(bench.file).differences == []


def test_services_of_one_trace_have_calls_of_their_own(bench: Bench) -> None:
    bench.send(*calls(6), *calls(6, service_name="search"))
    bench.wait()
    assert long_traces(bench) == {}


def test_a_trace_beyond_all_that_is_looked_at_again_is_not_long_a_second_time(
        bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inferometer.ledger.earlier.MOST_EARLIER", 8)
    for one in calls(30):
        bench.send(one)
        bench.wait()
    assert long_traces(bench) == {"10": 1, "20": 1}


@pytest.mark.parametrize(("folder", "agent", "runs", "made", "tools"), [
    ("google-adk-2.13.0", "assistant", 5, 5, 0), ("google-adk-2.13.0", "triage", 1, 3, 1),
    ("strands-1.62.0-default", "Strands Agents", 5, 6, 1),
    ("strands-1.62.0-default", "weather_agent", 1, 3, 2),
    ("openinf-crewai-1.1.21", "Guide0", 5, 9, 2), ("openinf-crewai-1.1.21", "Guide1", 1, 1, 0),
    ("agent-framework-1.23.0", "helper", 4, 6, 2),
    ("openinf-langgraph-0.1.80", "agent", 1, 3, 2), ("openinf-langgraph-0.1.80", "chain", 5, 7, 2),
])
def test_runs_of_captured_bodies(
        bench: Bench, folder: str, agent: str, runs: int, made: int, tools: int) -> None:
    for trace_id, trace in traces(folder).items():
        bench.send(*trace.facts, more_links={trace_id: b"".join(
            span + (parent or bytes(8)) for span, parent in trace.parents.items())})
    bench.wait()
    (seen, of_calls), = per_run(bench)[agent][0]
    assert (seen, of_calls) == (runs, made)
    assert sum(of_tools for _, of_tools in per_run(bench)[agent][1]) == tools
    assert verify(bench.file).differences == []
