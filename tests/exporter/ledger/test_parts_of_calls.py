"""Where the time of calls went: by the engine's span, whichever trace has it, and once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import EngineCall, ModelCall, Outcome
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from tests.exporter.ledger.making import BEGIN, SECOND, TRACE, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")
ENGINE = {"queue": 0.1, "prefill": 0.2, "decode": 0.3}  # seconds


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def engine(above: ModelCall, **fields: Any) -> EngineCall:
    values: dict[str, Any] = {
        "trace_id": TRACE, "span_id": os.urandom(8), "parent_id": above.span_id,
        "service_name": "vllm", **ENGINE, **fields}
    return EngineCall(**values)


def parts(bench: Bench) -> dict[str, float]:
    """Seconds by part, over all services, and how many calls they are of."""
    families = {family.metric: family.points for family in CallsCollector(
        bench.ledger.reading).collect(Deadline(10))}
    sums = {"calls": 0.0}
    for key, value in families[c.CLIENT_PART].items():
        sums[key[-1]] = round(sums.get(key[-1], 0.0) + float(value), 9)  # type: ignore[arg-type]  # a counter
    for value in families[c.CLIENT_DECOMPOSED].values():
        sums["calls"] += float(value)  # type: ignore[arg-type]  # likewise
    return sums


def lasting(seconds: float, **fields: Any) -> ModelCall:
    return call(end=BEGIN + int(seconds * SECOND), **fields)


def test_the_parts_of_a_call_add_up_to_its_duration(bench: Bench) -> None:
    one = lasting(1)
    bench.send(one, engine(one))
    bench.wait()
    assert parts(bench) == {"calls": 1, "gateway": 0, "queue": 0.1, "prefill": 0.2, "decode": 0.3,
                            "remainder": 0.4}
    assert verify(bench.file).differences == []


def test_what_a_service_takes_that_passes_a_call_on_is_the_gateways_part_and_counted_once(
        bench: Bench) -> None:
    asked = lasting(1, service_name="shop")
    passed = lasting(0.75, service_name="litellm", parent_id=asked.span_id)
    bench.send(asked, passed, engine(passed))
    bench.wait()
    assert parts(bench) == {"calls": 1, "gateway": 0.15, "queue": 0.1, "prefill": 0.2,
                            "decode": 0.3, "remainder": 0.25}
    assert verify(bench.file).differences == []


@pytest.mark.parametrize("first", ["call", "engine"])
def test_an_engines_span_in_a_trace_of_its_own_adds_the_parts_once(bench: Bench, first: str
                                                                   ) -> None:
    one = lasting(1, response_id="chatcmpl-1")
    alone = engine(one, trace_id=bytes(16), parent_id=b"", response_id="chatcmpl-1")
    again = engine(one, trace_id=b"2" * 16, parent_id=b"", response_id="chatcmpl-1", queue=9.0)
    for fact in (one, alone, again) if first == "call" else (alone, one, again):
        bench.send(fact)
        bench.wait()
    assert parts(bench) == {"calls": 1, "gateway": 0, "queue": 0.1, "prefill": 0.2, "decode": 0.3,
                            "remainder": 0.4}
    assert verify(bench.file).differences == []


def test_an_engine_that_took_longer_than_the_call_leaves_no_remainder_below_0(bench: Bench) -> None:
    one = lasting(0.5)
    bench.send(one, engine(one))
    bench.wait()
    assert parts(bench)["remainder"] == 0
    assert verify(bench.file).differences == []


@pytest.mark.parametrize("lack", [{"queue": None}, {"prefill": None}, {"decode": None}])
def test_a_call_of_which_a_part_is_not_known_is_not_decomposed(
        bench: Bench, lack: dict[str, None]) -> None:
    one = lasting(1)
    bench.send(one, engine(one, **lack))
    bench.wait()
    assert parts(bench) == {"calls": 0}


def test_a_call_that_failed_or_has_no_engines_span_is_not_decomposed(bench: Bench) -> None:
    failed = lasting(1, outcome=Outcome.ERROR)
    bench.send(failed, engine(failed))
    bench.send(lasting(1, trace_id=b"3" * 16))
    bench.wait()
    assert parts(bench) == {"calls": 0}
    assert verify(bench.file).differences == []
