"""Pages no engine should print: each costs its own target at most, and nothing said is wrong."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.exporter.hostile import (
    BUSY,
    ENDED,
    RUNNING,
    TOKENS,
    TTFT,
    Bed,
    family,
    histogram,
    made_bed,
    models,
    served,
    tokens,
    total,
    totals,
)
from tests.exporter.support import Page

pytestmark = pytest.mark.timeout(90)

SEATS = 301  # models of one target: those for all, and the one kept back for it
OUTPUT = "llm_server_output_tokens_total"
HISTOGRAM = "llm_server_time_to_first_token_seconds"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with made_bed(tmp_path) as bed:
        yield bed
        bed.serve(BUSY)
        assert bed.scrape().value("llm_server_up", target="bad") == 1
        bed.prove()


def values(page: Page, name: str = OUTPUT) -> dict[str, float]:
    """Of the hostile engine, by model."""
    return {series.labels["model"]: series.value for series in page.find(name, target="bad")}


def buckets(page: Page) -> list[tuple[str, float]]:
    return [(series.labels["le"], series.value)
            for series in page.find(f"{HISTOGRAM}_bucket", target="bad")]


def test_models_beyond_the_seats_are_counted_together(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=150) as bed:
        names = [f"m{number}" for number in range(700)]
        for value in (1, 3, 3, 10):
            bed.serve(models(names, value))
            page = bed.scrape()
            assert totals(page) == [700 * value] * 8
            assert len(served(page)) == SEATS + 1
            running = values(page, "llm_server_requests_running")
            assert set(running.values()) == {value}
            assert len(running) == SEATS
            assert c.OTHER not in running  # a gauge cannot be added
        bed.prove()
        folded = page.value("inferometer_label_values_folded_total", metric=OUTPUT, label="model")
        assert folded == 4 * (700 - SEATS)  # once in each scrape


def test_models_that_come_and_go_are_counted_though_they_are_gone(tmp_path: Path) -> None:
    """A model that had a seat and left has no series any more, like any series that is gone."""
    with made_bed(tmp_path) as bed:
        for turn in range(12):
            bed.serve(models(f"m{turn}-{number}" for number in range(300)))
            counts = totals(bed.scrape())
            assert counts == [300 * (turn + 1) - (SEATS if turn > 1 else 300 * turn)] * 8
        bed.prove()


def test_a_value_that_no_counter_can_have_is_left_out(bed: Bed) -> None:
    bed.serve(tokens(("nan", "NaN"), ("inf", "+Inf"), ("minus-inf", "-Inf"), ("below", -5),
                     ("zero", "-0.0"), ("ok", 7), ("small", "5e-324"), ("huge", "1e999")))
    page = bed.scrape()
    assert values(page) == {"zero": 0.0, "ok": 7.0, "small": 5e-324}
    assert "-0" not in [line.rpartition(" ")[2] for line in page.text.splitlines()]


def lying(name: str, value: float | str) -> str:
    """The busy page with this value in every sample of the series."""
    return re.sub(rf"^({re.escape(name)}(?:{{.*}})?) \S+$", rf"\1 {value}", BUSY.decode(),
                  flags=re.MULTILINE)


@pytest.mark.parametrize(("name", "value", "metric"), [
    ("vllm:kv_cache_usage_perc", 7, c.SERVER_KV_USAGE),
    ("vllm:kv_cache_usage_perc", "NaN", c.SERVER_KV_USAGE),
    (RUNNING, -1, c.SERVER_RUNNING), (RUNNING, 2**64 - 1, c.SERVER_RUNNING),
    (TOKENS, "-Inf", c.SERVER_OUTPUT), (TOKENS, 2**64, c.SERVER_OUTPUT),
    (TOKENS, 2**52, c.SERVER_OUTPUT), (f"{TTFT}_count", 2**60, None),
    (f"{TTFT}_bucket", 2**50, c.SERVER_TTFT), (ENDED, 2**45, c.SERVER_REQUESTS),
])
def test_what_cannot_be_is_left_out_is_counted_and_leaves_nothing_behind(
        bed: Bed, name: str, value: float | str, metric: c.Metric | None) -> None:
    def shown(page: Page) -> dict[str, float]:
        part = "_count" if metric is not None and metric.kind == "histogram" else ""
        return values(page, f"{metric.name}{part}") if metric else {}

    bed.serve(BUSY)
    before = bed.scrape()
    bed.serve(lying(name, value))
    page = bed.scrape()
    assert page.value("llm_server_up", target="bad") == 1
    assert metric is c.SERVER_REQUESTS or shown(page) == {}  # it has endings of other sources
    assert float(value) not in shown(page).values()
    refused = {series.labels["metric"]: series.value
               for series in page.find(c.VALUES_REFUSED.name) if series.value}
    assert refused.keys() == ({metric.name} if metric else set())
    bed.serve(BUSY)
    assert shown(bed.scrape()) == shown(before)


def test_of_a_series_printed_twice_the_last_value_holds(bed: Bed) -> None:
    bed.serve(tokens(*(("m", number) for number in range(1000))))
    assert values(bed.scrape()) == {"m": 999.0}


def test_families_may_be_mixed_and_declared_late(bed: Bed) -> None:
    bed.serve("".join(
        f'{TOKENS}{{model_name="m{n}"}} {n}\n{RUNNING}{{model_name="m{n}"}} {n}\n'
        f"# TYPE {TOKENS} counter\n# TYPE {RUNNING} gauge\n" for n in range(100)))
    page = bed.scrape()
    assert values(page) == values(page, "llm_server_requests_running") == {
        f"m{n}": float(n) for n in range(100)}


@pytest.mark.parametrize(("of", "expected", "sum_"), [
    ([("x", 1), ("", 2), ("NaN", 3), ("-Inf", 1), ("0.5", 4), ("0x10", 3), ("+Inf", 9)],
     [("0.5", 4), ("+Inf", 9)], 3.5),
    ([("1", 10), ("2", 5), ("3", 20), ("+Inf", 15)],
     [("1.0", 10), ("2.0", 10), ("3.0", 15), ("+Inf", 15)], 3.5),
    ([("2", 5), ("+Inf", 9), ("1", 4), ("1.0", 3)], [("1.0", 4), ("2.0", 5), ("+Inf", 9)], 3.5),
    ([("1", "NaN"), ("2", -5), ("3", "+Inf"), ("+Inf", 9)], [("+Inf", 9)], 3.5),
    ([("1", 4), ("2", 5)], [("1.0", 4), ("2.0", 5), ("+Inf", 9)], 3.5),
    ([("1", 4), ("+Inf", 9)], [("1.0", 4), ("+Inf", 9)], "NaN"),
    ([("1e308", 4), ("1e400", 9)], [("1e+308", 4), ("+Inf", 9)], "-3.5"),
    ([], [("+Inf", 9)], 3.5),
])
def test_a_histogram_is_mended_where_it_can_be(
        bed: Bed, of: list[tuple[str, object]], expected: list[tuple[str, float]],
        sum_: float | str) -> None:
    bed.serve(f"# TYPE {TTFT} histogram\n" + histogram("m", of, 9, sum_))
    page = bed.scrape()
    assert buckets(page) == expected
    assert page.value(f"{HISTOGRAM}_count", target="bad") == expected[-1][1]
    assert page.value(f"{HISTOGRAM}_sum", target="bad") == (None if isinstance(sum_, str) else sum_)


def test_a_histogram_of_20000_bounds_keeps_as_many_as_there_may_be(bed: Bed) -> None:
    bounds = [(str(n), n) for n in range(1, 20000)]
    bed.serve(f"# TYPE {TTFT} histogram\n" + histogram("m", [*bounds, ("+Inf", 20000)], 20000, 1))
    kept = buckets(bed.scrape())
    assert len(kept) == c.SERVER_TTFT.bounds + 1
    assert all(float(le) == n for le, n in kept[:-1])
    assert kept[-2:] == [("19999.0", 19999), ("+Inf", 20000)]


def test_a_label_value_of_a_megabyte_costs_its_line(bed: Bed) -> None:
    bed.serve(tokens(("x" * 2**20, 5), ("y", 6)))
    assert values(bed.scrape()) == {"y": 6.0}


def test_models_with_overlong_names_are_counted_together(bed: Bed) -> None:
    bed.serve(tokens(*((f"{n}" + "x" * 60_000, 5) for n in range(50)), ("y", 6)))
    for _ in range(2):
        assert values(bed.scrape()) == {c.OTHER: 250.0, "y": 6.0}


def test_names_of_any_characters_come_through(bed: Bed) -> None:
    odd = {r"a\nb": "a\nb", r"\"": '"', r"\\": "\\", **{same: same for same in (
        "a{b}, #", "\u2028\x85", "\x00\x01\x7f", "e\u0301", "\U0010ffff", "x" * 200, "%s %",
        "</script>")}}
    bed.serve(tokens(*((printed, n) for n, printed in enumerate(odd))))
    page = bed.scrape()
    assert values(page) == {meant: float(n) for n, meant in enumerate(odd.values())}


def test_unusable_model_names_lose_no_token(bed: Bed) -> None:
    bed.serve(tokens((c.OTHER, 3), ("", 4), ("ok", 1), ("x" * 201, 5)))
    by_model = values(bed.scrape())
    assert by_model.pop("ok") in (1, 5)  # a sample without a model is the only model's
    assert math.fsum(by_model.values()) in (8, 12)
    assert c.OTHER in by_model


def test_bytes_that_are_no_utf8_come_out_as_utf8(bed: Bed) -> None:
    bad = b"\xff\xfe \xed\xa0\x80 \xf8\x88\x80\x80\x80 \xc0\x80"
    bed.serve(tokens(("ok", 1)).encode() + TOKENS.encode() + b'{model_name="' + bad + b'"} 5\n')
    assert values(bed.scrape()) == {"ok": 1.0, bad.decode(errors="replace"): 5.0}


def test_5000_ranks_of_one_model_are_counted_together_beyond_their_seats(bed: Bed) -> None:
    bed.megabytes = 150
    for value in (1, 4):
        bed.serve(family(TOKENS, "counter", *(
            (f'engine="{rank}",model_name="m"', value) for rank in range(5000))))
        page = bed.scrape()
        assert total(page, OUTPUT) == 5000 * value
        ranks = {series.labels.get("rank") for series in page.find(OUTPUT, target="bad")}
        assert len(ranks) <= 65


def test_20000_label_names_cost_memory_and_no_series(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=200) as bed:
        bed.serve(family(TOKENS, "counter", *(
            (f'l{n}="{n}",model_name="m"', 1) for n in range(20_000))))
        for _ in range(2):
            assert values(bed.scrape()) == {"m": 20_000.0}


def test_families_without_a_sample_are_counted_as_unknown_and_no_more(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=150) as bed:
        bed.serve("".join(f"# TYPE vllm:f{n} counter\n" for n in range(20_000))
                  + tokens(("m", 1)))
        page = bed.scrape()
        assert values(page) == {"m": 1.0}
        assert page.value("inferometer_unknown_families", target="bad") == 20_000


def test_a_page_of_a_million_lines_is_refused_with_the_reason(bed: Bed) -> None:
    bed.serve(b"a 1\n" * 10**6)
    assert bed.scrape().value("llm_server_up", target="bad") == 0
    assert bed.why() == "the page has more than 100000 lines"


def test_a_page_that_is_one_line_is_no_page(bed: Bed) -> None:
    bed.serve(TOKENS.encode() + b'{model_name="' + b"a" * 15 * 2**20 + b'"} 1')
    assert bed.scrape().value("llm_server_up", target="bad") == 0
    assert bed.why() == "no metrics on the page"


def test_a_page_that_is_another_one_each_time_is_read_each_time(bed: Bed) -> None:
    dice = random.Random(1)
    blocks = [f"# HELP{part}" for part in BUSY.decode().split("# HELP")[1:]]
    for _ in range(30):
        chosen = dice.sample(blocks, dice.randint(1, len(blocks)))
        if TOKENS not in "".join(chosen):
            chosen.append(tokens(("tiny", 13209)))
        bed.serve("".join(chosen))
        assert values(bed.scrape()) == {"tiny": 13209.0}


def test_an_engine_that_changes_its_kind_is_recognised_each_time(bed: Bed) -> None:
    for turn in range(10):
        kind = ("vllm", "sglang")[turn % 2]
        bed.serve(BUSY if kind == "vllm" else
                  "# TYPE sglang:generation_tokens_total counter\n"
                  f'sglang:generation_tokens_total{{model_name="s"}} {turn}\n')
        page = bed.scrape()
        assert page.value("llm_server_up", target="bad", engine=kind) == 1
        assert values(page) == {"tiny": 13209.0} if kind == "vllm" else {"s": turn}


def test_words_the_table_does_not_know_are_no_values_of_closed_labels(bed: Bed) -> None:
    bed.serve(tokens(("m", 1)) + family(ENDED, "counter", *(
        (f'finished_reason="r{n}",model_name="m"', 2) for n in range(500))))
    page = bed.scrape()
    assert total(page, "llm_server_requests_total") == 1000
    reasons = {series.labels["reason"] for series in page.find("llm_server_requests_total",
                                                               target="bad")}
    assert reasons <= set(c.REASONS)


def endless(page: Page) -> list[str]:
    return sorted({series.name for series in page.series
                   if series.name.startswith("llm_") and not math.isfinite(series.value)})


@pytest.mark.parametrize("body", [
    family("vllm:generation_tokens_total", "counter",
           *((f'model_name="m",x="{n}"', 1.7e308) for n in range(3))),
    family(RUNNING, "gauge", *((f'model_name="m",x="{n}"', 1.7e308) for n in range(3))),
    f"# TYPE {TTFT} histogram\n" + "".join(
        histogram("m", [("1", 1.7e308), ("+Inf", 1.7e308)], 1.7e308, 1.7e308)
        .replace('model_name="m"', f'model_name="m",x="{n}"') for n in range(3)),
    tokens(*((f"m{n}", 1.7e308) for n in range(1000))),
    family("vllm:cache_config_info", "gauge",
           ('block_size="1e200",num_gpu_blocks="1e200"', 1)),
], ids=["counters", "gauges", "histograms", "folded counters", "a product"])
def test_sums_that_overflow_are_left_out(tmp_path: Path, body: str) -> None:
    with made_bed(tmp_path) as bed:
        bed.serve(body)
        for _ in range(2):
            assert endless(bed.scrape()) == []


def test_a_sum_that_overflowed_once_does_not_spoil_what_is_folded_later(tmp_path: Path) -> None:
    with made_bed(tmp_path) as bed:
        bed.serve(tokens(*((f"m{n}", 1.7e308) for n in range(1000))))
        bed.scrape()
        bed.serve(tokens(*((f"n{n}", 1) for n in range(1000))))
        assert math.isfinite(total(bed.scrape(), OUTPUT, model=c.OTHER))


def test_an_engine_that_takes_too_long_to_describe_costs_the_engines_only(tmp_path: Path) -> None:
    with made_bed(tmp_path, megabytes=400, seconds=30) as bed:
        bed.serve(models(f"m{number}" for number in range(10_000)))
        for _ in range(3):
            began = time.monotonic()
            page = bed.running.scrape(**{"X-Prometheus-Scrape-Timeout-Seconds": "1"})
            assert time.monotonic() - began < 1.5  # all are busy with it, and one thread at a time
            assert page.value("inferometer_collector_success", collector="cost") == 1
