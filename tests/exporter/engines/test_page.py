"""The parser on whatever a page may hold."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from inferometer.engines.page import Page, PageError
from inferometer.engines.parser import MOST_LINES, Parser
from inferometer.engines.recognition import A_FEW, use_to
from inferometer.engines.sheet import ALL, LONGEST_LINE
from inferometer.engines.tables import TABLES
from tests.exporter.engines.pages import PAGES
from tests.exporter.support import fixture

SeriesValues = dict[tuple[str, frozenset[tuple[str, str]]], str]


def parsed(text: str) -> Page:
    return Parser().parse(text.encode())


def series(page: Page) -> SeriesValues:
    """Every series by full name and labels; values as text, for NaN is unlike itself."""
    return {(family.name + sample.suffix, frozenset(sample.labels.items())):
            repr(page.values[sample.index])
            for family in page.families.values() for sample in family.samples}


def oracle(text: str) -> SeriesValues:
    return {(sample.name, frozenset(sample.labels.items())): repr(float(sample.value))
            for family in text_string_to_metric_families(text) for sample in family.samples}


def the(page: Page, name: str) -> tuple[dict[str, str], float]:
    """The labels and value of a family's only sample."""
    (sample,) = page.families[name].samples
    return dict(sample.labels), page.values[sample.index]


def test_a_type_line_is_trusted_over_a_suffix() -> None:
    page = parsed(
        "# TYPE vllm:iteration_tokens_total histogram\n"
        'vllm:iteration_tokens_total_bucket{le="+Inf"} 3\n'
        "vllm:iteration_tokens_total_count 3\n"
        "vllm:iteration_tokens_total_sum 7\n"
        "# TYPE queue_count gauge\n"
        "queue_count 5\n"
    )
    histogram = page.families["vllm:iteration_tokens_total"]
    assert histogram.kind == "histogram"
    assert [s.suffix for s in histogram.samples] == ["_bucket", "_count", "_sum"]
    assert page.families["queue_count"].kind == "gauge"
    assert the(page, "queue_count") == ({}, 5.0)


def test_a_type_line_holds_for_samples_printed_before_it() -> None:
    page = parsed("requests_total 5\n# TYPE requests_total counter\n")
    assert page.families["requests_total"].kind == "counter"


def test_a_counter_without_total_keeps_its_name() -> None:
    page = parsed("# TYPE tgi_request_success counter\ntgi_request_success 9\n")
    assert page.families["tgi_request_success"].kind == "counter"
    assert the(page, "tgi_request_success") == ({}, 9.0)


def test_a_suffix_without_a_type_line_is_part_of_an_untyped_name() -> None:
    page = parsed("up 1\nlatency_sum 4\n")
    assert (page.families["latency_sum"].kind, the(page, "latency_sum")) == ("untyped", ({}, 4.0))


def test_a_family_with_a_type_line_and_no_sample_is_there_without_samples() -> None:
    page = parsed("# TYPE vllm:request_success_total counter\n")
    assert page.families["vllm:request_success_total"].samples == []


def test_an_openmetrics_page_is_read_with_exemplars_timestamps_and_end() -> None:
    page = parsed(
        "# TYPE vllm:prompt_tokens counter\n"
        "# UNIT vllm:prompt_tokens tokens\n"
        "# HELP vllm:prompt_tokens Prefill tokens.\n"
        'vllm:prompt_tokens_total{model_name="m"} 17.0 1520879607.789 # {trace_id="ab c"} 1.0 1.5\n'
        'vllm:prompt_tokens_created{model_name="m"} 1520430000.123\n'
        "# TYPE vllm:wait_seconds histogram\n"
        'vllm:wait_seconds_bucket{le="0.5"} 1.0 # {span="}#"} 0.4\n'
        'vllm:wait_seconds_bucket{le="+Inf"} 2.0 # {} 0.7 1.520879607789e+09\n'
        "vllm:wait_seconds_count 2.0 1.520879607e9\n"
        "vllm:wait_seconds_sum 1.1\n"
        "vllm:wait_seconds_created 1520430000.123\n"
        "# EOF\n"
    )
    assert set(page.families) == {"vllm:prompt_tokens_total", "vllm:wait_seconds"}
    assert page.families["vllm:prompt_tokens_total"].kind == "counter"
    assert the(page, "vllm:prompt_tokens_total") == ({"model_name": "m"}, 17.0)
    values = [(s.suffix, page.values[s.index]) for s in page.families["vllm:wait_seconds"].samples]
    assert values == [("_bucket", 1.0), ("_bucket", 2.0), ("_count", 2.0), ("_sum", 1.1)]


def test_created_series_are_dropped_even_where_declared() -> None:
    page = parsed("# TYPE a_created gauge\na_created 1.7e9\n# TYPE a_total counter\na_total 2\n")
    assert set(page.families) == {"a_total"}


@pytest.mark.parametrize(("printed", "meant"), [
    (r"a\"b", 'a"b'),
    (r"a\\b", "a\\b"),
    (r"a\nb", "a\nb"),
    (r"a\\nb", "a\\nb"),
    (r"\\\\\"", '\\\\"'),
    ("a}b{c", "a}b{c"),
    ("#1, # 2", "#1, # 2"),
    ('x=\\"y\\",z', 'x="y",z'),
    (" a  b ", " a  b "),
    ("", ""),
    ("Qwen/Qwen3-8B\N{RIGHTWARDS ARROW}\N{GRINNING FACE}",
     "Qwen/Qwen3-8B\N{RIGHTWARDS ARROW}\N{GRINNING FACE}"),
    ("a\u2028b\x0bc\x85d", "a\u2028b\x0bc\x85d"),
])
def test_a_label_value_is_what_was_meant(printed: str, meant: str) -> None:
    page = parsed(f'x{{a="1",model_name="{printed}",z="2"}} 4\n')
    assert the(page, "x") == ({"a": "1", "model_name": meant, "z": "2"}, 4.0)


@pytest.mark.parametrize("line", [
    'x{a="b"} 4', 'x{a="b"}4', 'x {a="b"} 4', 'x{a="b",} 4', 'x{ a = "b" , } 4', '  x{a="b"} 4',
    'x{a="b"}\t4', 'x{a="b"}  \t 4  ', 'x{a="b"} 4 1700000000000', 'x{a="b"} 4\t-17',
    'x{a="b"} 4 # {} 1', 'x{a="b"} 4.', 'x{a="b"} +4', 'x{a="b"} 4e000', 'x{a="b"} 4\r',
])
def test_a_line_may_be_spaced_and_ended_in_many_ways(line: str) -> None:
    parser = Parser()
    for _ in range(2):
        assert the(parser.parse(f"{line}\n".encode()), "x") == ({"a": "b"}, 4.0)


@pytest.mark.parametrize("line", [
    "x", "x{", 'x{a="b} 1', 'x{a="b" 1', 'x{a=b} 1', 'x{a="b"c="d"} 1', 'x{,a="b"} 1', "x{a} 1",
    "x1", "x_inf", "x+1", "x 1 2 3", "x one", "1x 1", "x-y 1", "x 0x10", "x 1#no", "x # 1",
    '{"x.y", a="b"} 1', 'x{"a.b"="c"} 1', "x 1 now", "<p>x 1</p>", "margin: 0;", "\N{BOM}x 1",
])
def test_a_malformed_line_is_passed_over(line: str) -> None:
    parser = Parser()
    for _ in range(2):
        page = parser.parse(f"good 1\n{line}\nfine 2\n".encode())
        assert series(page) == {("good", frozenset()): "1.0", ("fine", frozenset()): "2.0"}


def test_of_a_series_printed_twice_the_last_value_holds() -> None:
    assert the(parsed('x{a="b"} 1\nx{a="b"} 2\n'), "x") == ({"a": "b"}, 2.0)


@pytest.mark.parametrize(("number", "value"), [
    ("NaN", math.nan), ("+Inf", math.inf), ("-Inf", -math.inf), ("1e+09", 1e9), ("1E-7", 1e-7),
    ("1.7976931348623157e+308", 1.7976931348623157e308), ("5e-324", 5e-324), ("1e400", math.inf),
    ("-0", -0.0), ("00012", 12.0), (".5", 0.5), ("12345678901234567890", 12345678901234567890.0),
])
def test_every_number_the_format_allows_is_read(number: str, value: float) -> None:
    assert repr(the(parsed(f"x {number}\n"), "x")[1]) == repr(float(value))


def test_le_is_left_as_the_engine_prints_it() -> None:
    page = parsed("# TYPE h histogram\n" + "".join(
        f'h_bucket{{le="{le}"}} 1\n' for le in ("1", "2.0", "5e-1", "1e+02", "+Inf")))
    bounds = [sample.labels["le"] for sample in page.families["h"].samples]
    assert bounds == ["1", "2.0", "5e-1", "1e+02", "+Inf"]


def test_a_histogram_of_1024_buckets_is_read_in_full() -> None:
    text = "# TYPE h histogram\n" + "".join(f'h_bucket{{le="{n}"}} {n}\n' for n in range(1024))
    assert len(parsed(text).families["h"].samples) == 1024


def test_a_page_with_windows_line_ends_reads_like_one_without() -> None:
    page = fixture("vllm/0.32.0/busy.prom")
    assert series(Parser().parse(page.replace(b"\n", b"\r\n"))) == series(Parser().parse(page))


def test_bytes_that_are_no_utf8_cost_their_characters_only() -> None:
    page = Parser().parse(b'x{a="\xff\xfeb\xc3"} 1\ny 2\n')
    assert the(page, "x") == ({"a": "\ufffd\ufffdb\ufffd"}, 1.0)
    assert the(page, "y") == ({}, 2.0)


@pytest.mark.parametrize("body", [b"", b"\n\n", b"# HELP x y\n", b"# EOF\n", b"   \n\r\n"])
def test_a_page_without_lines_has_no_families(body: bytes) -> None:
    assert Parser().parse(body).families == {}


@pytest.mark.parametrize("body", [
    b"<html>\n<body>\nmargin: 0\n</body>\n</html>\n", b'{"error": "not found"}', b"Not found\n",
    b"\x00" * 5000, b"\x1f\x8b\x08" + bytes(range(256)) * 9,
])
def test_a_body_with_more_nonsense_than_series_is_no_page(body: bytes) -> None:
    with pytest.raises(PageError, match=r"no metrics on the page|(HTML|JSON) instead of metrics"):
        Parser().parse(body)


def test_a_page_of_too_many_lines_is_refused_before_it_is_read() -> None:
    body = b"a 1\n" * (4 * 2**20)
    began = time.process_time()
    with pytest.raises(PageError, match=f"more than {MOST_LINES} lines"):
        Parser().parse(body)
    assert time.process_time() - began < 1


def test_a_line_longer_than_any_engine_prints_is_passed_over() -> None:
    page = parsed(f'x{{a="{"b" * LONGEST_LINE}"}} 1\ny{{a="{"b" * (LONGEST_LINE // 2)}"}} 1\nz 1\n')
    assert set(page.families) == {"y", "z"}


@pytest.mark.parametrize("hostile", [
    lambda n: "a" * n + " x x x",
    lambda n: "a " * (n // 2) + "!",
    lambda n: "x{" + "a" * n + "} 1",
    lambda n: "x{" + " " * n + "} 1",
    lambda n: "x{" + 'a="",' * (n // 5) + "!} 1",
    lambda n: 'x{a="' + "\\" * n + "} 1",
    lambda n: 'x{a="' + '\\"' * (n // 2) + "} 1",
    lambda n: "x{" + '""' * (n // 2) + " 1",
    lambda n: "x" + " " * n + "\t" * n + '"',
    lambda n: "x 1 " + "1" * n + "x",
    lambda n: "x 1" + " #" * (n // 2) + "\x00",
    lambda n: "x " + "9" * n,
    lambda n: "# TYPE " + "x " * n,
], ids=range(13))
def test_no_line_takes_longer_than_its_length_warrants(hostile: Callable[[int], str]) -> None:
    """The regular expressions hold the interpreter's lock: a slow one would stop everything."""
    page = "\n".join([hostile(LONGEST_LINE // 2 - 100)] * 20 + ["good 1"] * 30).encode()
    began = time.process_time()
    try:
        Parser().parse(page)
    except PageError as error:
        assert str(error) == "no metrics on the page"  # noqa: PT017 - either is fine
    assert time.process_time() - began < 2


@pytest.mark.parametrize("more", ["", "!\n" * 30], ids=["a page", "no page"])
def test_the_parser_remembers_no_more_than_the_last_page(more: str) -> None:
    parser = Parser()
    for number in range(50):
        page = "".join(f'x{{a="{number}.{i}"}} 1\n' for i in range(20)) + more
        with contextlib.suppress(PageError):
            parser.parse(page.encode())
    assert len(parser._series) in (0, 20)
    assert len(parser._page.shape.series) in (0, 20)


def test_pages_that_differ_in_values_alone_share_their_shape_whatever_their_order() -> None:
    parser = Parser()
    lines = fixture("vllm/0.32.0/busy.prom").decode().splitlines(keepends=True)
    first = parser.parse("".join(lines).encode())
    again = parser.parse("".join(lines).replace(" 24.0\n", " 25.0\n").encode())
    assert again.shape is first.shape
    assert again.values != first.values
    turned = parser.parse("".join(reversed(lines)).encode())
    assert turned.shape is first.shape
    assert series(turned) == series(first)
    running = "# TYPE vllm:num_requests_running "
    other = parser.parse("".join(lines).replace(f"{running}gauge", f"{running}counter").encode())
    assert other.shape is not first.shape


@pytest.mark.parametrize("path", [path for path in PAGES if "json-string" not in path])
def test_every_captured_page_reads_as_prometheus_own_client_reads_it(path: str) -> None:
    text = fixture(path).decode()
    ours = series(parsed(text))
    theirs = oracle(text)
    # Theirs adds `_total` to a counter without it; and `_created` is dropped by ours.
    expected = {(name.removesuffix("_total") if (name, labels) not in ours else name, labels): value
               for (name, labels), value in theirs.items() if not name.endswith("_created")}
    assert ours == expected


LABEL_NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True)
LABEL_VALUES = st.text(st.one_of(
    st.sampled_from('"\\\n }{#=, \t\r'), st.characters(exclude_categories=["Cs"])), max_size=12)
LABELS = st.dictionaries(LABEL_NAMES.filter(lambda name: name not in ("le", "quantile")),
                         LABEL_VALUES, max_size=4)
NUMBERS = st.floats(width=64)


def line(name: str, labels: dict[str, str], value: float) -> str:
    pairs = ",".join('{}="{}"'.format(key, text.replace("\\", r"\\").replace('"', r"\"")
                                      .replace("\n", r"\n")) for key, text in labels.items())
    number = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))
    return f"{name}{{{pairs}}} {number}\n" if pairs else f"{name} {number}\n"


@st.composite
def pages(draw: st.DrawFn) -> str:
    """A well-formed text page of families of every kind."""
    text = ""
    for number in range(draw(st.integers(1, 5))):
        stem = f"f{number}" + draw(st.sampled_from(["", ":seconds", "_count_of", "_totals"]))
        kind = draw(st.sampled_from(["gauge", "counter", "histogram", "summary", "untyped", ""]))
        name = stem + ("_total" if kind == "counter" else "")
        if kind:
            text += f"# HELP {name} Some \\n words.\n# TYPE {name} {kind}\n"
        children = draw(st.lists(LABELS, min_size=1, max_size=3,
                                 unique_by=lambda labels: frozenset(labels.items())))
        for labels in children:
            if kind == "histogram":
                for le in ("1", "2.5", "+Inf"):
                    text += line(f"{name}_bucket", {**labels, "le": le}, draw(NUMBERS))
            elif kind == "summary":
                text += line(name, {**labels, "quantile": "0.5"}, draw(NUMBERS))
            if kind in ("histogram", "summary"):
                text += line(f"{name}_sum", labels, draw(NUMBERS))
                text += line(f"{name}_count", labels, draw(NUMBERS))
            else:
                text += line(name, labels, draw(NUMBERS))
    return text


@settings(max_examples=150, deadline=None, database=None)
@given(pages())
def test_any_page_reads_as_prometheus_own_client_reads_it(text: str) -> None:
    parser = Parser()
    first = parser.parse(text.encode())
    assert series(first) == oracle(text)
    assert series(parser.parse(text.encode())) == series(first)


NEARLY = st.lists(st.one_of(
    st.sampled_from([b"x", b"x{", b'a="b"', b",", b"}", b" ", b"1", b"\t", b"\n", b"\r\n", b"#",
                     b"# TYPE x histogram\n", b"x_bucket", b'{le="1"}', b"NaN", b"\\", b'"',
                     b'x{a="b"} 1\n', b"y 2\n", b"=", b"_total", b"# EOF", b"\xff", b"e5"]),
    st.binary(max_size=4)), max_size=40).map(b"".join)


@settings(max_examples=1000, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=300), NEARLY))
@example(b'x{a="b"} 1\nx{a="b"}2\n')
@example(b"x 1\nx 2\t3\n")
@example(b"x 1\nx1\n")
def test_no_bytes_raise_anything_but_a_page_error_and_twice_is_the_same(body: bytes) -> None:
    parser = Parser()

    def read() -> SeriesValues | str:
        try:
            return series(parser.parse(body))
        except PageError as error:
            return str(error)

    assert read() == read()


def outcome(parser: Parser, body: bytes, size: int = 2**20, cut: bool = False
            ) -> tuple[SeriesValues, list[str]] | str:
    """What is read, series and families, or why nothing is, in pieces of this size."""
    try:
        with parser.begin() as arrival:
            for start in range(0, len(body), size):
                arrival.take(body[start : start + size])
            page = arrival.end(cut)
    except PageError as error:
        return str(error)
    return series(page), sorted(page.families)  # a layout that is known keeps its own order


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(NEARLY, min_size=1, max_size=3), st.integers(1, 20))
def test_a_page_reads_the_same_as_a_whole_and_as_it_comes(bodies: list[bytes], size: int) -> None:
    as_it_comes = Parser(small=0)
    for body in (body for body in bodies if body[:1] != b'"'):  # no JSON is read as it comes
        expected = outcome(Parser(), body)
        assert outcome(as_it_comes, body, size) == expected
        whole_lines = body[: body.rfind(b"\n") + 1]
        for parser in (as_it_comes, Parser()):
            assert outcome(parser, body, size, cut=True) == outcome(Parser(), whole_lines)


@pytest.mark.parametrize("path", PAGES)
def test_of_a_captured_page_what_tables_read_is_kept_and_every_family_is_there(path: str) -> None:
    body = fixture(path)
    every, kept = Parser().parse(body), Parser(use_to(TABLES)).parse(body)
    assert list(kept.families) == list(every.families)
    assert kept.shape.counted == len(every.values)
    of_use = use_to(TABLES)
    for name, family in every.families.items():
        shown = [dict(sample.labels) for sample in kept.families[name].samples]
        expected = [dict(sample.labels) for sample in family.samples]
        assert all(labels in expected for labels in shown)
        if of_use(name) == ALL:
            assert shown == expected


def test_of_families_that_no_table_reads_little_is_kept() -> None:
    lines = [f'{name}{{a="{number}"}} 1\n' for number in range(1000)
             for name in ("vllm:never_heard_of", "node_load", "vllm:generation_tokens_total")]
    parser = Parser(use_to(TABLES))
    for _ in range(2):
        page = parser.parse("".join(lines).encode())
        assert {name: len(family.samples) for name, family in page.families.items()} == {
            "vllm:never_heard_of": A_FEW, "node_load": 0, "vllm:generation_tokens_total": 1000}
        assert page.shape.counted == 3000
        again = parser.parse("".join(lines).replace(" 1\n", " 2\n").encode())
        assert set(again.values) == {2.0}
        assert again.shape is page.shape
        lines.reverse()  # as of a server that keeps its series in no order


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(NEARLY, min_size=2, max_size=5))
def test_what_a_parser_has_read_before_changes_nothing(bodies: list[bytes]) -> None:
    used = Parser()
    for body in bodies:
        outcomes: list[SeriesValues | str] = []
        for parser in (used, Parser()):
            try:
                outcomes.append(series(parser.parse(body)))
            except PageError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
