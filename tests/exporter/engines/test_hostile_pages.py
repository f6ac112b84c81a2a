"""Any engine's families with anything in them, page after page: never an exception, never a lie."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer import catalogue as c
from inferometer.catalogue import OTHER, Metric
from inferometer.engines.collector import join
from inferometer.engines.parser import Parser
from inferometer.engines.reading import Describer, Reading, ServerInfo
from inferometer.engines.sources import Selector, Total
from inferometer.engines.table import Engine
from inferometer.engines.tables import TABLES
from inferometer.engines.target import State
from inferometer.exposition import OPENMETRICS, TEXT, render
from inferometer.guard import Guard
from inferometer.values import Key, Value
from tests.exporter.engines.sense import check, fell
from tests.exporter.engines.test_page import line

OWN_REASONS = ("http_4xx", "http_5xx", "http_429", "http_503")  # what HTTP knows beyond the engine
NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, 5.0, 1e6, -0.0, -1.0, 2.0**53, 1.7e308, 5e-324,
                     float("nan"), float("inf"), -float("inf")]),
    st.integers(0, 100).map(float), st.floats(-1.7e308, 1.7e308))
BOUNDS = st.sampled_from(["0.1", "1", "1.0", "2.5", "+Inf", "+Inf", "Inf", "NaN", "-Inf", "-1", "",
                          "x", "1e308", "1e400"])
TEXTS = st.one_of(
    st.sampled_from(["", "m", "n", OTHER, "0", "1", "none", "POST", "GET", "200", "404", "429",
                     "503", "2xx", "4xx", "5xx", "/v1/chat/completions", "stop", "abort", "error",
                     "x" * 250]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
KINDS = ("counter", "gauge", "histogram", "summary", "untyped", "")


def families(engine: Engine) -> Iterator[tuple[str, str]]:
    """Every family the table takes, with the kind it should be of."""
    for metric, sources in engine.signals.items():
        for source in sources:
            for name in source.names:
                part = isinstance(source, Selector) and source.part
                yield name, "histogram" if part else metric.kind
    for counter in engine.requests:
        yield counter.selector.name, "counter"
    if engine.http is not None:
        yield engine.http.name, "counter"
    for selector in engine.progress:
        yield selector.name, "counter"
    yield f"{engine.spelling.prefix}never_heard_of", "gauge"


def label_names(engine: Engine) -> list[str]:
    spelling = engine.spelling
    http = (engine.http.code, engine.http.handler, "method") if engine.http else ()
    requests = [counter.label for counter in engine.requests]
    return [name for name in dict.fromkeys(
        (*spelling.models, spelling.rank, *sorted(spelling.copies), *http, *requests, "x")) if name]


@st.composite
def pages(draw: st.DrawFn, engine: Engine) -> bytes:
    choices = list(dict.fromkeys(families(engine)))
    names = label_names(engine)
    text = ""
    for name, right in draw(st.lists(st.sampled_from(choices), min_size=1, max_size=6)):
        kind = draw(st.sampled_from((right, right, right, right, *KINDS)))
        text += f"# TYPE {name} {kind}\n" if kind else ""
        for labels in draw(st.lists(st.dictionaries(st.sampled_from(names), TEXTS, max_size=4),
                                    max_size=4)):
            if kind == "histogram":
                for le in draw(st.lists(BOUNDS, max_size=5)):
                    text += line(f"{name}_bucket", {**labels, "le": le}, draw(NUMBERS))
            if kind in ("histogram", "summary"):
                text += line(f"{name}_sum", labels, draw(NUMBERS))
                text += line(f"{name}_count", labels, draw(NUMBERS))
            else:
                text += line(name, labels, draw(NUMBERS))
    return text.encode()


BY_NAME = {engine.name: engine for engine in TABLES}
History = tuple[str, list[bytes]]  # an engine's name, and its pages


@st.composite
def histories(draw: st.DrawFn) -> History:
    name = draw(st.sampled_from(sorted(BY_NAME)))
    return name, draw(st.lists(pages(BY_NAME[name]), min_size=1, max_size=4))


def described(engine: Engine, bodies: list[bytes]) -> Iterator[Reading]:
    parser, describer = Parser(), Describer()
    for turn, body in enumerate(bodies):
        yield describer.describe(engine, parser.parse(body), ServerInfo("model"), 100.0 + turn)


@settings(max_examples=200, deadline=None, database=None)
@given(histories())
def test_whatever_an_engine_prints_what_we_say_of_it_makes_sense(
        history: History) -> None:
    engine, bodies = BY_NAME[history[0]], history[1]
    guard = Guard()
    for turn, reading in enumerate(described(engine, bodies)):
        joined = join([("t", State(True, engine.name, reading.model, "", 1.0, reading))])
        for family in joined:
            check(family)
        admitted = guard.admit(joined, float(turn))
        for family in admitted:
            check(family)
            assert len(family.points) <= family.metric.max_series
        assert render(admitted, TEXT)
        assert render(admitted, OPENMETRICS)


@settings(max_examples=200, deadline=None, database=None)
@given(histories())
def test_what_we_count_ourselves_never_falls_whatever_the_engine_counts(
        history: History) -> None:
    engine, bodies = BY_NAME[history[0]], history[1]
    before: dict[tuple[Metric, Key], Value] = {}
    for reading in described(engine, bodies):
        now = dict(ours(engine, reading))
        for key in before.keys() & now.keys():
            assert not fell(before[key], now[key]), key
        before.update(now)


def ours(engine: Engine, reading: Reading) -> Iterator[tuple[tuple[Metric, Key], Value]]:
    """Counters that are added up here, and not passed on."""
    for metric, points in reading.points.items():
        totals = [source.names for source in engine.signals.get(metric, ())
                  if isinstance(source, Total)]
        for key, value in points.items():
            if metric.kind == "counter" and reading.taken.get(metric.signal) in totals:
                yield (metric, key), value
            if metric is c.SERVER_REQUESTS and key[-1] in OWN_REASONS:
                yield (metric, key), value


@settings(max_examples=100, deadline=None, database=None)
@given(histories())
def test_the_same_pages_say_the_same_again(history: History) -> None:
    engine, bodies = BY_NAME[history[0]], history[1]
    once, again = (list(described(engine, bodies)) for _ in range(2))
    assert [(r.points, r.sources, r.unknown) for r in once] == [
        (r.points, r.sources, r.unknown) for r in again]
