from __future__ import annotations

import math
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as ClientMetric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from inferometer.exposition import OPENMETRICS, TEXT, number, render, render_client
from inferometer.families import Family
from inferometer.rendered.block import Block, Ticket
from inferometer.values import Exemplar, Histogram

PLACE = Label("place", "Where.", budget=10)
RANK = Label("rank", "Which.", budget=10, optional=True)
SIZE = Metric("size_bytes", "gauge", "How large.", (PLACE, RANK))
DONE = Metric("done_total", "counter", "How often.", (PLACE,))
TOOK = Metric("took_seconds", "histogram", "How long.", (PLACE, RANK), bounds=40)
BOTH = pytest.mark.parametrize("content", [TEXT, OPENMETRICS])
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def page(*families: Family, content: str = TEXT) -> str:
    return render(families, content).decode()


def samples(text: str, content: str) -> Samples:
    """What Prometheus' own parser of that format reads; the one of OpenMetrics is strict."""
    parse = (openmetrics.text_string_to_metric_families if content == OPENMETRICS
             else text_string_to_metric_families)
    return {(s.name, frozenset(s.labels.items())): s.value
            for family in parse(text)
            for s in family.samples}


@BOTH
def test_a_block_reads_like_the_points_it_holds(content: str) -> None:
    plain = Family(SIZE, {("a", ""): 1.0, ('b"\n', "0"): 2.5})
    text = "\n".join(line for line in page(plain).splitlines() if not line.startswith("#"))
    prepared = Block({("a", ""): 1.0, ('b"\n', "0"): 2.5}, text, Ticket())
    assert page(Family(SIZE, blocks=[prepared]), content=content) == page(plain, content=content)


def whole_catalogue() -> list[Family]:
    """Two points of every family there is, labels and numbers of all kinds."""
    families = []
    for metric in c.METRICS:
        family = Family(metric)
        for i, value in enumerate((0.1, 12345678.0)):
            key = tuple(label.values[i % len(label.values)] if label.values
                        else "" if label.optional and i else f'{label.name} {i} "\\\n é'
                        for label in metric.labels)
            histogram = Histogram((0.001, 0.5, 1.0, 2500.0), (0.0, 1.0, 2.0, 3.0, 4.0), value)
            family.points[key] = histogram if metric.kind == "histogram" else value
        families.append(family)
    return families


def test_both_parsers_read_the_same_from_a_page_with_every_metric_there_is() -> None:
    families = whole_catalogue()
    read = [samples(page(*families, content=content), content) for content in (TEXT, OPENMETRICS)]
    assert read[0] == read[1]
    histograms = tuple(m.name for m in c.METRICS if m.kind == "histogram")
    names = {re.sub("_(bucket|count|sum)$", "", name) if name.startswith(histograms) else name
             for name, _ in read[0]}
    assert names == {metric.name for metric in c.METRICS}
    points = sum(7 if family.metric.kind == "histogram" else 1
                 for family in families for _ in family.points)
    assert len(read[0]) == points


@BOTH
def test_type_and_help_stand_once_before_all_series_of_a_family(content: str) -> None:
    families = whole_catalogue()
    text = page(*families, *reversed(families), content=content)
    seen: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            seen.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line.split()[2] == seen[-1]
        elif not line.startswith("#"):
            assert line.startswith(seen[-1])
    assert len(seen) == len(set(seen)) == len(c.METRICS)


def test_families_of_one_metric_are_joined_where_the_first_stands() -> None:
    text = page(Family(SIZE, {("a", ""): 1.0}), Family(DONE, {("a",): 2.0}),
                Family(SIZE, {("b", ""): 3.0}))
    assert text == (
        "# HELP size_bytes How large.\n# TYPE size_bytes gauge\n"
        'size_bytes{place="a"} 1.0\nsize_bytes{place="b"} 3.0\n'
        "# HELP done_total How often.\n# TYPE done_total counter\n"
        'done_total{place="a"} 2.0\n')


def test_openmetrics_names_a_counters_family_without_total_and_ends_with_eof() -> None:
    assert page(Family(DONE, {("a",): 2.0}), content=OPENMETRICS) == (
        "# HELP done How often.\n# TYPE done counter\n"
        'done_total{place="a"} 2.0\n# EOF\n')


@pytest.mark.parametrize(("content", "expected"), [(TEXT, ""), (OPENMETRICS, "# EOF\n")])
def test_families_without_points_are_left_out(content: str, expected: str) -> None:
    assert page(Family(SIZE), Family(DONE), content=content) == expected


def test_an_empty_optional_label_is_left_out_and_another_is_not() -> None:
    assert 'size_bytes{place=""} 1.0\n' in page(Family(SIZE, {("", ""): 1.0}))
    assert 'size_bytes{place="a",rank="0"} 1.0\n' in page(Family(SIZE, {("a", "0"): 1.0}))
    lonely = Metric("lonely", "gauge", "Alone.", (RANK,))
    assert "\nlonely 1.0\n" in page(Family(lonely, {("",): 1.0}))
    assert "\nplain 1.0\n" in page(Family(Metric("plain", "gauge", "No labels."), {(): 1.0}))


def test_backslash_quote_and_newline_are_escaped_in_a_label() -> None:
    assert r'{place="a\\b\"c\nd"}' in page(Family(SIZE, {('a\\b"c\nd', ""): 1.0}))


@BOTH
@pytest.mark.parametrize("odd", ["\\", '"', "\n", "\\n", '\\"', *"}{,= #é\t"])
def test_an_odd_label_value_comes_back_as_it_was(content: str, odd: str) -> None:
    text = page(Family(SIZE, {(f"a{odd}b", odd): 1.0}), content=content)
    assert samples(text, content) == {
        ("size_bytes", frozenset({"place": f"a{odd}b", "rank": odd}.items())): 1.0}


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1))
def test_any_label_value_comes_back_as_it_was(value: str) -> None:
    for content in (TEXT, OPENMETRICS):
        text = page(Family(DONE, {(value,): 1.0}), content=content)
        assert samples(text, content) == {("done_total", frozenset({("place", value)})): 1.0}


def test_a_character_that_utf_8_does_not_have_costs_itself_and_not_the_page() -> None:
    assert 'done_total{place="a?"} 1.0\n' in page(Family(DONE, {("a\ud800",): 1.0}))


@pytest.mark.parametrize(("content", "expected"), [
    (TEXT, r'A \\ "b" \n c.'), (OPENMETRICS, r"A \\ \"b\" \n c."),
])
def test_help_is_escaped_as_the_format_wants(content: str, expected: str) -> None:
    odd = Metric("odd", "gauge", 'A \\ "b" \n c.')
    assert f"# HELP odd {expected}\n" in page(Family(odd, {(): 1.0}), content=content)


@pytest.mark.parametrize(("value", "text"), [
    (0, "0.0"), (1, "1.0"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-7, "1e-07"), (123456.0, "123456.0"),
    (1e6, "1e+06"), (12345678.0, "1.2345678e+07"), (1e21, "1e+21"),
    (1767225600.123, "1.767225600123e+09"),
    (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (2**53, "9.007199254740992e+15"),
])
def test_numbers_are_in_canonical_form(value: float, text: str) -> None:
    assert number(value) == text


@settings(deadline=None)
@given(st.floats())
def test_a_number_says_exactly_what_it_is(value: float) -> None:
    read = float(number(value))
    assert read == value or (math.isnan(read) and math.isnan(value))


def took(content: str, total: float | None = 2.5, rank: str = "") -> str:
    histogram = Histogram((0.005, 1.0, 10.0, 1e6), (0.0, 1.0, 2.0, 2.0, 3.0), total)
    return page(Family(TOOK, {("a", rank): histogram}), content=content)


def test_a_histogram_has_canonical_bounds_in_order_then_count_and_sum() -> None:
    assert took(TEXT).splitlines()[2:] == [
        'took_seconds_bucket{place="a",le="0.005"} 0.0',
        'took_seconds_bucket{place="a",le="1.0"} 1.0',
        'took_seconds_bucket{place="a",le="10.0"} 2.0',
        'took_seconds_bucket{place="a",le="1e+06"} 2.0',
        'took_seconds_bucket{place="a",le="+Inf"} 3.0',
        'took_seconds_count{place="a"} 3.0',
        'took_seconds_sum{place="a"} 2.5',
    ]
    assert 'took_seconds_bucket{place="a",rank="1",le="0.005"} 0.0' in took(TEXT, rank="1")


def test_the_bounds_are_spelled_alike_in_both_formats() -> None:
    for line in took(TEXT).splitlines()[2:]:
        assert line in took(OPENMETRICS)


def test_an_unknown_sum_is_absent_and_openmetrics_then_wants_no_count() -> None:
    assert "_sum" not in took(TEXT, None)
    assert 'took_seconds_count{place="a"} 3.0' in took(TEXT, None)
    strict = samples(took(OPENMETRICS, None), OPENMETRICS)
    assert {name for name, _ in strict} == {"took_seconds_bucket"}


EXEMPLAR = Exemplar("4bf92f3577b34da6a3ce929d0e0e4736", 7.25, 1_767_225_600.5)


def with_exemplars(content: str, *exemplars: Exemplar | None, total: float | None = 2.5) -> str:
    histogram = Histogram((1.0, 10.0), (1.0, 2.0, 3.0), total, exemplars)
    return page(Family(TOOK, {("100%", ""): histogram}), content=content)


def test_an_exemplar_stands_behind_the_number_of_its_bucket() -> None:
    assert with_exemplars(OPENMETRICS, None, EXEMPLAR, None).splitlines()[2:] == [
        'took_seconds_bucket{place="100%",le="1.0"} 1.0',
        'took_seconds_bucket{place="100%",le="10.0"} 2.0 '
        '# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 7.25 1767225600.500',
        'took_seconds_bucket{place="100%",le="+Inf"} 3.0',
        'took_seconds_count{place="100%"} 3.0',
        'took_seconds_sum{place="100%"} 2.5',
        "# EOF",
    ]


@pytest.mark.parametrize("total", [2.5, None])
def test_the_strict_parser_reads_an_exemplar_of_each_bucket(total: float | None) -> None:
    slowest = EXEMPLAR._replace(value=12345678.5, timestamp=1_767_225_601.001)
    text = with_exemplars(OPENMETRICS, EXEMPLAR._replace(value=0.1), None, slowest, total=total)
    (family,) = openmetrics.text_string_to_metric_families(  # type: ignore[no-untyped-call]
        text)
    read = {sample.labels["le"]: sample.exemplar for sample in family.samples
            if sample.exemplar is not None}
    assert {le: (one.labels, one.value, float(one.timestamp)) for le, one in read.items()} == {
        "1.0": ({"trace_id": EXEMPLAR.trace_id}, 0.1, 1_767_225_600.5),
        "+Inf": ({"trace_id": EXEMPLAR.trace_id}, 12345678.5, 1_767_225_601.001)}


def test_the_text_format_has_no_exemplar() -> None:
    assert with_exemplars(TEXT, EXEMPLAR, EXEMPLAR, EXEMPLAR) == with_exemplars(TEXT)


def test_what_is_reckoned_from_histograms_has_no_exemplar() -> None:
    histogram = Histogram((1.0, 10.0), (1.0, 2.0, 3.0), 2.5, (None, EXEMPLAR, None))
    for other in (histogram.plus(histogram), histogram.with_bounds((1.0,)),
                  histogram.since(Histogram((1.0, 10.0), (0.0, 1.0, 1.0), 1.0))):
        assert other.exemplars == ()


def test_a_histogram_without_labels_has_le_alone() -> None:
    bare = Metric("bare_seconds", "histogram", "Bare.", bounds=2)
    text = page(Family(bare, {(): Histogram((1.0,), (1.0, 2.0), 3.0)}))
    assert 'bare_seconds_bucket{le="1.0"} 1.0\nbare_seconds_bucket{le="+Inf"} 2.0\n' in text
    assert "bare_seconds_count 2.0\nbare_seconds_sum 3.0\n" in text


def test_more_bounds_than_the_contract_has_are_thinned_and_never_moved() -> None:
    narrow = Metric("narrow_seconds", "histogram", "Narrow.", bounds=3)
    wide = Histogram(tuple(map(float, range(1, 10))), tuple(map(float, range(10))), 1.0)
    read = samples(page(Family(narrow, {(): wide})), TEXT)
    buckets = {dict(labels)["le"]: value for (name, labels), value in read.items()
               if name.endswith("_bucket")}
    assert buckets == {"3.0": 2.0, "6.0": 5.0, "9.0": 8.0, "+Inf": 9.0}


def test_the_catalogue_holds_no_name_twice_in_openmetrics() -> None:
    """`x` and `x_total` would be one family there, and so would suffixes of a histogram."""
    names: list[str] = []
    for metric in c.METRICS:
        suffixes: Iterable[str] = ("",)
        if metric.kind == "histogram":
            suffixes = ("", "_bucket", "_count", "_sum", "_created")
        elif metric.kind == "counter":
            suffixes = ("", "_total", "_created")
        names += [metric.name.removesuffix("_total") + suffix for suffix in suffixes]
    assert len(names) == len(set(names))


@BOTH
def test_process_metrics_read_as_the_client_library_renders_them(content: str) -> None:
    registry = CollectorRegistry()
    collectors = (PlatformCollector(registry), GCCollector(registry))
    registry.register(Frozen())
    ours = render_client((*collectors, Frozen()), content).decode()
    theirs = (openmetrics_page(registry) if content == OPENMETRICS  # type: ignore[no-untyped-call]
              else generate_latest(registry)).decode()
    assert samples(ours + ("# EOF\n" if content == OPENMETRICS else ""), content).keys() == (
        samples(theirs, content).keys())
    assert [line for line in ours.splitlines() if "frozen" in line] == [
        line for line in theirs.splitlines() if "frozen" in line]


class Frozen(Collector):
    def collect(self) -> Iterable[ClientMetric]:
        yield CounterMetricFamily("frozen_seconds", "Time.", value=2.5e6)
        yield GaugeMetricFamily("frozen_bytes", "Size.", value=1024)
