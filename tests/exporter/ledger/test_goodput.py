"""Which calls were as good as they should be: judged when they are counted, and kept so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inferometer.call_limits import CallLimits, CallLimitTable
from inferometer.config import parse
from inferometer.facts import ErrorType, ModelCall, Outcome, Usage
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.verification import verify
from tests.exporter.ledger.making import BEGIN, SECOND, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")

LIMITS = CallLimits(2 * SECOND, SECOND // 2, SECOND // 10, SECOND)
STREAMED = {"streamed": True, "time_to_first_token": 0.5, "usage": Usage(100, None, None, 11)}
WITHIN = ("within_limits", "")


def lasting(seconds: float, **fields: Any) -> ModelCall:
    """A call in a trace of its own."""
    return replace(call(**fields), trace_id=call().span_id * 2,
                   end=BEGIN + round(seconds * SECOND))


def counted_within(bench: Bench, *calls: ModelCall) -> int:
    """How many more are within the limits after these."""
    before = bench.counters().get(WITHIN, 0)
    bench.send(*calls)
    bench.wait()
    return bench.counters().get(WITHIN, 0) - before


@pytest.mark.parametrize(("one", "within"), [
    (lasting(2), True),
    (lasting(2.000000001), False),
    (lasting(1.5, **STREAMED), True),  # a tenth of a second for each of ten tokens
    (lasting(1.500000010, **STREAMED), False),
    (lasting(1, **STREAMED | {"time_to_first_token": 0.500000001}), False),
    (lasting(1.9, **STREAMED | {"usage": Usage()}), True),  # of tokens that nobody tells
    (lasting(1.9, **STREAMED | {"usage": Usage(100, None, None, 1)}), True),
    (lasting(1.9, **STREAMED | {"usage": Usage(9, output=2, estimated=True)}), True),
    (lasting(1, time_to_first_token=None), True),
    (lasting(1, start=0, end=0), False),  # of times that cannot be
    (replace(lasting(1), start=0, end=0), False),
    (lasting(1, outcome=Outcome.ERROR, error_type=ErrorType.SERVER), False),
    (lasting(1, outcome=Outcome.REJECTED, error_type=ErrorType.RATE_LIMIT), False),
    (lasting(1, outcome=Outcome.INVALID, error_type=ErrorType.BAD_REQUEST), False),
    (lasting(1, outcome=Outcome.ABORT), False),
])
def test_a_call_is_within_limits_if_all_that_is_known_of_it_is(
        one: ModelCall, within: bool, tmp_path: Path) -> None:
    with ledger_in(tmp_path, limits=lambda _: LIMITS) as bench:
        assert counted_within(bench, one) == within
        assert verify(bench.file).differences == []


def test_each_model_has_its_limits_and_later_ones_leave_what_was_counted(tmp_path: Path) -> None:
    table = {"now": CallLimitTable(parse(
        "models: {m: {limits: {request_duration_p95_seconds: 0.9}}}", "x.yml"))}
    with ledger_in(tmp_path, limits=lambda model: table["now"].of(model)) as bench:
        calls = [lasting(1, request_model=model) for model in ("m", "n", "n")]
        assert counted_within(bench, *calls) == 2
        table["now"] = CallLimitTable(parse(
            "limits: {request_duration_p95_seconds: 0.1}", "x.yml"))
        assert counted_within(bench, *calls) == 0  # they came before
        assert counted_within(bench, lasting(1, request_model="n")) == 0
        assert verify(bench.file).differences == []
        bench.restart()
        assert bench.counters()[WITHIN] == 2
        figures = {group.name: group.figures
                   for group in top(LedgerAnswers(bench.file), "model", 0)}
        assert [(figures[model]["within_limits"], figures[model]["requests"])
                for model in ("m", "n")] == [(0, 1), (2, 3)]


def test_two_services_that_pass_a_call_on_each_have_it_judged_once(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        outer = lasting(1, response_id="r")
        inner = replace(outer, span_id=bytes(8), parent_id=outer.span_id, service_name="proxy",
                        start=BEGIN + 1)
        assert counted_within(bench, outer, inner) == bench.counters()["ended", "success/"]
        assert verify(bench.file).differences == []
