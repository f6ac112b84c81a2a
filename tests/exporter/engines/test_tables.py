"""Every trap of the engines' pages, each on a captured page or on one as documented."""

from __future__ import annotations

import re

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines import ENGINES
from inferometer.engines.page import Parser
from inferometer.engines.reading import Describer, Facts, Reading
from inferometer.engines.requests import INFERENCE
from inferometer.engines.target import recognise
from inferometer.samples import Histogram, Value
from tests.exporter.support import fixture


class Player:
    """Plays pages of one engine to one describer, a second apart."""

    def __init__(self) -> None:
        self._parser = Parser()
        self._describer = Describer()
        self._at = 1000.0
        self.engine = ""

    def play(self, page: bytes | str) -> Reading:
        body = page.encode() if isinstance(page, str) else page
        parsed = self._parser.parse(body)
        engine = recognise(parsed.families, ENGINES)
        assert engine is not None
        self.engine = engine.name
        self._at += 1.0
        return self._describer.describe(engine, parsed, Facts(), self._at)


def play(page: bytes | str) -> Reading:
    return Player().play(page)


def points(reading: Reading, metric: Metric) -> dict[tuple[str, ...], Value]:
    return reading.points.get(metric, {})


def only(reading: Reading, metric: Metric) -> Value | None:
    values = list(points(reading, metric).values())
    assert len(values) <= 1
    return values[0] if values else None


def histogram(reading: Reading, metric: Metric) -> Histogram:
    value = only(reading, metric)
    assert isinstance(value, Histogram)
    return value


def ended(reading: Reading, outcome: str) -> dict[str, Value]:
    """Counts by reason for one outcome, over all models and ranks."""
    return {key[3]: value for key, value in points(reading, c.SERVER_REQUESTS).items()
            if key[2] == outcome}


def exposition(name: str, kind: str, *samples: str) -> str:
    return f"# TYPE {name} {kind}\n" + "".join(f"{line}\n" for line in samples)


PAGES = {
    "vllm-0.32.0/busy.prom": "vllm", "vllm-0.8.5/busy.prom": "vllm",
    "vllm-0.8.5/idle.prom": "vllm", "vllm-public/vllm-unknown.prom": "vllm",
    "vllm-public/ray_serve_llm-2.32.0.prom": "vllm", "tgi/tgi-3.3.5.prom": "tgi",
    "sglang/sglang-0.3.5.prom": "sglang", "sglang/sglang-0.4.0.prom": "sglang",
    "llama.cpp-0.6.0/busy.prom": "llama_cpp",
}


@pytest.mark.parametrize(("page", "engine"), PAGES.items())
def test_the_kind_is_read_off_the_page_and_no_family_of_it_is_unknown(
        page: str, engine: str) -> None:
    player = Player()
    assert player.play(fixture(page)).unknown == 0
    assert player.engine == engine


@pytest.mark.parametrize("page", PAGES)
def test_every_signal_says_where_it_comes_from_and_is_there_if_it_says_so(page: str) -> None:
    reading = play(fixture(page))
    assert set(reading.sources) == set(c.SIGNALS)
    for metric in c.SIGNAL_METRICS:
        available = reading.sources[metric.signal] != "unavailable"
        assert available == bool(points(reading, metric)), metric.name


@pytest.mark.parametrize("page", PAGES)
def test_every_point_has_exactly_the_labels_of_its_family(page: str) -> None:
    for metric, found in play(fixture(page)).points.items():
        wanted = len(metric.labels) - 2  # target and engine come with the target
        assert {len(key) for key in found} == {wanted}, metric.name


def test_vllm_says_what_its_page_says() -> None:
    reading = play(fixture("vllm-0.32.0/busy.prom"))
    assert reading.model == "tiny"
    assert only(reading, c.SERVER_INPUT) == 26104
    assert only(reading, c.SERVER_INPUT_CACHED) == 18688
    assert only(reading, c.SERVER_OUTPUT) == 13209
    assert only(reading, c.SERVER_RUNNING) == 4
    assert only(reading, c.SERVER_WAITING) == 9
    assert only(reading, c.SERVER_KV_USAGE) == pytest.approx(22 / 23)
    assert only(reading, c.SERVER_KV_CAPACITY) == 24 * 128
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 74
    assert histogram(reading, c.SERVER_TPOT).counts[-1] == 66
    assert ended(reading, "success") == {"stop": 24, "length": 42, "repetition": 0}


def test_a_family_typed_histogram_is_one_though_its_name_ends_in_total() -> None:
    page = fixture("vllm-0.32.0/busy.prom")
    families = Parser().parse(page).families
    assert families["vllm:iteration_tokens_total"].kind == "histogram"
    assert "vllm:iteration_tokens_total_sum" not in families


def test_refused_requests_come_from_http_and_only_from_inference_paths() -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode()
    page += (
        'http_requests_total{handler="/health",method="GET",status="5xx"} 50.0\n'
        'http_requests_total{handler="/metrics",method="GET",status="4xx"} 50.0\n'
        'http_requests_total{handler="/v1/models",method="GET",status="4xx"} 50.0\n'
        'http_requests_total{handler="/tokenize",method="POST",status="4xx"} 50.0\n'
        'http_requests_total{handler="/v1/completions",method="POST",status="5xx"} 3.0\n'
    )
    reading = play(page)
    assert ended(reading, "invalid") == {"http_4xx": 9}
    assert ended(reading, "error") == {"engine_error": 0, "http_5xx": 3}
    assert reading.sources["requests_invalid"] == "derived"
    by_class = {key[1]: value for key, value in points(reading, c.SERVER_HTTP).items()}
    assert by_class == {"2xx": 70, "3xx": 0, "4xx": 9, "5xx": 3}


def test_a_request_turned_away_at_a_full_queue_is_rejected_and_not_an_error_too() -> None:
    reading = play(fixture("vllm-0.32.0/rejections.prom"))
    assert ended(reading, "rejected") == {"queue_requests": 20, "queue_tokens": 0}
    assert ended(reading, "error") == {"engine_error": 0, "http_5xx": 0}


def test_where_routes_have_no_names_all_that_is_posted_counts() -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode()
    page = page.replace('handler="/v1/chat/completions"', 'handler="none"')
    assert ended(play(page), "invalid") == {"http_4xx": 9}


def test_unknown_paths_count_as_no_request() -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode()
    page += 'http_requests_total{handler="none",method="POST",status="4xx"} 50.0\n'
    assert ended(play(page), "invalid") == {"http_4xx": 9}


@pytest.mark.parametrize("path", [
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/invocations",
    "/generative_scoring", "/v1/systemone", "/inference/v1/generate", "/cohere/v2/chat",
    "/v1/embeddings", "/v2/embed", "/pooling", "/classify", "/score", "/v1/score", "/rerank",
    "/v2/rerank", "/v1/audio/transcriptions", "/generate", "/api/generate", "/vertex_generate",
])
def test_a_path_that_does_inference_counts(path: str) -> None:
    assert INFERENCE.fullmatch(path)


@pytest.mark.parametrize("path", [
    "/health", "/metrics", "/ping", "/version", "/v1/models", "/tokenize", "/detokenize", "none",
    "/v1/messages/count_tokens", "/v1/responses/{response_id}/cancel", "/load_lora_adapter",
    "/v1/chat/completions/render", "/inference/v1/abort_requests", "/docs", "/", "",
])
def test_a_path_that_does_none_does_not_count(path: str) -> None:
    assert not INFERENCE.fullmatch(path)


def test_an_idle_engine_shows_its_counters_from_zero() -> None:
    reading = play(fixture("vllm-0.32.0/idle.prom"))
    assert ended(reading, "invalid") == {"http_4xx": 0}
    assert set(ended(reading, "success").values()) == {0}


def test_where_http_is_not_counted_invalid_requests_are_unavailable_and_not_zero() -> None:
    reading = play(fixture("vllm-0.8.5/busy.prom"))
    assert ended(reading, "invalid") == {}
    assert reading.sources["requests_invalid"] == "unavailable"
    assert reading.sources["requests_success"] == "native"


def test_a_page_of_one_single_series_before_the_first_request_is_no_fault() -> None:
    reading = play(fixture("vllm-0.8.5/idle.prom"))
    assert only(reading, c.SERVER_KV_CAPACITY) == 24 * 128
    assert set(reading.points) == {c.SERVER_KV_CAPACITY}


def test_a_multiprocess_page_has_no_process_families_and_so_no_start_time() -> None:
    reading = play(fixture("vllm-0.8.5/busy.prom"))
    assert only(reading, c.SERVER_START) is None
    assert only(reading, c.SERVER_RUNNING) == 4


def test_old_names_serve_where_the_new_ones_are_missing() -> None:
    reading = play(fixture("vllm-0.8.5/busy.prom"))
    assert only(reading, c.SERVER_KV_USAGE) == pytest.approx(17 / 24)
    assert histogram(reading, c.SERVER_ITL).counts[-1] == 8879
    assert only(reading, c.SERVER_TPOT) is None


def test_of_old_and_new_names_on_one_page_the_new_one_is_taken() -> None:
    page = exposition("vllm:gpu_cache_usage_perc", "gauge",
                      'vllm:gpu_cache_usage_perc{model_name="m"} 0.9')
    page += exposition("vllm:kv_cache_usage_perc", "gauge",
                       'vllm:kv_cache_usage_perc{model_name="m"} 0.1')
    assert only(play(page), c.SERVER_KV_USAGE) == 0.1


def test_prefix_cache_counts_in_blocks_are_not_taken_for_tokens() -> None:
    page = exposition("vllm:gpu_prefix_cache_queries_total", "counter",
                      'vllm:gpu_prefix_cache_queries_total{model_name="m"} 40.0')
    reading = play(page)
    assert only(reading, c.SERVER_PREFIX_QUERIES) is None
    assert reading.unknown == 0


def two_ranks() -> str:
    page = ""
    for name, kind, first, second in (
        ("vllm:kv_cache_usage_perc", "gauge", 0.5, 0.9),
        ("vllm:num_requests_running", "gauge", 3, 4),
        ("vllm:generation_tokens_total", "counter", 10, 20),
    ):
        page += exposition(name, kind, *(f'{name}{{engine="{rank}",model_name="m"}} {value}'
                                         for rank, value in enumerate((first, second))))
    page += exposition("vllm:request_success_total", "counter", *(
        f'vllm:request_success_total{{engine="{rank}",finished_reason="stop",model_name="m"}} 5'
        for rank in (0, 1)))
    return page


def test_the_kv_ratio_of_data_parallel_ranks_is_told_by_rank_and_never_summed() -> None:
    reading = play(two_ranks())
    assert points(reading, c.SERVER_KV_USAGE) == {("m", "0"): 0.5, ("m", "1"): 0.9}
    assert points(reading, c.SERVER_OUTPUT) == {("m", "0"): 10, ("m", "1"): 20}


def test_a_single_rank_has_no_rank_label() -> None:
    assert set(points(play(fixture("vllm-0.32.0/busy.prom")), c.SERVER_RUNNING)) == {("tiny", "")}


def test_lora_lists_become_no_label_and_no_model() -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode() + exposition(
        "vllm:lora_requests_info", "gauge",
        'vllm:lora_requests_info{max_lora="4",running_lora_adapters="a,b",'
        'waiting_lora_adapters=""} 1.7e+09',
        'vllm:lora_requests_info{max_lora="4",running_lora_adapters="a",'
        'waiting_lora_adapters="b,c"} 1.7e+09')
    reading = play(page)
    assert reading.unknown == 0
    labels = {part for found in reading.points.values() for key in found for part in key}
    assert not [label for label in labels if "," in label]
    assert reading.model == "tiny"


@pytest.mark.parametrize("value", ["85", "1.5", "-1", "NaN", "+Inf"])
def test_a_ratio_that_is_none_is_left_out(value: str) -> None:
    page = exposition("vllm:kv_cache_usage_perc", "gauge",
                      f'vllm:kv_cache_usage_perc{{model_name="m"}} {value}')
    reading = play(page)
    assert only(reading, c.SERVER_KV_USAGE) is None
    assert reading.sources["kv_cache_usage"] == "unavailable"


@pytest.mark.parametrize(("new", "old"), [("ray_vllm_", "vllm:"), ("vllm_", "vllm:"),
                                          ("ray_vllm:", "vllm:")])
def test_vllm_is_read_alike_in_every_spelling(new: str, old: str) -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode()
    assert play(page.replace(old, new)).points == play(page).points


def test_sglang_is_read_alike_with_colons_and_underscores() -> None:
    page = fixture("sglang/sglang-0.3.5.prom").decode()
    assert play(page.replace("sglang:", "sglang_")).points == play(page).points


def test_an_info_value_of_none_gives_no_capacity() -> None:
    page = exposition(
        "vllm:cache_config_info", "gauge",
        'vllm:cache_config_info{block_size="16",kv_cache_size_tokens="None",'
        'num_gpu_blocks="None"} 1.0')
    assert only(play(page), c.SERVER_KV_CAPACITY) is None


def test_the_capacity_in_tokens_is_preferred_to_blocks() -> None:
    page = exposition(
        "vllm:cache_config_info", "gauge",
        'vllm:cache_config_info{block_size="16",kv_cache_size_tokens="1000",'
        'num_gpu_blocks="100"} 1.0')
    reading = play(page)
    assert only(reading, c.SERVER_KV_CAPACITY) == 1000
    assert reading.sources["kv_cache_capacity_tokens"] == "native"


def test_a_family_renamed_by_a_future_engine_is_unavailable_and_counted_as_unknown() -> None:
    page = fixture("vllm-0.32.0/busy.prom").decode()
    reading = play(page.replace("vllm:kv_cache_usage_perc", "vllm:kv_fill_ratio"))
    assert reading.sources["kv_cache_usage"] == "unavailable"
    assert reading.unknown == 1


def test_tgi_requests_are_not_counted_twice() -> None:
    reading = play(fixture("tgi/tgi-3.3.5.prom"))
    assert ended(reading, "success") == {"finished": 109}
    assert ended(reading, "invalid") == {"validation": 2, "template": 0}
    total = sum(value for value in points(reading, c.SERVER_REQUESTS).values()
                if isinstance(value, float))
    assert total == 111


def test_tgi_failures_not_yet_seen_are_at_zero_and_seen_ones_fall_under_their_outcome() -> None:
    page = exposition("tgi_request_success", "counter", "tgi_request_success 4")
    page += exposition("tgi_request_failure", "counter",
                       'tgi_request_failure{err="overloaded"} 3',
                       'tgi_request_failure{err="dropped"} 2')
    reading = play(page)
    assert ended(reading, "rejected") == {"overloaded": 3}
    assert ended(reading, "abort") == {"dropped": 2}
    assert ended(reading, "error") == {"incomplete": 0, "generation": 0}


def test_tgi_tokens_come_from_its_histograms_and_its_mean_time_is_no_tpot() -> None:
    reading = play(fixture("tgi/tgi-3.3.5.prom"))
    assert only(reading, c.SERVER_INPUT) == 662
    assert only(reading, c.SERVER_OUTPUT) == 3423
    assert reading.sources["output_tokens"] == "derived"
    assert only(reading, c.SERVER_TPOT) is None
    assert only(reading, c.SERVER_TTFT) is None


def test_tgi_3_tells_the_share_of_its_token_budget_that_is_reserved() -> None:
    page = exposition("tgi_batch_current_max_tokens", "gauge", "tgi_batch_current_max_tokens 512")
    page += exposition("tgi_batch_max_total_tokens", "gauge", "tgi_batch_max_total_tokens 2048")
    reading = play(page)
    assert only(reading, c.SERVER_KV_USAGE) == 0.25
    assert reading.sources["kv_cache_usage"] == "derived"
    assert only(reading, c.SERVER_KV_CAPACITY) == 2048


def test_tgi_progress_is_not_told_for_its_counters_move_at_the_end_only() -> None:
    assert only(play(fixture("tgi/tgi-3.3.5.prom")), c.SERVER_LAST_PROGRESS) is None


def test_a_histogram_of_1024_buckets_costs_no_series() -> None:
    bounds = [f'tgi_batch_next_size_bucket{{le="{n}"}} {n}' for n in range(1, 1025)]
    page = exposition("tgi_batch_next_size", "histogram", *bounds,
                      'tgi_batch_next_size_bucket{le="+Inf"} 1024')
    assert play(page).points == {}


def test_a_taken_histogram_over_its_cap_is_coarsened_to_some_of_its_own_bounds() -> None:
    bounds = [f'tgi_request_duration_bucket{{le="{n}"}} {n}' for n in range(1, 1025)]
    page = exposition("tgi_request_duration", "histogram", *bounds,
                      'tgi_request_duration_bucket{le="+Inf"} 2000',
                      "tgi_request_duration_sum 5", "tgi_request_duration_count 2000")
    found = histogram(play(page), c.SERVER_DURATION)
    assert len(found.bounds) == c.SERVER_DURATION.bounds
    assert found.counts == (*found.bounds, 2000)  # here a bound is its own count
    assert found.bounds[-1] == 1024


def test_bounds_written_as_integers_are_the_same_bounds() -> None:
    page = exposition("tgi_request_duration", "histogram",
                      'tgi_request_duration_bucket{le="1"} 3',
                      'tgi_request_duration_bucket{le="+Inf"} 3', "tgi_request_duration_sum 1")
    assert histogram(play(page), c.SERVER_DURATION).bounds == (1.0,)


def sglang(**counters: float) -> str:
    return "".join(
        exposition(f"sglang:{name}", "counter", f'sglang:{name}{{model_name="m"}} {value}')
        for name, value in counters.items())


def test_sglang_successes_are_the_ended_requests_less_the_aborted() -> None:
    player = Player()
    first = player.play(sglang(num_requests_total=10, num_aborted_requests_total=3))
    assert ended(first, "success") == {"finished": 7}
    assert first.sources["requests_success"] == "derived"
    second = player.play(sglang(num_requests_total=14, num_aborted_requests_total=4))
    assert ended(second, "success") == {"finished": 10}


def test_sglang_successes_never_fall_when_the_engine_starts_anew() -> None:
    player = Player()
    player.play(sglang(num_requests_total=10, num_aborted_requests_total=3))
    again = player.play(sglang(num_requests_total=2, num_aborted_requests_total=1))
    assert ended(again, "success") == {"finished": 8}


def test_sglang_status_codes_tell_rejected_from_invalid_from_error() -> None:
    codes = {"200": 50, "400": 4, "404": 1, "429": 2, "499": 9, "500": 3, "503": 5}
    page = sglang(num_requests_total=50) + exposition(
        "sglang:http_responses_total", "counter",
        *(f'sglang:http_responses_total{{endpoint="/v1/chat/completions",method="POST",'
          f'status_code="{code}"}} {count}' for code, count in codes.items()),
        'sglang:http_responses_total{endpoint="/health",method="GET",status_code="503"} 70',
        'sglang:http_responses_total{endpoint="/metrics",method="GET",status_code="200"} 70')
    reading = play(page)
    assert ended(reading, "invalid") == {"http_4xx": 5}
    assert ended(reading, "rejected") == {"http_429": 2, "http_503": 5}
    assert ended(reading, "error") == {"http_5xx": 3}


def test_sglang_ranks_that_are_copies_are_not_summed_and_dp_ranks_are_told_apart() -> None:
    page = exposition("sglang:num_running_reqs", "gauge", *(
        f'sglang:num_running_reqs{{dp_rank="{dp}",model_name="m",tp_rank="{tp}"}} {dp + 3}'
        for dp in (0, 1) for tp in (0, 1)))
    assert points(play(page), c.SERVER_RUNNING) == {("m", "0"): 3, ("m", "1"): 4}


def test_sglang_streamed_and_plain_requests_are_one_histogram() -> None:
    samples = [
        f'sglang:time_to_first_token_seconds_{part}model_name="m",is_streaming="{s}"}} {value}'
        for s in ("true", "false")
        for part, value in (('bucket{le="0.1",', 1), ('bucket{le="+Inf",', 4), ("count{", 4),
                            ("sum{", 2))]
    page = exposition("sglang:time_to_first_token_seconds", "histogram", *samples)
    assert histogram(play(page), c.SERVER_TTFT) == Histogram((0.1,), (2, 8), 4.0)


def test_sglang_cached_tokens_are_summed_over_all_their_sources() -> None:
    page = exposition("sglang:cached_tokens_total", "counter", *(
        f'sglang:cached_tokens_total{{cache_source="{source}",model_name="m"}} {value}'
        for source, value in (("device", 10), ("host", 5), ("total", 2))))
    assert only(play(page), c.SERVER_INPUT_CACHED) == 17


def test_sglang_progress_comes_from_the_live_counter_alone() -> None:
    assert only(play(sglang(generation_tokens_total=5)), c.SERVER_LAST_PROGRESS) is None
    page = exposition("sglang:realtime_tokens_total", "counter",
                      'sglang:realtime_tokens_total{mode="decode",model_name="m"} 5')
    assert only(play(page), c.SERVER_LAST_PROGRESS) == 1001.0


def test_sglang_token_times_of_two_meanings_are_taken_only_where_they_are_per_token() -> None:
    old = play(fixture("sglang/sglang-0.3.5.prom"))
    assert histogram(old, c.SERVER_ITL).counts[-1] == 422425
    assert only(play(fixture("sglang/sglang-0.4.0.prom")), c.SERVER_ITL) is None


def test_a_label_that_is_no_model_makes_no_model() -> None:
    assert play(fixture("sglang/sglang-0.4.0.prom")).model == "meta-llama/Llama-3.1-8B-Instruct"


def test_llama_cpp_prompt_tokens_include_the_cached_ones() -> None:
    reading = play(fixture("llama.cpp-0.6.0/after.prom"))
    assert only(reading, c.SERVER_INPUT) == 1920 + 23836
    assert reading.sources["input_tokens"] == "derived"
    assert only(reading, c.SERVER_INPUT_CACHED) == 23836


def test_llama_cpp_prompt_tokens_never_fall_when_the_server_starts_anew() -> None:
    player = Player()
    player.play(fixture("llama.cpp-0.6.0/after.prom"))
    again = player.play(fixture("llama.cpp-0.6.0/idle.prom"))
    assert only(again, c.SERVER_INPUT) == 1920 + 23836


def test_llama_cpp_averages_that_each_reader_resets_are_not_taken() -> None:
    page = fixture("llama.cpp-0.6.0/after.prom").decode()
    other = re.sub(r"(tokens_seconds) \S+", r"\1 0", page)
    assert play(page).points == play(other).points


def test_llama_cpp_counts_no_requests_and_claims_none() -> None:
    reading = play(fixture("llama.cpp-0.6.0/after.prom"))
    assert points(reading, c.SERVER_REQUESTS) == {}
    assert reading.sources["requests_success"] == "unavailable"


def test_sglang_aborts_are_said_as_such_and_shown_from_zero() -> None:
    reading = play(sglang(num_requests_total=10, num_aborted_requests_total=3))
    assert ended(reading, "abort") == {"abort": 3}
    assert reading.sources["requests_abort"] == "native"
    assert ended(play(sglang(num_requests_total=10)), "abort") == {"abort": 0}


def test_sglang_success_after_a_restart_counts_each_of_its_children_anew() -> None:
    def page(streamed: int, plain: int) -> str:
        return exposition("sglang:num_requests_total", "counter", *(
            f'sglang:num_requests_total{{is_streaming="{s}",model_name="m"}} {n}'
            for s, n in (("true", streamed), ("false", plain))))

    player = Player()
    assert ended(player.play(page(100, 0)), "success") == {"finished": 100}
    assert ended(player.play(page(10, 95)), "success") == {"finished": 205}


def test_sglang_priorities_are_not_counted_beside_their_sum() -> None:
    for spelt, running in (('priority=""', 8), ('priority="1"', None)):
        parts = [f'sglang:num_running_reqs{{model_name="m",priority="{p}"}} {n}'
                 for p, n in (("1", 3), ("5", 5))]
        whole = [f'sglang:num_running_reqs{{model_name="m",{spelt}}} 8'] if running else []
        page = exposition("sglang:num_running_reqs", "gauge", *whole, *parts)
        assert only(play(page), c.SERVER_RUNNING) == 8


def test_the_http_family_of_an_engine_is_known() -> None:
    page = exposition("sglang:http_responses_total", "counter",
                      'sglang:http_responses_total{endpoint="/health",status_code="200"} 1')
    assert play(page).unknown == 0


def test_a_worker_that_goes_takes_nothing_from_what_was_counted() -> None:
    def page(**workers: int) -> str:
        counted = exposition("ray_vllm_generation_tokens_total", "counter", *(
            f'ray_vllm_generation_tokens_total{{WorkerId="{worker}",model_name="m"}} {n}'
            for worker, n in workers.items()))
        timed = [line for worker, n in workers.items() for line in (
            f'ray_vllm_time_to_first_token_seconds_bucket{{WorkerId="{worker}",le="+Inf",'
            f'model_name="m"}} {n}',
            f'ray_vllm_time_to_first_token_seconds_sum{{WorkerId="{worker}",model_name="m"}} {n}',
        )]
        return counted + exposition("ray_vllm_time_to_first_token_seconds", "histogram", *timed)

    player = Player()
    said = [player.play(page(**workers)) for workers in (
        {"a": 1000, "b": 500}, {"a": 1010, "b": 510}, {"a": 1020}, {"a": 1030, "c": 5}, {"c": 3})]
    totals = [1500, 1520, 1530, 1545, 3]  # the last is a whole engine that starts anew
    assert [only(reading, c.SERVER_OUTPUT) for reading in said] == totals
    assert [histogram(reading, c.SERVER_TTFT).counts[-1] for reading in said] == totals


def test_http_errors_are_counted_child_by_child() -> None:
    def page(chat: int, completions: int, engine: int) -> str:
        counted = exposition("http_requests_total", "counter", *(
            f'http_requests_total{{handler="/v1/{path}",method="POST",status="5xx"}} {n}'
            for path, n in (("chat/completions", chat), ("completions", completions))))
        return counted + exposition(
            "vllm:request_success_total", "counter",
            f'vllm:request_success_total{{finished_reason="error",model_name="m"}} {engine}')

    player = Player()
    said = [ended(player.play(page(*counts)), "error")["http_5xx"]
            for counts in ((100, 50, 0), (100, 5, 0), (100, 6, 0), (120, 6, 20))]
    assert said == [150, 155, 156, 156]


def test_while_nothing_tells_nameless_routes_from_unknown_paths_nothing_is_claimed() -> None:
    def page(**classes: int) -> str:
        return fixture("vllm-0.32.0/idle.prom").decode() + "".join(
            f'http_requests_total{{handler="none",method="POST",status="{name[1:]}"}} {n}\n'
            for name, n in classes.items())

    player = Player()
    assert ended(player.play(page(_4xx=500)), "invalid") == {}
    assert ended(player.play(page(_4xx=510, _2xx=1)), "invalid") == {"http_4xx": 510}


def test_progress_moves_with_the_tokens_and_stays_when_they_freeze() -> None:
    player = Player()
    moved = [only(player.play(fixture(f"vllm-0.32.0/{page}.prom")), c.SERVER_LAST_PROGRESS)
             for page in ("idle", "busy", "hung", "hung", "hung")]
    assert moved == [1001.0, 1002.0, 1003.0, 1003.0, 1003.0]


def test_an_abort_of_the_engine_is_no_error() -> None:
    page = exposition("vllm:request_success_total", "counter", *(
        f'vllm:request_success_total{{finished_reason="{reason}",model_name="m"}} {count}'
        for reason, count in (("stop", 5), ("abort", 2), ("error", 1), ("new_reason", 3))))
    reading = play(page)
    assert ended(reading, "abort") == {"abort": 2}
    assert ended(reading, "error") == {"engine_error": 1}
    assert ended(reading, "success")["finished"] == 3
