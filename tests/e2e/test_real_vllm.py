"""The exporter beside a real vLLM under load: its page against vLLM's own and against the load."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.load import run_load
from tests.e2e.vllm import INSTALL_AND_START_SECONDS, Vllm, started
from tests.exporter.support import Exporter, Page, exporter, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(INSTALL_AND_START_SECONDS + 300)]

# Ours on the left, the engine's own on the right.
SAME = {
    "llm_server_time_to_first_token_seconds": "vllm:time_to_first_token_seconds",
    "llm_server_time_per_output_token_seconds": "vllm:request_time_per_output_token_seconds",
    "llm_server_inter_token_latency_seconds": "vllm:inter_token_latency_seconds",
    "llm_server_request_duration_seconds": "vllm:e2e_request_latency_seconds",
    "llm_server_request_queue_seconds": "vllm:request_queue_time_seconds",
    "llm_server_request_prefill_seconds": "vllm:request_prefill_time_seconds",
    "llm_server_request_decode_seconds": "vllm:request_decode_time_seconds",
    "llm_server_input_tokens_total": "vllm:prompt_tokens_total",
    "llm_server_input_tokens_cached_total": "vllm:prompt_tokens_cached_total",
    "llm_server_output_tokens_total": "vllm:generation_tokens_total",
    "llm_server_requests_running": "vllm:num_requests_running",
    "llm_server_requests_waiting": "vllm:num_requests_waiting",
    "llm_server_kv_cache_usage_ratio": "vllm:kv_cache_usage_perc",
    "llm_server_prefix_cache_query_tokens_total": "vllm:prefix_cache_queries_total",
    "llm_server_prefix_cache_hit_tokens_total": "vllm:prefix_cache_hits_total",
    "llm_server_preemptions_total": "vllm:num_preemptions_total",
    "llm_server_start_time_seconds": "process_start_time_seconds",
}


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    with started(tmp_path_factory.mktemp("vllm")) as running:
        yield running


@pytest.fixture(scope="module")
def watching(vllm: Vllm) -> Iterator[Exporter]:
    with exporter("--engine", vllm.url) as running:
        yield running


def requests(page: Page) -> Counter[str]:
    counts: Counter[str] = Counter()
    for series in page.find("llm_server_requests_total"):
        counts[f"{series.labels['outcome']}:{series.labels['reason']}"] += int(series.value)
    return counts


def test_the_page_agrees_with_the_engine_and_with_what_was_sent(
        vllm: Vllm, watching: Exporter) -> None:
    before = watching.scrape()
    assert before.value("llm_server_up", engine="vllm", model="tiny") == 1
    assert before.value("llm_server_max_model_length_tokens") == 2048
    assert before.find("llm_server_info")[0].labels["version"].startswith("0.")

    sent = run_load(vllm.url, model="tiny", requests=80, concurrency=8, seed=7, abort_every=9,
                    invalid_every=7)
    wait_for(lambda: watching.scrape().value("llm_server_requests_running") == 0, 60)
    after = watching.scrape()
    print(dict(sent))

    counted = requests(after)
    counted.subtract(requests(before))
    assert counted["success:stop"] == sent["success:stop"]
    # A busy engine may end a request before it sees that the client has left.
    left_too_late = counted["success:length"] - sent["success:length"]
    assert 0 <= left_too_late <= sent["aborted"]
    invalid = sum(count for key, count in sent.items() if key.startswith("invalid:"))
    assert counted["invalid:http_4xx"] == invalid > 0
    assert counted["error:http_5xx"] == counted["error:engine_error"] == 0
    grown = growth(before, after, "llm_server_input_tokens_total")
    assert grown == sent["input_tokens"] + sent["aborted_input_tokens"]
    # What aborted requests had generated is in the engine's count too.
    assert growth(before, after, "llm_server_output_tokens_total") >= sent["output_tokens"] > 0
    assert growth(before, after, "llm_server_request_duration_seconds_count") == (
        sent["success:stop"] + sent["success:length"] + left_too_late)
    agree(after, vllm.page())


def growth(before: Page, after: Page, name: str) -> float:
    first, last = before.value(name), after.value(name)
    assert first is not None
    assert last is not None
    return last - first


def agree(ours: Page, theirs: Page) -> None:
    """Check that every family passed on equals the engine's own, bucket by bucket."""
    for our_name, their_name in SAME.items():
        for suffix in ("", "_bucket", "_count", "_sum"):
            our_values, their_values = (
                {s.labels.get("le", ""): s.value for s in page.find(name + suffix)}
                for page, name in ((ours, our_name), (theirs, their_name)))
            assert our_values == their_values, our_name + suffix
        assert ours.find(our_name) or ours.find(our_name + "_bucket"), our_name
    assert ours.value("inferometer_unknown_families") == 0


def test_a_stopped_engine_that_answers_on_is_seen_to_make_no_progress(
        vllm: Vllm, watching: Exporter) -> None:
    engines = vllm.engine_processes()
    assert engines, vllm.log.read_text()[-2000:]
    for pid in engines:
        os.kill(pid, signal.SIGSTOP)
    try:
        first = watching.scrape()
        time.sleep(1.5)
        second = watching.scrape()
        assert second.value("llm_server_up") == 1
        progress = "llm_server_last_progress_timestamp_seconds"
        assert second.value(progress) == first.value(progress)
        read = "llm_server_last_scrape_timestamp_seconds"
        assert growth(first, second, read) > 1
    finally:
        for pid in engines:
            os.kill(pid, signal.SIGCONT)
    run_load(vllm.url, model="tiny", requests=4, concurrency=2, seed=1)
    moved = watching.scrape().value("llm_server_last_progress_timestamp_seconds")
    assert moved is not None
    assert moved > (second.value("llm_server_last_scrape_timestamp_seconds") or 0)


def test_an_engine_that_ends_is_down_under_its_last_known_name(
        vllm: Vllm, watching: Exporter) -> None:
    vllm.stop()
    page = wait_for(lambda: (p := watching.scrape()).value("llm_server_up") == 0 and p, 20)
    assert page.value("llm_server_up", engine="vllm", model="tiny") == 0
    assert not page.find("llm_server_requests_running")
