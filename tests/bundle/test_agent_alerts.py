"""Loops of applications are told from their own week, each alert shown to fire and to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import agents
from inferometer import catalogue as c
from tests.bundle.alert_cases import Case, Firing, prove
from tests.bundle.client_inputs import spoken
from tests.bundle.promtool import VERSIONS, Series

WHOM = {"cluster": "east", "service_name": "shop"}
STEP = 4  # minutes: what is looked up a week ago has to be no older than 5
DAY, WEEK = 24 * 60 // STEP, 7 * 24 * 60 // STEP
BEGIN = 8 * DAY  # of a loop
MINUTE = (BEGIN + 1) * STEP


def traces(**values: str) -> tuple[Series, ...]:
    """Traces that came to so many calls: of each number its values from the first day on."""
    return tuple(spoken(c.CLIENT_LONG_TRACES, values.get(f"to_{calls}", f"0x{BEGIN + 10}"),
                        calls=str(calls)) for calls in c.LONG_TRACES)


def one_more(before: str = f"0x{BEGIN - 1}", earlier: int = 0) -> str:
    return f"{before} {earlier + 1}x10"


def long(calls: int) -> tuple[Firing, ...]:
    return (Firing(WHOM, f"shop in east has made {calls} calls or more in one trace. In the week "
                         "before, none of its traces came near that."),)


def trace_case(title: str, inputs: tuple[Series, ...], expected: tuple[Firing, ...] = ()) -> Case:
    return Case(title, agents.LONG, inputs, expected, MINUTE, STEP, once=True)


COST_STEP = 2
COST_DAY = 24 * 60 // COST_STEP
COST_BEGIN = COST_DAY + COST_DAY // 4


def costs(normal: float, loop: float, days: float = 1.25) -> tuple[Series, ...]:
    """USD a minute, before the loop and in it."""
    steps = int(days * COST_DAY)
    begun = steps * normal * COST_STEP
    values = f"0+{normal * COST_STEP:g}x{steps} {begun:g}+{loop * COST_STEP:g}x10"
    absent = COST_BEGIN - steps
    return (spoken(c.CLIENT_COST, f"_x{absent} {values}" if absent else values),)


def cost_case(title: str, inputs: tuple[Series, ...], expected: tuple[Firing, ...] = ()) -> Case:
    return Case(title, agents.DEAR, inputs, expected, (COST_BEGIN + 6) * COST_STEP, COST_STEP)


def dear(usd: str) -> tuple[Firing, ...]:
    return (Firing(WHOM, f"The calls of shop in east cost {usd} USD in 5m, more than 3 times "
                         "what 5m of its week cost at most."),)


CASES = (
    trace_case("a trace of 20 calls, where none had 10", traces(
        to_10=one_more(), to_20=one_more()), long(20)),
    trace_case("a trace that has come to 100 calls", traces(
        to_10=one_more(), to_20=one_more(), to_50=one_more(), to_100=one_more()), long(100)),
    trace_case("a trace of 100 calls, where many have 20", traces(
        to_10=f"0+1x{BEGIN + 10}", to_20=f"0+1x{BEGIN + 10}", to_50=one_more(),
        to_100=one_more()), long(100)),
    trace_case("a trace as long as those of more than a week ago", traces(
        to_10=one_more(f"0x99 1x{BEGIN - 101}", earlier=1), to_20=one_more()), long(20)),
    trace_case("a ledger that was begun anew 2 days ago", traces(
        to_10=one_more(f"5x{6 * DAY} 0x{2 * DAY - 2}"), to_20=one_more()), long(20)),
    trace_case("an application that is counted for 3 days", tuple(
        {**one, "values": f"_x{5 * DAY} 0x{3 * DAY - 1} {int(place < 2)}x10"}
        for place, one in enumerate(traces())), long(20)),
    trace_case("an application that is new", tuple(
        {**one, "values": f"_x{BEGIN - 20} 0x19 {int(place < 2)}x10"}
        for place, one in enumerate(traces()))),
    trace_case("a trace of 20 calls, where one of the week had 10", traces(
        to_10=f"0x{4 * DAY} 1x{4 * DAY - 2} 2x10", to_20=one_more())),
    trace_case("traces of 20 calls as ever", traces(
        to_10=f"0+1x{BEGIN + 10}", to_20=f"0+1x{BEGIN + 10}")),
    trace_case("short traces alone", traces()),

    cost_case("5 times as dear as ever", costs(0.02, 0.1), dear("0.50")),
    cost_case("dear where all was for nothing", costs(0, 0.1), dear("0.50")),
    cost_case("2 times as dear as ever", costs(0.1, 0.2)),
    cost_case("5 times as dear, of next to nothing", costs(0.004, 0.02)),
    cost_case("dear from its first day on", costs(0.02, 0.1, days=0.5)),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_says_exactly(case: Case, version: str, tmp_path: Path) -> None:
    prove(case, version, tmp_path)


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    alerts = {*agents.GROUP.alerts}
    assert {case.alert for case in CASES if case.expected} == alerts
    assert {case.alert for case in CASES if not case.expected} == alerts
