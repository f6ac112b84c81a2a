"""What was said, where it is kept: for its days, of its sample, until somebody is forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer.ledger.keys import KeyRing
from inferometer.ledger.people import forget
from tests.exporter.ledger.making import Bench, call, ledger_in

SAID = {"gen_ai.output.messages": "It is Paris."}
DAY = 86_400


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def contents(bench: Bench) -> int:
    return len(bench.rows("SELECT seq FROM contents"))


def purge(bench: Bench) -> None:
    """As the ledger's thread does once in a while."""
    for _ in range(10):
        bench.passed += 11
        bench.turn()


@pytest.mark.usefixtures("each_store")
def test_it_is_deleted_after_its_days_and_calls_stay(bench: Bench) -> None:
    bench.ledger.configure(30, 400, 0, content_days=7)
    bench.send(call(trace_id=os.urandom(16), content=SAID))
    bench.wait()
    bench.passed += 6 * DAY
    purge(bench)
    assert contents(bench) == 1
    bench.send(call(trace_id=os.urandom(16), content=SAID))
    bench.passed += 2 * DAY
    purge(bench)
    assert contents(bench) == 1
    assert len(bench.rows("SELECT seq FROM facts")) == 2


@pytest.mark.usefixtures("each_store")
def test_forgetting_a_user_deletes_what_was_said_in_all_of_the_trace(bench: Bench) -> None:
    trace = os.urandom(16)
    root = call(trace_id=trace, user="ada")
    bench.send(root, call(trace_id=trace, parent_id=root.span_id, content=SAID))
    bench.send(call(trace_id=os.urandom(16), content=SAID))
    bench.wait()
    forget(bench.file, "ada")
    assert contents(bench) == 1


def test_of_a_sample_all_spans_of_a_trace_are_kept_or_none(bench: Bench) -> None:
    bench.ledger.configure(30, 400, 0, content_ratio=0.5)
    traces = [os.urandom(16) for _ in range(60)]
    for trace in traces:
        bench.send(call(trace_id=trace, content=SAID), call(trace_id=trace, content=SAID))
    kept = bench.rows("SELECT trace, count(*) FROM facts JOIN contents ON facts.seq = "
                      "contents.seq GROUP BY trace")
    assert {number for _, number in kept} == {2}
    assert {trace for trace, _ in kept} == {
        trace for trace in traces if bench.file.keys.samples(trace, 0.5)}


def test_samples_of_a_smaller_part_are_among_those_of_a_larger_one() -> None:
    keys = KeyRing.of(bytes(32))
    traces = [number.to_bytes(16, "big") for number in range(2000)]
    tenth, half = ({trace for trace in traces if keys.samples(trace, ratio)}
                   for ratio in (0.1, 0.5))
    assert tenth < half
    assert 120 < len(tenth) < 280
    assert all(keys.samples(trace, 1.0) for trace in traces)
