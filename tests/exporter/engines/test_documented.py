"""What pages written from source say, engine by engine: numbers are round, traps are real."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.values import Value
from tests.exporter.engines.play import ended, exposition, histogram, only, play, points
from tests.exporter.support import fixture


def by_own_label(page: str, metric: Metric) -> dict[str, Value]:
    """The values of a metric with one label of its own, over its one model and rank."""
    return {key[-1]: value for key, value in points(play(fixture(page)), metric).items()}


def values(page: str, *metrics: Metric) -> tuple[Value | None, ...]:
    reading = play(fixture(page))
    return tuple(only(reading, metric) for metric in metrics)


SGLANG = "sglang/documented/0.5.23.prom"
PREFILL = "sglang/documented/0.5.23-prefill.prom"
DECODE = "sglang/documented/0.5.23-decode.prom"


@pytest.mark.parametrize(("page", "reasons"), [
    (SGLANG, {"queue": 3, "grammar": 1, "bootstrap": 0, "prealloc": 0, "transfer": 0}),
    (PREFILL, {"queue": 2, "grammar": 1, "bootstrap": 4, "prealloc": 0, "transfer": 0}),
    (DECODE, {"queue": 2, "grammar": 1, "bootstrap": 0, "prealloc": 4, "transfer": 3}),
])
def test_the_queues_of_sglang_add_up(page: str, reasons: dict[str, float]) -> None:
    assert by_own_label(page, c.SERVER_WAITING_WHY) == reasons
    assert values(page, c.SERVER_WAITING) == (sum(reasons.values()),)


def test_a_queue_of_sglang_by_its_old_name_is_one_too() -> None:
    page = "".join(exposition(f"sglang:{name}", "gauge", f'sglang:{name}{{model_name="m"}} {n}')
                   for name, n in (("num_queue_reqs", 0), ("num_prefill_prealloc_queue_reqs", 7),
                                   ("num_decode_prealloc_queue_reqs", 0)))
    reading = play(page)
    assert only(reading, c.SERVER_WAITING) == 7
    assert points(reading, c.SERVER_WAITING_WHY)["m", "", "prealloc"] == 7


def test_a_prefill_worker_of_sglang_works_on_what_is_on_its_way() -> None:
    assert values(PREFILL, c.SERVER_RUNNING) == (5,)


def test_parts_of_sglangs_cache_are_added_up_over_its_processes() -> None:
    """Each process moves its own part; what fails or was found, each of them counts."""
    assert by_own_label(SGLANG, c.SERVER_KV_MOVED_BYTES) == {"store": 4e6, "load": 4e6}
    assert by_own_label(SGLANG, c.SERVER_KV_MOVED_SECONDS) == {"store": 0.5, "load": 0.75}
    assert values(SGLANG, c.SERVER_EXTERNAL_HITS) == (100,)
    assert by_own_label(PREFILL, c.SERVER_KV_MOVE_FAILURES) == {"send": 3}
    assert by_own_label(DECODE, c.SERVER_KV_MOVE_FAILURES) == {"receive": 2}


def test_sglangs_megabytes_and_milliseconds_become_bytes_and_seconds() -> None:
    assert by_own_label(PREFILL, c.SERVER_KV_MOVED_BYTES) == {"send": 2 * 200 * 1024**2}
    assert by_own_label(PREFILL, c.SERVER_KV_MOVED_SECONDS) == {"send": 2 * 0.5}


def test_the_last_transfer_of_an_older_sglang_is_no_sum_of_transfers() -> None:
    reading = play(fixture("sglang/dynamo-2026-01/worker.prom"))
    assert b"# TYPE sglang:kv_transfer_latency_ms gauge" in fixture(
        "sglang/dynamo-2026-01/worker.prom")
    assert reading.sources["kv_moved"] == reading.sources["kv_moved_bytes"] == "unavailable"


def test_sglang_says_in_which_tier_its_cache_was() -> None:
    assert by_own_label(SGLANG, c.SERVER_TIER_HITS) == {
        "device": 600, "host": 300, "external": 100}
    older = fixture(SGLANG).decode().replace('"storage"', '"storage_MooncakeStore"')
    assert points(play(older), c.SERVER_TIER_HITS)["acme/chat", "", "external"] == 100


def test_sglang_tells_of_speculation_where_it_speculates() -> None:
    measures = (c.SERVER_ACCEPT_LENGTH, c.SERVER_ACCEPT_RATIO, c.SERVER_DRAFTS)
    assert values(SGLANG, *measures) == (2.5, 0.5, 800)
    assert values(DECODE, *measures) == (None, None, None)  # it says 0


def test_sglang_tells_of_adapters_of_its_hosts_memory_and_of_what_it_reckons() -> None:
    assert values(SGLANG, c.SERVER_LORA_RUNNING, c.SERVER_LORA_MAX) == (2, 8)
    assert values(SGLANG, c.SERVER_KV_OFFLOAD_USAGE, c.SERVER_FLOPS) == (0.25, 8e12)
    assert by_own_label(SGLANG, c.SERVER_MEMORY_MOVED) == {"read": 6e9, "write": 2e9}
    assert histogram(play(fixture(SGLANG)), c.SERVER_INPUT_LENGTH).counts == (30, 50, 50)


def test_sglangs_capacity_is_its_pages_where_it_is_not_told_otherwise() -> None:
    for pages in ("".join(exposition(f"sglang:{name}", "gauge", f"sglang:{name} {n}")
                          for name, n in (("num_pages", 1000), ("page_size", 64))),
                  exposition("sglang:cache_config_info", "gauge",
                             'sglang:cache_config_info{num_pages="1000",page_size="64"} 1')):
        assert only(play(pages), c.SERVER_KV_CAPACITY) == 64000


def test_a_sglang_that_only_encodes_counts_its_requests_and_what_it_had_seen() -> None:
    page = "sglang/documented/0.5.23-encoder.prom"
    reading = play(fixture(page))
    assert ended(reading, "success") == {"finished": 48}
    assert ended(reading, "error") == {"engine_error": 2}
    assert values(page, c.SERVER_MM_QUERIES, c.SERVER_MM_HITS) == (80, 20)


def test_a_sglang_that_diffuses_leaves_out_its_warm_up() -> None:
    reading = play(fixture("sglang/documented/0.5.23-diffusion.prom"))
    assert ended(reading, "success") == {"finished": 8}
    assert ended(reading, "error") == {"engine_error": 2}
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 10
    assert only(reading, c.SERVER_WAITING) == 3
    assert only(reading, c.SERVER_RUNNING) == 2


def test_a_failure_of_a_diffusing_sglang_is_counted_once() -> None:
    page = fixture("sglang/documented/0.5.23-diffusion.prom").decode() + exposition(
        "sglang:http_responses_total", "counter",
        'sglang:http_responses_total{endpoint="/v1/images/generations",method="POST",'
        'status_code="500"} 2')
    assert ended(play(page), "error") == {"engine_error": 2, "http_5xx": 0}


@pytest.mark.parametrize("name", ["spec_invented_thing", "num_decode_invented_reqs",
                                  "kv_invented_total", "hicache_invented_bytes"])
def test_a_family_of_a_later_sglang_is_unknown_whatever_it_begins_with(name: str) -> None:
    page = exposition("sglang:num_running_reqs", "gauge", "sglang:num_running_reqs 1")
    assert play(page + exposition(f"sglang:{name}", "gauge", f"sglang:{name} 1")).unknown == 1


TRTLLM = "tensorrt_llm/documented/prefixed.prom"


def test_tensorrt_llm_says_in_which_tier_its_cache_was() -> None:
    """Two levels of the GPU's own memory are one tier."""
    assert by_own_label(TRTLLM, c.SERVER_TIER_HITS) == {"device": 1600, "host": 300, "disk": 20}
    assert values(TRTLLM, c.SERVER_KV_OFFLOAD_USAGE) == (0.5,)


def test_tensorrt_llm_moves_cache_to_its_host_and_from_its_partner() -> None:
    assert by_own_label(TRTLLM, c.SERVER_KV_MOVED_BYTES) == {"store": 4e6, "load": 3e6}
    decode = "tensorrt_llm/documented/dynamo-decode.prom"
    assert by_own_label(decode, c.SERVER_KV_MOVED_BYTES) == {"receive": 2e6}
    assert by_own_label(decode, c.SERVER_KV_MOVED_SECONDS) == {"receive": 0.5}


def test_a_draft_of_tensorrt_llm_has_a_first_token() -> None:
    assert values(TRTLLM, c.SERVER_DRAFTS, c.SERVER_ACCEPT_LENGTH) == (200, 1.7)
    assert by_own_label(TRTLLM, c.SERVER_ACCEPTED_AT) == {"0": 160, "1": 50}


def test_usage_of_tensorrt_llms_cache_is_its_blocks_where_it_is_not_told_otherwise() -> None:
    page = fixture(TRTLLM).decode().replace("trtllm_kv_cache_utilization", "trtllm_kv_cache_fill")
    assert only(play(page), c.SERVER_KV_USAGE) == 0.25


LMDEPLOY = "lmdeploy/documented/0.18.0.prom"


def test_lmdeploy_says_what_its_requests_wait_for() -> None:
    assert by_own_label(LMDEPLOY, c.SERVER_WAITING_WHY) == {"handle": 1, "queue": 1}


def test_lmdeploy_tells_lengths_and_drafts_and_no_steps_of_the_engine() -> None:
    reading = play(fixture(LMDEPLOY))
    assert histogram(reading, c.SERVER_INPUT_LENGTH).total == 500
    assert only(reading, c.SERVER_DRAFTS) == 2
    assert by_own_label(LMDEPLOY, c.SERVER_ACCEPTED_AT) == {"0": 2, "1": 1, "2": 0}
    assert reading.sources["step_tokens"] == "unavailable"  # its histogram is of one request's


TRITON = "triton/documented/all.prom"


def test_what_triton_has_not_handed_to_tensorrt_llm_waits_too() -> None:
    pending = "nv_inference_pending_request_count"
    page = fixture(TRITON).decode()
    full = page.replace(f'{pending}{{model="tensorrt_llm",version="1"}} 0',
                        f'{pending}{{model="tensorrt_llm",version="1"}} 9')
    assert only(play(page), c.SERVER_WAITING) == 3
    assert only(play(full), c.SERVER_WAITING) == 3 + 9


def test_milliseconds_of_cache_that_triton_received_become_seconds() -> None:
    assert by_own_label(TRITON, c.SERVER_KV_MOVED_SECONDS) == {"receive": 0.12}


def test_triton_tells_how_long_prompts_and_answers_are() -> None:
    reading = play(fixture(TRITON))
    assert histogram(reading, c.SERVER_INPUT_LENGTH).total == 5900
    assert histogram(reading, c.SERVER_OUTPUT_LENGTH).counts[-1] == 59


TGI = "tgi/documented/3.3.7.prom"


def test_lengths_of_tgi_are_those_of_requests() -> None:
    reading = play(fixture(TGI))
    assert histogram(reading, c.SERVER_INPUT_LENGTH).counts == (10, 30, 40, 40)
    assert histogram(reading, c.SERVER_OUTPUT_LENGTH).total == 1600
    assert values(TGI, c.SERVER_KV_USAGE, c.SERVER_WAITING) == (0.25, 4)


def test_what_one_queue_of_tgi_refuses_is_no_error() -> None:
    reading = play(fixture(TGI))
    assert ended(reading, "rejected") == {"overloaded": 3}
    assert ended(reading, "error") == {"generation": 1, "incomplete": 0}


def test_llama_cpp_tells_what_is_accepted_of_its_drafts_by_position() -> None:
    page = "llama_cpp/documented/speculative.prom"
    assert by_own_label(page, c.SERVER_ACCEPTED_AT) == {"0": 80, "1": 40, c.OTHER: 15 + 5}
    assert values(page, c.SERVER_DRAFTS, c.SERVER_DRAFT, c.SERVER_ACCEPTED) == (100, 300, 140)


def test_an_older_llama_cpp_tells_how_full_its_cache_is() -> None:
    assert values("llama_cpp/documented/2025-04.prom", c.SERVER_KV_USAGE, c.SERVER_WAITING) == (
        0.25, 3)


def test_nim_tells_lengths_and_how_requests_ended() -> None:
    reading = play(fixture("nim/documented/1.prom"))
    assert ended(reading, "abort") == {"abort": 4}
    assert ended(reading, "error") == {"engine_error": 1}
    assert histogram(reading, c.SERVER_INPUT_LENGTH).counts == (20, 45, 45)
    assert histogram(reading, c.SERVER_OUTPUT_LENGTH).total == 900


PRIORITY = "sglang_router/documented/priority.prom"


def test_classes_of_the_routers_scheduler_and_prefill_workers_are_queues_too() -> None:
    page = fixture(PRIORITY).decode()
    assert values(PRIORITY, c.SERVER_WAITING) == (3 + 4 + 2,)
    assert only(play(page.replace("smg_admission_queue_depth", "smg_admission_depth")),
                c.SERVER_WAITING) == 3 + 4 + 2


def test_the_first_token_of_split_workers_is_timed_from_the_start_where_the_router_does() -> None:
    assert histogram(play(fixture(PRIORITY)), c.SERVER_TTFT).counts == (4, 5)


def test_images_that_the_router_looked_up_are_those_it_had_and_those_it_had_not() -> None:
    assert values(PRIORITY, c.SERVER_MM_QUERIES, c.SERVER_MM_HITS) == (80, 20)


@pytest.mark.parametrize("name", ["smg_worker_invented_total", "smg_tokio_invented",
                                  "smg_cache_invented_entries"])
def test_a_family_of_a_later_router_is_unknown_whatever_it_begins_with(name: str) -> None:
    page = fixture(PRIORITY).decode()
    assert play(page + exposition(name, "gauge", f"{name} 1")).unknown == 1
