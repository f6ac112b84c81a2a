"""The measurements measure what they say; the whole of it runs in `make test-all`."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bench import anomalies, boards
from bench.backfill import Day, Step, fill, in_order
from bench.dashboards import rounds, why
from bench.fleet import BEGIN, MODELS, PARTIES, Fleet
from bench.gpus import HERD, percentile, series_per_gpu
from bench.node_page import GPUS_A_NODE
from bench.pages import Pages
from bench.process import ROOT, free_port, serving
from bench.prometheus import WANTED, Native
from bench.remote_write import Instants, Writer, labels
from bench.report import Figure, table
from bench.rules import RULES, quantiles_off
from bench.scraper import ACCEPT, Scraper, volley
from bench.server import Server, prometheus
from bench.sizes import QUICK
from bench.vllm import PAGE, Page
from dashboards import render_all
from recording_rules.model import Group, Rule
from tests.exporter.support import Engine, send

QUICK_SECONDS = 600


def shape(page: str) -> list[str]:
    """The page's series, sorted, without their values."""
    return sorted(str(sorted(sample.labels.items())) + sample.name
                  for family in text_string_to_metric_families(page) for sample in family.samples)


def test_a_figure_is_held_against_its_bound_as_a_ratio_or_alone() -> None:
    assert Figure("CPU", "ms", 2.0, 0.25, 10.0, "peer").met
    assert not Figure("CPU", "ms", 3.0, 0.25, 10.0, "peer").met
    assert Figure("growth", "KiB", -5.0, 300.0).met
    assert not Figure("growth", "KiB", 301.0, 300.0).met
    assert not Figure("CPU", "ms", 1.0, 0.25, 0.0, "peer").met
    assert Figure("series", "", 63.0, 1.0, 22.0, "peer", at_least=True).met
    assert not Figure("series", "", 21.0, 1.0, 22.0, "peer", at_least=True).met


def test_the_table_says_what_was_missed() -> None:
    rows = table([Figure("CPU", "ms", 3.0, 0.25, 10.0, "peer"), Figure("p99", "s", 0.2, 10.0)])
    assert rows.splitlines()[2:] == [
        "| CPU | 3 ms | 10 ms, peer | 0.30 | ≤ 0.25 | **missed** |",
        "| p99 | 0.2 s |  |  | ≤ 10 s | met |",
    ]


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
    assert percentile([5.0], 0.99) == 5.0


def test_series_are_counted_per_gpu() -> None:
    page = 'a{gpu="0",uuid="A"} 1\na{gpu="1",uuid="B"} 1\nb{gpu="1",uuid="B"} 1\nc 1\n'
    assert series_per_gpu(page) == 1.5


def test_a_scrape_asks_as_prometheus_does_and_takes_whatever_comes() -> None:
    page = b"up 1\n" * 1000
    with Engine(page) as engine, Scraper(engine.port) as scraper:
        plain = scraper.scrape()
        engine.serve(lambda handler: send(handler, gzip.compress(page), Content_Encoding="gzip"))
        packed = [scraper.scrape() for _ in range(3)]
        headers = engine.asked[0][1]
    assert (plain.status, plain.text) == (200, page.decode())
    assert {answer.text for answer in packed} == {page.decode()}
    assert (headers["Accept"], headers["Accept-Encoding"]) == (ACCEPT, "gzip")
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "10"


def test_a_herd_scrapes_all_at_once_and_those_that_fail_are_left_out() -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        send(handler, b"up 1\n")

    with Engine(slowly) as engine:
        herd = [Scraper(engine.port) for _ in range(5)]
        began = time.monotonic()
        answers = volley([*herd, Scraper(free_port())])
        assert time.monotonic() - began < 5 * 0.3
    assert [answer.status for answer in answers] == [200] * 5
    assert all(answer.seconds >= 0.3 for answer in answers)


def test_a_process_is_charged_for_what_it_spends_and_ends_with_the_measurement(
        tmp_path: Path) -> None:
    port = free_port()
    busy = ("import socket, time\n"
            f"listener = socket.create_server(('127.0.0.1', {port}))\n"
            "while True: pass\n")
    with serving("busy", (sys.executable, "-c", busy), port, tmp_path) as process:
        before = process.cpu_seconds()
        time.sleep(0.5)
        assert process.cpu_seconds() - before > 0.05
        assert process.memory_bytes() > 2**20
    with pytest.raises(OSError, match="Invalid argument"):
        process.cpu_seconds()


def test_the_page_of_the_light_engine_is_the_captured_one_and_moves_as_under_load() -> None:
    page = Page()
    assert shape(page.body_of_step(0).decode()) == shape(PAGE.read_text())
    pages = [page.body_of_step(step).decode() for step in range(4)]
    assert len({tuple(shape(text)) for text in pages}) == 1
    for earlier, later in itertools.pairwise(pages):
        check_counters(earlier, later)


def check_counters(earlier: str, later: str) -> None:
    """Counters and buckets never fall, some rise, and a bucket holds those below it."""
    rose = 0
    for before, after in zip(text_string_to_metric_families(earlier),
                             text_string_to_metric_families(later), strict=True):
        below = 0.0
        for old, new in zip(before.samples, after.samples, strict=True):
            if before.type in ("counter", "histogram"):
                assert new.value >= old.value
                rose += new.value > old.value
            if new.name.endswith("_bucket"):
                assert new.value >= (below if new.labels["le"] != "+Inf" else 0.0)
                below = new.value
    assert rose > 100


def test_the_engines_registry_renders_the_captured_page() -> None:
    native = Native()
    page = generate_latest(native.registry).decode()
    assert shape(page) == shape(PAGE.read_text())
    assert counts(page) == pytest.approx(counts(PAGE.read_text()))
    native.step()
    later = counts(generate_latest(native.registry).decode())
    assert all(later[series] >= value for series, value in counts(page).items())
    assert sum(later[series] > value for series, value in counts(page).items()) > 20


def counts(page: str) -> dict[str, float]:
    """Counters, sums and numbers of values that vLLM itself counts."""
    return {series: float(value) for series, value in re.findall(
        r"^(vllm:\w+_(?:total|sum|count)\{.*\}) (\S+)$", page, re.MULTILINE)}


def test_the_families_that_the_rival_renders_are_on_the_page() -> None:
    families = {family.name for family in text_string_to_metric_families(PAGE.read_text())}
    assert families >= WANTED


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Fleet, Day]]:
    """A fleet of two nodes, two hours of it in a real Prometheus, and what its rules record."""
    with prometheus(tmp_path_factory.mktemp("fleet")) as server:
        fleet = Fleet.of(2)
        yield server, fleet, fill(server, fleet, 2, RULES)


def test_prometheus_has_what_was_written(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server, Writer(server.process.port) as writer:
        writer.write((labels("written", {"nth": str(nth), "none": ""}),
                      Instants([BEGIN, BEGIN + 30]).samples([nth / 3, -1e300]))
                     for nth in range(3))
        answer = server.over("written", BEGIN, BEGIN + 30, 30)
    assert writer.samples == 6
    assert [(one["metric"], one["values"]) for one in answer.result] == [
        ({"__name__": "written", "nth": str(nth)},
         [[BEGIN, repr(nth / 3 if nth % 3 else nth // 3)], [BEGIN + 30, "-1e+300"]])
        for nth in range(3)]
    assert answer.samples == 6


def test_what_prometheus_refuses_is_an_error(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server, Writer(server.process.port) as writer:
        with pytest.raises(RuntimeError, match="answered 400"):
            writer.write([(labels("old", {}), Instants([BEGIN + late]).samples([1.0]))
                          for late in (7200, 0)])
        refused = server.instant("rate(nothing)", BEGIN)
    assert "expected type range vector" in refused.error


def test_rules_come_after_those_whose_results_they_read() -> None:
    def rule(name: str, expr: str) -> Rule:
        return Rule(name, expr, (), "")

    total, part, raw = rule("a:b:c", "sum(a:b:part)"), rule("a:b:part", "a:b:raw + 1"), rule(
        "a:b:raw", "raw")
    steps = in_order([Group("second", (total, part), "2m"), Group("first", (raw,))])
    assert steps == [Step(raw, 60), Step(part, 120), Step(total, 120)]


def test_the_fleet_is_whole_in_both_vocabularies(small: tuple[Server, Fleet, Day]) -> None:
    server, fleet, day = small
    for job, series in day.raw.items():
        assert server.number(f'count({{job="{job}"}})', day.end) == series
    for query, count in (("count(count by (uuid) (gpu_up))", fleet.nodes * GPUS_A_NODE),
                         ("count(DCGM_FI_DEV_GPU_UTIL)", fleet.nodes * GPUS_A_NODE),
                         ("sum(llm_server_up)", fleet.nodes), ("count(up == 1)", 3 * fleet.nodes),
                         ("count by (limit) (inferometer_limit_ratio)", 1)):
        assert server.number(query, day.end) == count, query
    ours, theirs = (server.number(f"sum(rate({name}[10m]))", day.end) for name in (
        "llm_server_output_tokens_total", "vllm:generation_tokens_total"))
    assert ours == theirs > 0


def test_the_pages_that_are_scraped_show_the_series_of_the_fleet(
        small: tuple[Server, Fleet, Day]) -> None:
    _, fleet, _ = small
    with contextlib.closing(Pages(free_port(), fleet)) as pages:
        for node, party in itertools.product(range(fleet.nodes), PARTIES):
            page = pages.page(f"/{node}/{party}").decode()
            shown = [(sample.name, sample.labels)
                     for family in text_string_to_metric_families(page)
                     for sample in family.samples]
            assert shown == [(point.name, point.labels) for point in fleet.shown(
                party, f"{node:03d}", MODELS[node], first=node == 0)]
        assert pages.page("/0/nobody") == b""


def test_backfilled_values_are_those_that_the_rules_give(small: tuple[Server, Fleet, Day]) -> None:
    server, _, day = small
    assert quantiles_off(server, day) == {"5m": 0.0, "1h": 0.0}
    for rule in (step.rule for step in RULES):
        chosen = ", ".join(f'{name}="{value}"' for name, value in rule.fixed.items())
        given, recorded = ({
            frozenset({**one["metric"], **rule.fixed, "__name__": ""}.items()):
            float(one["value"][1]) for one in server.instant(expr, day.end).result
        } for expr in (rule.expr, f"{rule}{{{chosen}}}"))
        assert recorded == pytest.approx(given), rule.name


def test_every_query_is_valid_and_every_empty_one_explained(
        small: tuple[Server, Fleet, Day], tmp_path: Path) -> None:
    server, _, day = small
    for uid, document in render_all().items():
        (tmp_path / f"{uid}.json").write_text(json.dumps(document))
    asked = [*boards.theirs(2), *boards.ours(2, tmp_path)]
    assert not [query for query in asked if re.search(r"\$[^\d]", query.expr)]
    by_board = rounds(server, asked, day, 1)
    assert {"vllm-main/vllm_overview", "tgi/tgi_grafana", "inferometer-fleet",
            "inferometer-gpu"} < set(by_board)
    for name, board in by_board.items():
        assert not board.failing, [(one.query, one.last.error) for one in board.failing]
        if name.startswith("inferometer-"):
            assert not [one.query for one in board.empty if not why(one.query)]
    assert not by_board["dcgm-exporter/dcgm-exporter-dashboard"].empty
    assert not by_board["vllm-0.33.0/grafana"].empty
    assert len(by_board["tgi/tgi_grafana"].empty) == len(by_board["tgi/tgi_grafana"].seen)
    wide = by_board["vllm-0.33.0/performance_statistics"].samples
    assert wide > 10 * by_board["vllm-0.33.0/query_statistics"].samples > 0


def test_variables_are_replaced_as_grafana_would() -> None:
    expr = ('rate(a{m=~"$x", n="$model_name", le="${ttft_slo}"}[$__rate_interval]) '
            'or b{c=~"[[y]]", d=~"${z:regex}"}[$__range] or c[$__interval]')
    panel = {"title": "p", "targets": [{"expr": expr, "instant": True}, {"expr": ""}]}
    assert list(boards.queries("b", {"panels": [{"panels": [panel]}]}, 24)) == [
        boards.Query("b", "p", ('rate(a{m=~".*", n="model-a", le="1.0"}[120s]) '
                                'or b{c=~".*", d=~".*"}[24h] or c[60s]'), True)]


def test_closed_rows_are_not_part_of_what_a_board_asks_and_a_panel_may_ask_more_coarsely() -> None:
    coarse = {"title": "p", "interval": "5m", "targets": [{"expr": "a"}]}
    fine = {"title": "q", "interval": "10s", "targets": [{"expr": "b"}]}
    rows = [{"collapsed": True, "panels": [coarse]}, {"collapsed": False, "panels": []}, fine]
    assert list(boards.queries("b", {"panels": rows}, 24)) == [
        boards.Query("b, closed rows", "p", "a", False, 300),
        boards.Query("b", "q", "b", False, 60)]


@pytest.mark.heavy
@pytest.mark.timeout(QUICK_SECONDS)
def test_the_quick_measurement_measures_everything() -> None:
    done = subprocess.run([sys.executable, "-m", "bench"], cwd=ROOT, text=True, check=False,
                          capture_output=True, timeout=QUICK_SECONDS,
                          env={**os.environ, "BENCH_QUICK": "1"})
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    figures = json.loads((ROOT / ".cache/bench-quick.json").read_text())
    rows = done.stdout.partition("| what |")[2].splitlines()
    assert len(figures) == len([row for row in rows if row.startswith("| ")]) - 1
    by_name = {figure["name"]: figure for figure in figures}
    for gpus in (8, 64):
        assert by_name[f"{gpus} GPUs: series per GPU"]["met"]
        assert by_name[f"{gpus} GPUs: failed scrapes, {HERD} scrapers at once"]["met"]
    assert by_name["64 GPUs and 50 vLLM engines: scrapes that lack something"]["met"]
    for name in ("100 scores a day, not fallen: false alarms",
                 "corrected rate: truth in the interval, on average"):
        assert by_name[name]["met"]
    for name in ("our queries that fail", "our queries that are empty and not explained"):
        assert by_name[name]["met"]
    for name in ("rounds of rules that were missed", "rules that failed"):
        assert by_name[f"{QUICK.replicas} replicas, scraped: {name}"]["met"]


def test_what_is_expected_of_calls_is_seldom_wrong_and_jumps_are_seen() -> None:
    hours, kind = 14 * 168, anomalies.KINDS[0]
    measures = anomalies._played(kind, random.Random(1), hours)
    assert sum(anomalies._alerts(means, hours) for means in measures) <= 1
    noisy = anomalies._played(anomalies.Kind("", 60, 2.0), random.Random(1), hours)
    assert sum(anomalies._alerts(means, hours, room=False) for means in noisy) > 10
    delays = [*anomalies._delays(measures[0], hours, 2.0)]
    assert delays
    assert {*delays} <= {2, 3}
