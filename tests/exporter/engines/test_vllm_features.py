"""What vLLM tells only with features in use: speculation, adapters, caches beyond the GPU."""

from __future__ import annotations

from inferometer import catalogue as c
from inferometer.values import Histogram
from tests.exporter.engines.play import ended, exposition, only, play, points
from tests.exporter.support import fixture

RUN = fixture("vllm/0.32.0-features/after.prom")
WRITTEN = fixture("vllm/documented/features.prom").decode()


def by_own_label(metric: c.Metric, page: str | bytes = WRITTEN) -> dict[str, float]:
    values = points(play(page), metric)
    return {key[-1]: value for key, value in values.items() if not isinstance(value, Histogram)}


def test_requests_for_three_answers_are_counted_once_on_a_page_of_a_real_server() -> None:
    reading = play(RUN)
    assert sum(value for value in ended(reading, "success").values()
               if isinstance(value, float)) == 39  # of 47 answers
    assert reading.sources["requests_success"] == "derived"


def test_speculation_is_counted_by_position() -> None:
    reading = play(RUN)
    assert only(reading, c.SERVER_DRAFTS) == 1069
    assert by_own_label(c.SERVER_ACCEPTED_AT, RUN) == {"0": 10, "1": 0, "2": 0, "3": 0}
    page = exposition("vllm:spec_decode_num_accepted_tokens_per_pos_total", "counter", *(
        f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{model_name="m",position="{n}"}} 1'
        for n in range(12)))
    counted = by_own_label(c.SERVER_ACCEPTED_AT,
                           page + exposition("vllm:num_requests_running", "gauge"))
    assert counted == {**{str(n): 1 for n in range(8)}, "_other": 4}


def test_estimated_work_of_a_gpu_is_told() -> None:
    assert only(play(RUN), c.SERVER_FLOPS) == 4.2775001088e10
    assert by_own_label(c.SERVER_MEMORY_MOVED, RUN) == {"read": 5030724608, "write": 153172992}


def test_of_several_lists_of_adapters_the_latest_holds() -> None:
    reading = play(WRITTEN)
    assert only(reading, c.SERVER_LORA_RUNNING) == 1
    assert only(reading, c.SERVER_LORA_WAITING) == 1
    assert only(reading, c.SERVER_LORA_MAX) == 4
    assert set(points(reading, c.SERVER_LORA_INFO)) == {
        ("m", "", "sql", "running"), ("m", "", "chat", "waiting")}


def test_cache_hits_are_told_by_tier_and_of_older_versions_by_what_they_know() -> None:
    assert by_own_label(c.SERVER_TIER_HITS) == {
        "device": 100, "host": 50, "disk": 20, "peer": 10, "external": 5}
    older = fixture("vllm/0.32.0/busy.prom").decode().replace("cached_by_source", "gone")
    assert set(by_own_label(c.SERVER_TIER_HITS, older)) == {"device", "external"}


def test_moved_cache_is_counted_once_by_movement() -> None:
    assert by_own_label(c.SERVER_KV_MOVED_BYTES) == {
        "store": 4000, "load": 1000, "promote": 330, "receive": 6000}
    assert by_own_label(c.SERVER_KV_MOVED_SECONDS) == {"store": 0.5, "load": 0.25}
    assert by_own_label(c.SERVER_KV_MOVE_FAILURES) == {"store": 3, "receive": 2}


def test_a_label_of_a_family_in_passing_makes_the_page_no_others() -> None:
    assert 'stage="in_progress"' in WRITTEN
    assert play(WRITTEN).plan.engine.name == "vllm"


def test_the_share_that_v0_accepted_is_told() -> None:
    assert only(play(WRITTEN), c.SERVER_ACCEPT_RATIO) == 0.75


def test_an_engine_that_sleeps_says_how_deep() -> None:
    assert by_own_label(c.SERVER_SLEEP) == {"awake": 0, "weights_offloaded": 1, "discard_all": 0}


def test_requests_of_v0_that_were_swapped_out_wait() -> None:
    page = exposition("vllm:num_requests_waiting", "gauge",
                      'vllm:num_requests_waiting{model_name="m"} 2') + exposition(
        "vllm:num_requests_swapped", "gauge", 'vllm:num_requests_swapped{model_name="m"} 3')
    assert only(play(page), c.SERVER_WAITING) == 5
