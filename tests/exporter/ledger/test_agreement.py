"""However bodies are split, ordered, doubled and interrupted: all figures agree, and none falls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferometer.facts import AgentRun, Fact, ModelCall, Outcome, ToolCall, Usage
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import BEGIN, SECOND, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")

FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk would be waited for
RUN, RESTART, PAUSE = "send", "restart", "pause"


@st.composite
def traces(draw: st.DrawFn) -> list[Fact]:
    """Facts of a few traces: agents with calls below them, some seen twice, and tools.

    Each call had 100 tokens in and 20 out, whoever tells of it.
    """
    facts: list[Fact] = []
    for number in range(draw(st.integers(1, 3))):
        trace_id, agent = bytes([number + 1]) * 16, _span(number, 0)
        steps = [fact for place in range(draw(st.integers(0, 3)))
                 for fact in draw(_step(trace_id, number, place, agent))]
        facts += steps
        calls = len({fact.response_id for fact in steps if isinstance(fact, ModelCall)})
        if draw(st.booleans()):
            facts.append(AgentRun(
                trace_id=trace_id, span_id=agent, agent="a", service_name="shop", start=BEGIN,
                end=BEGIN + 60 * SECOND, usage=draw(st.sampled_from(
                    [Usage(), Usage(100 * calls, output=20 * calls)]))))
    return facts


def _span(*places: int) -> bytes:
    return bytes([*places, *[9] * (8 - len(places))])


@st.composite
def _step(draw: st.DrawFn, trace_id: bytes, number: int, place: int, agent: bytes) -> list[Fact]:
    start = BEGIN + (1 + 5 * place) * SECOND
    if draw(st.booleans()) and place:
        tool = ToolCall(trace_id=trace_id, span_id=_span(number, 1, place), parent_id=agent,
                        tool="t", service_name="shop", start=start, end=start + SECOND,
                        protocol=draw(st.sampled_from(["", "mcp"])))
        server = replace(tool, span_id=_span(number, 4, place), parent_id=tool.span_id)
        return [tool, server] if tool.protocol else [tool]
    one: ModelCall = call(
        trace_id, _span(number, 2, place), parent_id=agent, start=start, end=start + SECOND,
        response_id=f"r{place}", outcome=draw(st.sampled_from(
            [Outcome.SUCCESS, Outcome.ERROR, Outcome.ABORT])),
        usage=draw(st.sampled_from([Usage(100, 7, None, 20), Usage()])),
        user=draw(st.sampled_from(["", "alice"])), time_to_first_token=draw(
            st.sampled_from([None, 0.3])))
    twin = replace(one, span_id=_span(number, 3, place), scope="langchain")
    return [one, twin] if draw(st.booleans()) else [one]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Fact], list[list[Fact] | str]]:
    """Facts, and how they come: in bodies of any split and order, some twice, with restarts."""
    facts = draw(traces())
    coming = draw(st.permutations(facts + draw(st.lists(st.sampled_from(facts), max_size=4))
                                  if facts else facts))
    events: list[list[Fact] | str] = []
    while coming:
        size = draw(st.integers(1, len(coming)))
        events.append(list(coming[:size]))
        coming = coming[size:]
        events += draw(st.lists(st.sampled_from([RESTART, PAUSE]), max_size=1))
    return facts, events


def figures(bench: Bench) -> object:
    """Counters by labels, and what roll-ups come to."""
    reading = bench.ledger.reading()
    return ({(reading.seats[seat], name, part): value
             for (seat, name, part), value in reading.counters.items()},
            sorted(bench.rows(
                'SELECT kind, model, service_name, name, "user", sum(ended), sum(input), '
                "sum(usage_missing) FROM rollups JOIN seats ON id = seat GROUP BY 1, 2, 3, 4, 5")))


def play(bench: Bench, events: Sequence[list[Fact] | str]) -> None:
    before: Mapping[tuple[int, str, str], int] = {}
    for event in events:
        if event == RESTART:
            bench.restart()
        elif event == PAUSE:
            bench.wait(3)
        else:
            assert not isinstance(event, str)
            bench.send(*event)
        counters = bench.ledger.reading().counters
        assert all(counters.get(key, 0) >= value for key, value in before.items())
        before = counters


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_split_order_duplicates_and_restarts_within_the_window_change_no_figure(
        history: tuple[list[Fact], list[list[Fact] | str]]) -> None:
    facts, events = history
    with (TemporaryDirectory(dir=FOLDER) as folder, TemporaryDirectory(dir=FOLDER) as other,
          ledger_in(Path(folder)) as bench, ledger_in(Path(other)) as at_once):
        at_once.send(*facts)
        at_once.wait()
        play(bench, events)
        bench.wait()
        assert figures(bench) == figures(at_once)
        assert verify(bench.file).differences == []
        assert bench.ledger.condition().failed == 0


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.lists(st.integers(0, 20), min_size=30, max_size=30))
def test_what_comes_late_never_makes_a_figure_fall_or_exceed_what_is_true(
        history: tuple[list[Fact], list[list[Fact] | str]], waits: list[int]) -> None:
    facts, events = history
    calls = {(fact.trace_id, fact.response_id) for fact in facts if isinstance(fact, ModelCall)}
    with TemporaryDirectory(dir=FOLDER) as folder, ledger_in(Path(folder)) as bench:
        before: Mapping[tuple[int, str, str], int] = {}
        for event, wait in zip(events, waits, strict=False):
            play(bench, [event])
            bench.wait(wait)
            counters = bench.ledger.reading().counters
            assert all(counters.get(key, 0) >= value for key, value in before.items())
            before = counters
        bench.wait()
        assert verify(bench.file).differences == []
        counted = bench.counters()
        assert sum(value for (name, _), value in counted.items() if name == "ended") <= len(calls)
        assert counted.get(("input", ""), 0) <= 100 * len(calls)
        assert counted.get(("output", ""), 0) <= 20 * len(calls)
