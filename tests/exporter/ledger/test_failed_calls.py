"""The last call of each service that failed: which trace it is in, and what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inferometer.facts import ErrorType, ModelCall, Outcome
from tests.exporter.ledger.making import Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


def failed_call(trace_id: bytes, service_name: str = "shop") -> ModelCall:
    return call(trace_id, outcome=Outcome.ERROR, error_type=ErrorType.TIMEOUT,
                service_name=service_name)


def traces(bench: Bench) -> dict[str, str]:
    return {service: one.trace_id for service, one in bench.ledger.failed_calls().items()}


def test_it_is_the_newest_of_its_service_and_no_call_that_went_well(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        first, second, other = (os.urandom(16) for _ in range(3))
        bench.send(failed_call(first))
        bench.wait()
        bench.send(failed_call(second), failed_call(other, service_name="bot"))
        bench.send(call(os.urandom(16)), call(os.urandom(16), outcome=Outcome.ABORT))
        bench.wait()
        assert traces(bench) == {"shop": second.hex(), "bot": other.hex()}
        words = bench.ledger.failed_calls()["shop"].words
        assert words.startswith("timeout, m, 20")
        assert words.endswith(" UTC")


def test_one_that_came_before_and_settles_later_takes_no_place(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        early, late, parent = os.urandom(16), os.urandom(16), os.urandom(8)
        bench.send(failed_call(early))
        bench.passed += 5
        bench.send(failed_call(late))
        bench.passed += 3
        bench.send(call(early, parent_id=parent, start=0, end=0))  # which keeps its trace open
        bench.wait(7.5 if not bench.is_shared else None)
        bench.wait()
        assert traces(bench) == {"shop": late.hex()}


def test_services_without_a_series_of_their_own_share_one(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as bench:
        bench.send(*(failed_call(os.urandom(16), service_name=f"s{number}")
                     for number in range(250)))
        bench.wait()
        names = traces(bench).keys()
        assert "_other" in names
        assert len(names) == 200
