"""Searches and rerankings, from spans to the page: a planted run gives the rates that it has."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.collector import Deadline
from inferometer.facts import Fact, Retrieval
from inferometer.ledger.verification import verify
from inferometer.sinks.metrics import CallsCollector
from inferometer.spans.flavours.own import RERANK_AFTER, RERANK_BEFORE
from inferometer.spans.normalise import facts_of
from inferometer.spans.span import Kind, Resource, Scope, Span, Status
from inferometer.values import Histogram, Key
from tests.exporter.ledger.making import BEGIN, SECOND, Bench, ledger_in
from tests.exporter.spans.bodies import traces

pytestmark = pytest.mark.usefixtures("each_store")
MILLISECOND = 10**6


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ledger_in(tmp_path) as bench:
        yield bench


def step(attributes: Mapping[str, Any], lasts: int = SECOND // 10, service: str = "shop",
         name: str = "step", failed: bool = False) -> Fact:
    """What a span of a trace of its own is."""
    fact = facts_of(Span(
        os.urandom(16), os.urandom(8), b"", name, Kind.CLIENT, BEGIN, BEGIN + lasts,
        Status.ERROR if failed else Status.UNSET, "", attributes, [],
        Resource({"service.name": service}), Scope("app")))
    assert fact is not None
    return fact


def search(documents: int | None, **about: Any) -> Fact:
    attributes: dict[str, Any] = {"gen_ai.operation.name": "retrieval"}
    if documents is not None:
        attributes["gen_ai.retrieval.documents"] = json.dumps(
            [{"id": f"d{number}"} for number in range(documents)])
    if system := about.pop("system", ""):
        attributes["db.system.name"] = system
    return step(attributes, **about)


def rerank(before: object = None, after: object = None, **about: Any) -> Fact:
    given = {RERANK_BEFORE: before, RERANK_AFTER: after}
    return step({"gen_ai.operation.name": "rerank", "gen_ai.request.model": "ce",
                 **{name: order for name, order in given.items() if order is not None}}, **about)


def points(bench: Bench, metric: Metric) -> dict[Key, float | Histogram]:
    families = CallsCollector(bench.ledger.reading).collect(Deadline(10))
    return next(dict(family.points) for family in families if family.metric is metric)


def histogram(bench: Bench, metric: Metric, *key: str) -> Histogram:
    value = points(bench, metric)[key]
    assert isinstance(value, Histogram)
    return value


def buckets(bounds: tuple[float, ...], values: list[float]) -> tuple[float, ...]:
    return tuple(float(sum(value <= bound for value in values))
                 for bound in (*bounds, float("inf")))


def turned(before: list[str], after: list[str]) -> float:
    """The share of pairs that stand the other way round, pair by pair."""
    pairs = [*combinations([one for one in before if one in after], 2)]
    return sum(after.index(one) > after.index(other) for one, other in pairs) / len(pairs)


def test_a_planted_run_gives_the_known_rates_to_the_digit(bench: Bench) -> None:
    random = Random(19)
    searches = [random.choice([None, 0, 0, 1, 2, 3, 7, 40, 120]) for _ in range(180)]
    lasting = [random.randrange(1, 3000) * MILLISECOND for _ in searches]
    systems = [random.choice(["qdrant", "chroma", "acme-db", ""]) for _ in searches]
    bench.send(*(search(number, lasts=lasts, system=system) for number, lasts, system in zip(
        searches, lasting, systems, strict=True)))
    shuffles: list[tuple[list[str], list[str]]] = []
    for _ in range(120):
        before = [f"d{number}" for number in range(random.randrange(2, 12))]
        after = random.sample(before, random.randrange(2, len(before) + 1))
        shuffles.append((before, after))
    bench.send(*(rerank(before, after) for before, after in shuffles),
               *(rerank() for _ in range(23)))
    bench.wait()

    numbers = [float(number) for number in searches if number is not None]
    assert points(bench, c.RETRIEVALS) == {
        ("shop", "hit"): float(sum(number > 0 for number in numbers)),
        ("shop", "empty"): float(numbers.count(0)),
        ("shop", "unknown"): float(searches.count(None))}
    seen = histogram(bench, c.RETRIEVED_DOCUMENTS, "shop")
    assert (seen.counts, seen.total) == (buckets(c.RETRIEVED_BOUNDS, numbers), sum(numbers))
    for system, label in {"qdrant": "qdrant", "chroma": "chroma", "acme-db": "other",
                          "": "unknown"}.items():
        took = [lasts / SECOND for lasts, one in zip(lasting, systems, strict=True)
                if one == system]
        seen = histogram(bench, c.RETRIEVAL_DURATION, "shop", label)
        assert seen.counts == buckets(c.RETRIEVAL_BOUNDS, took)
        assert seen.total == pytest.approx(sum(took), abs=1e-9)
    changed = Counter(before[0] != after[0] for before, after in shuffles)
    assert points(bench, c.RERANKS) == {
        ("shop", "true"): changed[True], ("shop", "false"): changed[False],
        ("shop", "unknown"): 23.0}
    distances = [turned(before, after) for before, after in shuffles]
    seen = histogram(bench, c.RERANK_DISAGREEMENT, "shop")
    assert seen.counts == buckets(c.RERANK_BOUNDS, distances)
    assert seen.total == pytest.approx(sum(distances), abs=1e-7)
    assert verify(bench.file).differences == []


def test_an_empty_answer_is_a_number_and_no_number_is_unknown(bench: Bench) -> None:
    bench.send(search(0), search(None), search(0, failed=True), search(3, failed=True))
    bench.wait()
    assert points(bench, c.RETRIEVALS) == {
        ("shop", "hit"): 1, ("shop", "empty"): 1, ("shop", "unknown"): 2}
    assert histogram(bench, c.RETRIEVAL_DURATION, "shop", "unknown").counts[-1] == 2


def test_fewer_than_two_documents_in_both_lists_are_no_disagreement(bench: Bench) -> None:
    bench.send(rerank(["a"], ["a"]), rerank(["a", "b"], ["c", "b"]), rerank([], []),
               rerank(["a", "b"], []))
    bench.wait()
    assert points(bench, c.RERANK_DISAGREEMENT) == {}
    assert points(bench, c.RERANKS) == {
        ("shop", "true"): 1, ("shop", "false"): 1, ("shop", "unknown"): 2}


@pytest.mark.parametrize(("before", "after", "distance"), [
    (["a", "a", "b", "b"], ["b", "a", "b", "a"], 1.0),  # each stands where it stands first
    ([1, 2, 3], [3, 2, 1], 1.0),
    (json.dumps([{"id": None, "text": "x"}, {"id": 7}]), json.dumps([{"id": "7"}, {"text": "x"}]),
     1.0),
    (["a", "x", "b"], ["b", "y", "a"], 1.0),  # ids in one list only
    ([True, None, "a", "b"], ["a", None, "b"], 0.0),
    ([str(number) for number in range(1024)], [str(number) for number in range(1024)], 0.0),
])
def test_odd_lists_have_the_distance_of_what_is_in_both(
        bench: Bench, before: object, after: object, distance: float) -> None:
    bench.send(rerank(before, after))
    bench.wait()
    seen = histogram(bench, c.RERANK_DISAGREEMENT, "shop")
    assert (seen.counts[-1], seen.total) == (1, distance)


@pytest.mark.parametrize(("before", "after"), [
    ([str(number) for number in range(100_000)], ["1", "0"]), ("[" * 10_000, "]"),
    ({"a": 1}, 7), ("no list", ["a"]), ([[["a"]]], [[["b"]]]),
])
def test_lists_that_cannot_be_compared_are_unknown(
        bench: Bench, before: object, after: object) -> None:
    bench.send(rerank(before, after))
    bench.wait()
    assert points(bench, c.RERANK_DISAGREEMENT) == {}
    assert points(bench, c.RERANKS)["shop", "unknown"] == 1


def test_more_documents_than_can_be_are_unknown(bench: Bench) -> None:
    bench.send(Retrieval(os.urandom(16), os.urandom(8), service_name="shop", start=BEGIN,
                         end=BEGIN + 1, documents=2**60))
    bench.wait()
    assert points(bench, c.RETRIEVALS)["shop", "unknown"] == 1


def test_systems_without_end_are_one_label(bench: Bench) -> None:
    bench.send(*(search(1, system=f"db-{number}") for number in range(300)))
    bench.wait()
    assert [*points(bench, c.RETRIEVAL_DURATION)] == [("shop", "other")]


def test_what_was_counted_before_histograms_were_is_in_none(bench: Bench) -> None:
    bench.send(search(3))
    bench.wait()
    with bench.file.transaction() as connection:
        connection.execute("UPDATE counted SET observed = 0")
        connection.execute("DELETE FROM counters WHERE name IN ('searched', 'retrieved')")
    bench.restart()
    assert points(bench, c.RETRIEVALS)["shop", "hit"] == 1
    assert points(bench, c.RETRIEVED_DOCUMENTS) == {}
    assert verify(bench.file).differences == []


@pytest.mark.parametrize(("folder", "results", "systems"), [
    ("traceloop-qdrant-0.62.4", {"unknown": 2, "hit": 1}, {"qdrant": 3}),
    ("traceloop-langgraph-0.62.4", {"hit": 2, "empty": 1}, {"in_memory": 1, "unknown": 2}),
    ("openinf-langgraph-0.1.80", {"hit": 2, "empty": 1}, {"in_memory": 1, "unknown": 2}),
    ("official-genai-langgraph-1.3b0", {"unknown": 3}, {"in_memory": 1, "unknown": 2}),
    ("handwritten-genai-0.1.0", {"hit": 1, "empty": 1}, {"unknown": 2}),
])
def test_searches_of_captured_bodies(
        bench: Bench, folder: str, results: dict[str, int], systems: dict[str, int]) -> None:
    send(bench, folder)
    assert {key[1]: value for key, value in points(bench, c.RETRIEVALS).items() if value} == results
    assert {key[1]: value.counts[-1] for key, value in points(
        bench, c.RETRIEVAL_DURATION).items() if isinstance(value, Histogram)} == systems


@pytest.mark.parametrize(("folder", "distance", "changed"), [
    ("mlflow-3.17.2", 0.0, "false"),  # three documents, of which the first two came back
    ("traceloop-cohere-0.62.4", 1.0, "true"),  # three, the last one first
    ("handwritten-genai-0.1.0", None, "unknown"),
])
def test_rerankings_of_captured_bodies(
        bench: Bench, folder: str, distance: float | None, changed: str) -> None:
    send(bench, folder)
    seen = [value.total for value in points(bench, c.RERANK_DISAGREEMENT).values()
            if isinstance(value, Histogram)]
    assert seen == [] if distance is None else seen == [distance]
    assert {key[1]: value for key, value in points(bench, c.RERANKS).items() if value} == {
        changed: 1}


def send(bench: Bench, folder: str) -> None:
    for trace_id, trace in traces(folder).items():
        bench.send(*trace.facts, more_links={trace_id: b"".join(
            span + (parent or bytes(8)) for span, parent in trace.parents.items())})
    bench.wait()
    assert verify(bench.file).differences == []
