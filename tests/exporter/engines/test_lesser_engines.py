"""Engines that are like others, or that are seen through something that stands before them."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.parser import Parser
from inferometer.engines.recognition import recognise
from inferometer.engines.tables import TABLES, lmcache
from tests.exporter.engines.play import ended, histogram, only, play, points
from tests.exporter.support import fixture

OMNI = "vllm_omni/documented"
TEI = "tei/documented"
OLLAMA = "ollama/documented"


@pytest.mark.parametrize(("metric", "value"), [
    (c.SERVER_INPUT, 5000), (c.SERVER_OUTPUT, 900), (c.SERVER_RUNNING, 12), (c.SERVER_WAITING, 0),
    (c.SERVER_KV_USAGE, 0.4)])
def test_aphrodite_is_read_as_vllm_is(metric: Metric, value: float) -> None:
    reading = play(fixture("aphrodite/documented/0.24.prom"))
    assert reading.plan.engine.name == "aphrodite"
    assert points(reading, metric) == {("acme/chat", ""): value}


def test_a_vllm_under_aphrodites_prefix_says_the_same() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode()
    vllms, here = play(page), play(page.replace("vllm:", "aphrodite:"))
    assert here.plan.engine.name == "aphrodite"
    assert here.points == vllms.points


def test_of_stages_that_are_unlike_none_is_taken_for_the_pipeline() -> None:
    reading = play(fixture(f"{OMNI}/stages.prom"))
    assert reading.plan.engine.name == "vllm_omni"
    assert ended(reading, "success") == {"stop": 10.0, "length": 0.0, "repetition": 0.0}
    assert only(reading, c.SERVER_RUNNING) == 3
    assert only(reading, c.SERVER_WAITING) == 1
    for metric in (c.SERVER_TTFT, c.SERVER_OUTPUT, c.SERVER_KV_USAGE):
        assert points(reading, metric) == {}


def test_a_pipeline_of_one_stage_has_what_its_stage_says() -> None:
    reading = play(fixture(f"{OMNI}/one-stage.prom"))
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 12
    assert only(reading, c.SERVER_OUTPUT) == 950
    assert only(reading, c.SERVER_KV_USAGE) == 0.25
    assert only(reading, c.SERVER_RUNNING) == 3  # the pipeline's own


def test_a_failed_pipeline_is_no_second_time_an_aborted_one() -> None:
    reading = play(fixture(f"{OMNI}/one-stage.prom"))
    assert ended(reading, "abort") == {"abort": 0.0, "cancelled": 3.0}
    assert ended(reading, "error") == {"engine_error": 1.0}


def test_without_a_count_of_failures_what_was_aborted_is_all_that_is_known() -> None:
    assert ended(play(fixture(f"{OMNI}/stages.prom")), "abort") == {"abort": 1.0}


@pytest.mark.parametrize(("page", "requests"), [("embeddings", 148), ("newer", 125)])
def test_tei_counts_requests_that_ended_well_by_their_durations(page: str, requests: int) -> None:
    """Of single ones newer versions count two beginnings and no success."""
    reading = play(fixture(f"{TEI}/{page}.prom"))
    assert ended(reading, "success") == {"finished": requests}
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == requests


def test_tei_says_who_was_turned_away_and_how_much_it_was_given() -> None:
    reading = play(fixture(f"{TEI}/newer.prom"))
    assert ended(reading, "rejected") == {"overloaded": 4.0}
    assert ended(reading, "invalid") == {"validation": 4.0}
    assert ended(reading, "error") == {"engine_error": 2.0}
    assert ended(reading, "abort") == {"dropped": 1.0}
    assert only(reading, c.SERVER_WAITING) == 3
    assert only(reading, c.SERVER_INPUT) == 9000
    assert histogram(reading, c.SERVER_INPUT_LENGTH).counts[-1] == 390


@pytest.mark.parametrize(("page", "given", "made"), [
    ("pull-11159", 7, 103), ("pull-16998", 173, 190), ("exporter", 900, 4000),
    ("proxy", 900, 4000)])
def test_ollamas_tokens_are_read_under_whatever_name(page: str, given: int, made: int) -> None:
    reading = play(fixture(f"{OLLAMA}/{page}.prom"))
    assert points(reading, c.SERVER_INPUT) == {("q:1.5b", ""): given}
    assert points(reading, c.SERVER_OUTPUT) == {("q:1.5b", ""): made}


def test_durations_of_ollama_that_are_counters_are_no_distributions() -> None:
    reading = play(fixture(f"{OLLAMA}/pull-16998.prom"))
    assert only(reading, c.SERVER_WAITING) == 2
    for metric in (c.SERVER_DURATION, c.SERVER_PREFILL, c.SERVER_DECODE):
        assert points(reading, metric) == {}


def test_ollamas_exporter_counts_what_failed_and_what_ended_well() -> None:
    reading = play(fixture(f"{OLLAMA}/exporter.prom"))
    assert ended(reading, "success") == {"finished": 50.0}
    assert ended(reading, "error") == {"engine_error": 3.0}
    assert histogram(reading, c.SERVER_DECODE).counts[-1] == 50
    assert points(reading, c.SERVER_RUNNING) == {}  # those that wait are among them


def test_of_ollamas_proxy_what_is_no_inference_has_no_duration() -> None:
    reading = play(fixture(f"{OLLAMA}/proxy.prom"))
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 50
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 50
    assert histogram(reading, c.SERVER_TPOT).counts[-1] == 50


def test_lmcaches_own_page_is_nobodys() -> None:
    page = "".join(f"# TYPE {source.name} counter\n{source.name} 5\n"
                   for source in (lmcache.QUERIES, lmcache.HITS))
    assert recognise(Parser().parse(page.encode()).families, TABLES) is None


def test_without_families_of_the_pipeline_the_last_stages_requests_are_counted() -> None:
    page = fixture(f"{OMNI}/stages.prom").decode()
    lines = [line for line in page.splitlines() if "vllm_omni:" not in line]
    reading = play("\n".join(lines).replace(
        'stage="code2wav",finished_reason="stop"} 10', 'stage="code2wav",finished_reason="stop"} 9'
    ) + "\n")
    assert reading.plan.engine.name == "vllm_omni"
    assert ended(reading, "success") == {"stop": 9.0, "length": 0.0, "repetition": 0.0}
    for metric in (c.SERVER_TTFT, c.SERVER_OUTPUT, c.SERVER_RUNNING):
        assert points(reading, metric) == {}
    assert reading.unknown == 0
