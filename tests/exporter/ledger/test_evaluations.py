"""What answers were looked at for is counted once, by what the trace's searches gave, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.facts import ErrorType, Evaluation, Retrieval
from inferometer.ledger.evaluated import growth_of
from inferometer.ledger.people import forget
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from inferometer.values import Histogram, Key, Value
from tests.exporter.ledger.making import BEGIN, TRACE, Bench, call, ledger_in

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def points(bench: Bench, metric: c.Metric) -> dict[Key, Value]:
    return {key: value for family in CallsCollector(bench.ledger.reading).collect(Deadline(10))
            if family.metric is metric for key, value in family.points.items()}


def evaluations(bench: Bench) -> dict[Key, float]:
    """Those that are more than 0."""
    return {key: value for key, value in points(bench, c.EVALUATIONS).items()
            if isinstance(value, float) and value}


def retrieval(*mentions: str, trace_id: bytes = TRACE, documents: int | None = 3) -> Retrieval:
    return Retrieval(trace_id=trace_id, span_id=os.urandom(8), service_name="shop", start=BEGIN,
                     end=BEGIN + 1, documents=documents, mentions=mentions)


def event(name: str, parent_id: bytes, **fields: object) -> Evaluation:
    return Evaluation(trace_id=TRACE, span_id=os.urandom(8), parent_id=parent_id,
                      service_name="shop", start=BEGIN, end=BEGIN, evaluation=name,
                      **fields)  # type: ignore[arg-type]  # any of its fields


def test_each_mark_of_a_call_counts_once_whatever_happens(bench: Bench) -> None:
    one = call(is_read=True, checks="-pfu-pup", user="ada")
    for _ in range(3):
        bench.send(one)
        bench.wait()
        bench.restart()
    assert evaluations(bench) == {
        ("shop", "m", "citations_known", "pass"): 1, ("shop", "m", "json_valid", "fail"): 1,
        ("shop", "m", "schema_valid", "unknown"): 1, ("shop", "m", "not_refused", "pass"): 1,
        ("shop", "m", "not_repetitive", "unknown"): 1, ("shop", "m", "not_empty", "pass"): 1}
    assert points(bench, c.EVALUATIONS)["shop", "m", "not_empty", "fail"] == 0
    assert not [key for key in points(bench, c.EVALUATIONS) if key[2] == "facts_supported"]
    forget(bench.file, "ada")
    assert not verify(bench.file).differences


@pytest.mark.parametrize(("given", "mentions", "searches", "label"), [
    ("documents", (), [], "pass"), ("documents", ("1084",), [], "fail"),
    ("prompt", (), [], "unknown"), ("prompt", ("1084",), [], "unknown"),
    ("", (), [], "unknown"), ("part", (), [], "pass"), ("part", ("1084",), [], "unknown"),
    ("prompt", (), [()], "pass"), ("prompt", ("1084",), [()], "fail"),
    ("", ("1084",), [("1083", "1084")], "pass"), ("", ("1084",), [("1083",), ("1084",)], "pass"),
    ("", ("1/1000",), [("1000",)], "pass"), ("", ("1084", "7"), [("1084",)], "unknown"),
    ("prompt", ("1084", "7"), [("1084",)], "fail"), ("", ("-",), [("-", "1")], "unknown"),
])
def test_facts_are_held_against_what_searches_of_the_trace_gave(
        bench: Bench, given: str, mentions: tuple[str, ...], searches: list[tuple[str, ...]],
        label: str) -> None:
    one = call(is_read=True, checks="u-------", given=given, mentions=mentions)
    for search in searches:  # in bodies of their own
        bench.send(retrieval(*search))
    bench.send(one)
    bench.wait()
    assert evaluations(bench) == {("shop", "m", "facts_supported", label): 1}
    assert not verify(bench.file).differences


def test_what_another_trace_was_given_supports_nothing(bench: Bench) -> None:
    other = os.urandom(16)
    bench.send(retrieval("1084", trace_id=other), retrieval("1083"))
    bench.send(call(is_read=True, checks="u-------", given="prompt", mentions=("1084",)))
    bench.wait()
    assert evaluations(bench) == {("shop", "m", "facts_supported", "fail"): 1}


def test_a_search_that_gave_nothing_is_no_document(bench: Bench) -> None:
    bench.send(retrieval(documents=0), call(is_read=True, checks="u-------", given="prompt"))
    bench.wait()
    assert evaluations(bench) == {("shop", "m", "facts_supported", "unknown"): 1}


@pytest.mark.parametrize(("cited", "documents", "label"), [
    (3, [3], "pass"), (4, [3], "fail"), (4, [3, 1], "pass"), (4, [3, None], "unknown"),
    (4, [], "unknown")])
def test_citations_are_held_against_how_many_documents_came_back(
        bench: Bench, cited: int, documents: list[int | None], label: str) -> None:
    bench.send(*(retrieval(documents=number) for number in documents),
               call(is_read=True, checks="-u------", cited=cited))
    bench.wait()
    assert evaluations(bench) == {("shop", "m", "citations_known", label): 1}


def test_what_an_answer_states_is_kept_as_digests_of_its_trace_alone(bench: Bench) -> None:
    secret = "ada.lovelace@example.org"
    bench.send(retrieval(secret), call(is_read=True, checks="u-------", mentions=(secret, "4711")))
    other = os.urandom(16)
    bench.send(retrieval(secret, trace_id=other))
    bench.wait()
    assert secret.encode() not in bench.content()
    kept = [str(row[0]) for row in bench.rows("SELECT fact FROM facts")]
    assert len(kept) == 3
    assert not any(secret in fact or "4711" in fact for fact in kept)
    digest = bench.file.keys.mention_digest
    assert digest(TRACE, secret) != digest(other, secret)
    assert sum(digest(TRACE, secret) in fact for fact in kept) == 2


@pytest.mark.parametrize(("verdict", "label", "score"), [
    ({"label": "pass"}, "pass", None), ({"label": "Hallucinated"}, "fail", None),
    ({"label": "maybe"}, "unknown", None), ({"score": 1.0}, "pass", 1.0),
    ({"score": 0.0}, "fail", 0.0), ({"score": 0.4}, "unknown", 0.4),
    ({"label": "relevant", "score": 0.81}, "pass", 0.81), ({"score": 4.0}, "unknown", None),
    ({"label": "pass", "score": 1.0, "error_type": ErrorType.TIMEOUT}, "unknown", None)])
def test_what_an_application_says_of_an_answer_counts(
        bench: Bench, verdict: dict[str, object], label: str, score: float | None) -> None:
    one = call()
    bench.send(one)
    bench.wait()
    bench.send(event("tone", one.span_id, **verdict))
    bench.wait()
    assert evaluations(bench) == {("shop", "m", "tone", label): 1}
    scores = points(bench, c.EVALUATION_SCORE)
    if score is None:
        assert not scores
    else:
        histogram = scores["shop", "m", "tone"]
        assert isinstance(histogram, Histogram)
        assert (histogram.counts[-1], histogram.total) == (1, score)
    assert not verify(bench.file).differences


def test_an_application_never_speaks_in_our_name(bench: Bench) -> None:
    one = call(is_read=True, checks="-------p")
    bench.send(one, *(event(name, one.span_id, label="fail")
                      for name in ("not_empty", "faithfulness", "tone", "")))
    bench.wait()
    assert evaluations(bench) == {
        ("shop", "m", "not_empty", "pass"): 1, ("shop", "m", "application_not_empty", "fail"): 1,
        ("shop", "m", "application_faithfulness", "fail"): 1, ("shop", "m", "tone", "fail"): 1,
        ("shop", "m", "unnamed", "fail"): 1}


def test_a_verdict_without_a_row_counts_and_is_verified(bench: Bench) -> None:
    bench.ledger._settler.meter(lambda seats: growth_of(
        seats, "shop", "m", "faithfulness", "fail", 0.25))
    bench.ledger._settler.meter(lambda seats: growth_of(
        seats, "shop", "m", "faithfulness", "pass", None))
    bench.restart()
    assert evaluations(bench) == {
        ("shop", "m", "faithfulness", "fail"): 1, ("shop", "m", "faithfulness", "pass"): 1}
    histogram = points(bench, c.EVALUATION_SCORE)["shop", "m", "faithfulness"]
    assert isinstance(histogram, Histogram)
    assert (histogram.counts[2], histogram.counts[-1], histogram.total) == (1, 1, 0.25)
    assert not verify(bench.file).differences


def test_any_names_of_evaluations_are_within_their_seats(bench: Bench) -> None:
    one = call()
    bench.send(one, *(event(f"e{i}", one.span_id, label="pass") for i in range(300)))
    bench.wait()
    counted = evaluations(bench)
    assert len(counted) == c.EVALUATION_SEATS
    assert sum(counted.values()) == 300
    assert counted["_other", "_other", "_other", "pass"] == 300 - c.EVALUATION_SEATS + 1


def test_two_spans_of_one_call_are_looked_at_once(bench: Bench) -> None:
    outer = call(scope="langchain", is_read=True, checks="u----pup", mentions=("-", "7"))
    inner = call(parent_id=outer.span_id, is_read=True, checks="u----ppf", given="documents")
    bench.send(outer, inner)
    bench.wait()
    assert evaluations(bench) == {
        ("shop", "m", "facts_supported", "pass"): 1, ("shop", "m", "not_refused", "pass"): 1,
        ("shop", "m", "not_repetitive", "pass"): 1, ("shop", "m", "not_empty", "pass"): 1}


def test_retention_takes_rows_and_leaves_counters(bench: Bench) -> None:
    one = call(is_read=True, checks="-------f")
    bench.send(one, event("tone", one.span_id, score=0.5))
    bench.wait()
    bench.ledger.configure(1, 1)
    bench.passed += 3 * 86_400
    for _ in range(20):
        bench.turn()
        bench.passed += 11
    assert bench.rows("SELECT count(*) FROM counted")[0][0] == 0
    assert evaluations(bench) == {("shop", "m", "not_empty", "fail"): 1,
                                  ("shop", "m", "tone", "unknown"): 1}
    assert not verify(bench.file).differences
