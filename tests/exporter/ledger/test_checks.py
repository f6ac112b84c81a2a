"""What answers came to is counted once, after a restart too, and as the rows have it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import Evaluation, Fact
from inferometer.ledger.people import person
from inferometer.ledger.questions import LedgerAnswers, top
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from tests.exporter.ledger.making import BEGIN, TRACE, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def points(bench: Bench) -> dict[tuple[str, ...], float]:
    """Of all families of answers, by the family's name and its key."""
    return {(family.metric.name, *key): value
            for family in CallsCollector(bench.ledger.reading).collect(Deadline(10))
            if family.metric in c.QUALITY_METRICS
            for key, value in family.points.items() if isinstance(value, float)}


def event(name: str, parent_id: bytes = b"", **fields: object) -> Evaluation:
    return Evaluation(trace_id=TRACE, span_id=os.urandom(8), parent_id=parent_id,
                      service_name="shop", start=BEGIN, end=BEGIN, evaluation=name,
                      **fields)  # type: ignore[arg-type]  # any of its fields


CHECKED, FAILED, REFUSED = (metric.name for metric in (
    c.PARSE_CHECKS, c.PARSE_FAILURES, c.REFUSALS))


def test_each_check_of_a_call_counts_once_whatever_happens(bench: Bench) -> None:
    one = call(is_read=True, json_valid=True, schema_valid=False, bad_tools=("look_up", "other"),
               user="ada", refusal="phrase")
    bench.send(one)
    bench.restart()
    bench.send(one)
    bench.wait()
    bench.restart()
    bench.send(one)
    bench.wait()
    assert points(bench) == {
        (CHECKED, "shop", "m", "json"): 1, (FAILED, "shop", "m", "json"): 0,
        (CHECKED, "shop", "m", "schema"): 1, (FAILED, "shop", "m", "schema"): 1,
        (CHECKED, "shop", "m", "tool_arguments"): 1, (FAILED, "shop", "m", "tool_arguments"): 1,
        (REFUSED, "shop", "m", "provider"): 0, (REFUSED, "shop", "m", "field"): 0,
        (REFUSED, "shop", "m", "phrase"): 1, (REFUSED, "shop", "m", "judge"): 0}
    assert not verify(bench.file).differences
    groups = {by: {group.name: group.figures for group in top(LedgerAnswers(bench.file), by, 0)}
              for by in ("tool", "model", "user")}
    assert groups["tool"]["look_up"]["parse_failures"] == 1
    assert groups["model"]["m"]["parse_checks"] == 3
    (figures,) = groups["user"].values()
    assert (figures["requests"], figures["parse_failures"], figures["refusals"]) == (1, 2, 1)
    kept = person(bench.file, "ada", bench.ledger._settler.seats)
    assert kept is not None
    assert (kept.calls, kept.steps) == (1, 0)


def test_a_call_that_nobody_could_read_has_no_series_of_its_answer(bench: Bench) -> None:
    bench.send(call())
    bench.wait()
    assert points(bench) == {(REFUSED, "shop", "m", "provider"): 0,
                             (REFUSED, "shop", "m", "judge"): 0}


def test_an_answer_that_was_read_and_no_refusal_is_a_known_0(bench: Bench) -> None:
    bench.send(call(is_read=True))
    bench.wait()
    assert points(bench)[REFUSED, "shop", "m", "phrase"] == 0


def test_two_spans_of_one_call_are_one_answer(bench: Bench) -> None:
    outer = call(scope="langchain", json_valid=False, is_read=True)
    inner = call(parent_id=outer.span_id, json_valid=False, is_read=True, refusal="field")
    bench.send(outer, inner)
    bench.wait()
    assert points(bench)[FAILED, "shop", "m", "json"] == 1
    assert points(bench)[REFUSED, "shop", "m", "field"] == 1


@pytest.mark.parametrize(("verdict", "failures"), [
    ({"label": "fail"}, 1), ({"label": "pass"}, 0), ({"score": 0.0}, 1), ({"score": 1.0}, 0),
    ({"score": 0.4}, None), ({}, None)])
def test_an_event_counts_where_it_is_plain(bench: Bench, verdict: dict[str, object],
                                           failures: int | None) -> None:
    one = call()
    bench.send(one, event("json_valid", one.span_id, **verdict))
    bench.wait()
    assert points(bench).get((FAILED, "shop", "m", "json")) == failures
    assert not verify(bench.file).differences


def test_an_event_counts_not_beside_what_content_tells(bench: Bench) -> None:
    one = call(is_read=True, json_valid=True)
    bench.send(one)
    bench.wait()
    bench.send(event("json_valid", one.span_id, label="fail"))
    bench.wait()
    assert points(bench)[CHECKED, "shop", "m", "json"] == 1
    assert points(bench)[FAILED, "shop", "m", "json"] == 0


def test_an_event_of_a_trace_without_calls_counts_for_no_model(bench: Bench) -> None:
    verdict: list[Fact] = [event("schema_valid", label="invalid")]
    bench.send(*verdict)
    bench.wait()
    assert points(bench)[FAILED, "shop", "", "schema"] == 1


def test_retention_takes_rows_and_leaves_counters(bench: Bench) -> None:
    bench.send(call(is_read=True, json_valid=False))
    bench.wait()
    bench.ledger.configure(1, 1)
    bench.passed += 3 * 86_400
    for _ in range(20):
        bench.turn()
        bench.passed += 11
    assert points(bench)[FAILED, "shop", "m", "json"] == 1
    assert not verify(bench.file).differences
