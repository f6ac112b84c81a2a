"""Every trap of the engines' pages, each on a captured page or on one as documented."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.matrix import claims
from inferometer.engines.parser import Parser
from inferometer.engines.recognition import recognise
from inferometer.engines.requests import INFERENCE
from inferometer.engines.tables import TABLES
from inferometer.values import Histogram, Value
from tests.exporter.engines.pages import ENGINES, PAGES, evidence_of, table_of
from tests.exporter.engines.play import Player, ended, exposition, histogram, only, play, points
from tests.exporter.support import fixture


@pytest.mark.parametrize("page", PAGES)
def test_the_kind_is_read_off_the_page_and_no_family_of_it_is_unknown(page: str) -> None:
    plan = play(fixture(page)).plan
    table = f"exporter/inferometer/engines/tables/{table_of(page)}.py"
    assert plan.engine in ENGINES[table_of(page)], (
        f"{page} is read as a page of {plan.engine.title}: mend the spelling or the marks in "
        f"{table}, or move the page to the folder of the table that should read it")
    prefix = plan.engine.spelling.prefix
    names = ", ".join(f'"{name.removeprefix(prefix)}"' for name in plan.unknown)
    assert not names, f"{table}: map these families, or add them to unused, as here: {names}"


@pytest.mark.parametrize("module", ENGINES)
def test_what_a_table_claims_is_on_a_page_of_a_server_or_marked_as_never_seen(
        module: str) -> None:
    """A signal that no server's page shows is `unseen` in the table, and so in the matrix."""
    table = f"exporter/inferometer/engines/tables/{module}.py"
    engine = ENGINES[module][0]
    claimed = available(claims(engine))
    seen = {signal for page in PAGES
            if table_of(page) == module and evidence_of(page) != "documented"
            for signal in available(play(fixture(page)).sources)}
    if seen and any("max_model_length" in document.fields for document in engine.documents):
        seen.add(c.SERVER_MAX_LENGTH.signal)  # it stands beside the page
    unseen = engine.unseen if seen else claimed  # all of it, where evidence is "documented"
    assert claimed - seen <= unseen, f"{table}: add to unseen, or capture a page that shows them"
    assert unseen <= claimed - seen, f"{table}: take out of unseen, a page shows them"
    assert seen <= claimed


@pytest.mark.parametrize("module", [name for name in ENGINES if any(
    table_of(page) == name and evidence_of(page) == "documented" for page in PAGES)])
def test_a_signal_never_seen_is_read_off_a_page_as_documented(module: str) -> None:
    """All of them, where the engine is known by little but its documents."""
    if module == "aphrodite":
        return  # its table is vLLM's
    engine = ENGINES[module][0]
    read = {signal for page in PAGES if table_of(page) == module
            for signal in available(play(fixture(page)).sources)}
    if any("max_model_length" in document.fields for document in engine.documents):
        read.add(c.SERVER_MAX_LENGTH.signal)  # it stands beside the page
    assert engine.unseen <= read
    assert available(claims(engine)) == read


def available(sources: Mapping[str, str]) -> set[str]:
    return {signal for signal, source in sources.items() if source != "unavailable"}


@pytest.mark.parametrize("page", PAGES)
def test_every_signal_says_where_it_comes_from_and_is_there_if_it_says_so(page: str) -> None:
    reading = play(fixture(page))
    assert set(reading.sources) == set(c.SIGNALS)
    for metric in c.SIGNAL_METRICS:
        available = reading.sources[metric.signal] != "unavailable"
        assert available == bool(points(reading, metric)), metric.name


@pytest.mark.parametrize("page", PAGES)
def test_every_point_has_exactly_the_labels_of_its_family(page: str) -> None:
    for metric, by_key in play(fixture(page)).points.items():
        labels = len(metric.labels) - 2  # target and engine come with the target
        assert {len(key) for key in by_key} == {labels}, metric.name


def test_vllm_says_what_its_page_says() -> None:
    reading = play(fixture("vllm/0.32.0/busy.prom"))
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
    page = fixture("vllm/0.32.0/busy.prom")
    families = Parser().parse(page).families
    assert families["vllm:iteration_tokens_total"].kind == "histogram"
    assert "vllm:iteration_tokens_total_sum" not in families


def test_refused_requests_come_from_http_and_only_from_inference_paths() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode()
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
    reading = play(fixture("vllm/0.32.0/rejections.prom"))
    assert ended(reading, "rejected") == {"queue_requests": 20, "queue_tokens": 0}
    assert ended(reading, "error") == {"engine_error": 0, "http_5xx": 0}


def test_where_routes_have_no_names_all_that_is_posted_counts() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode()
    page = page.replace('handler="/v1/chat/completions"', 'handler="none"')
    assert ended(play(page), "invalid") == {"http_4xx": 9}


def test_unknown_paths_count_as_no_request() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode()
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
    reading = play(fixture("vllm/0.32.0/idle.prom"))
    assert ended(reading, "invalid") == {"http_4xx": 0}
    assert set(ended(reading, "success").values()) == {0}


def test_where_http_is_not_counted_invalid_requests_are_unavailable_and_not_zero() -> None:
    reading = play(fixture("vllm/0.8.5/busy.prom"))
    assert ended(reading, "invalid") == {}
    assert reading.sources["requests_invalid"] == "unavailable"
    assert reading.sources["requests_success"] == "native"


def test_a_page_of_one_single_series_before_the_first_request_is_no_fault() -> None:
    reading = play(fixture("vllm/0.8.5/idle.prom"))
    assert only(reading, c.SERVER_KV_CAPACITY) == 24 * 128
    assert set(reading.points) == {c.SERVER_KV_CAPACITY}


def test_a_multiprocess_page_has_no_process_families_and_so_no_start_time() -> None:
    reading = play(fixture("vllm/0.8.5/busy.prom"))
    assert only(reading, c.SERVER_START) is None
    assert only(reading, c.SERVER_RUNNING) == 4


def test_old_names_serve_where_the_new_ones_are_missing() -> None:
    reading = play(fixture("vllm/0.8.5/busy.prom"))
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
    reading = play(page + exposition("vllm:num_requests_running", "gauge"))
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


def test_the_kv_ratio_of_data_parallel_ranks_is_shown_by_rank_and_never_summed() -> None:
    reading = play(two_ranks())
    assert points(reading, c.SERVER_KV_USAGE) == {("m", "0"): 0.5, ("m", "1"): 0.9}
    assert points(reading, c.SERVER_OUTPUT) == {("m", "0"): 10, ("m", "1"): 20}


def test_a_single_rank_has_no_rank_label() -> None:
    assert set(points(play(fixture("vllm/0.32.0/busy.prom")), c.SERVER_RUNNING)) == {("tiny", "")}


def test_lora_lists_become_no_label_and_no_model() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode() + exposition(
        "vllm:lora_requests_info", "gauge",
        'vllm:lora_requests_info{max_lora="4",running_lora_adapters="a,b",'
        'waiting_lora_adapters=""} 1.7e+09',
        'vllm:lora_requests_info{max_lora="4",running_lora_adapters="a",'
        'waiting_lora_adapters="b,c"} 1.7e+09')
    reading = play(page)
    assert reading.unknown == 0
    labels = {part for by_key in reading.points.values() for key in by_key for part in key}
    assert not [label for label in labels if "," in label]
    assert reading.model == "tiny"


@pytest.mark.parametrize("value", ["85", "1.5", "-1", "NaN", "+Inf"])
def test_a_ratio_that_is_none_is_left_out(value: str) -> None:
    page = exposition("vllm:kv_cache_usage_perc", "gauge",
                      f'vllm:kv_cache_usage_perc{{model_name="m"}} {value}')
    reading = play(page)
    assert only(reading, c.SERVER_KV_USAGE) is None
    assert reading.sources["kv_cache_usage"] == "unavailable"


def test_vllm_is_read_alike_with_colons_and_underscores() -> None:
    page = fixture("vllm/0.32.0/busy.prom").decode()
    assert play(page.replace("vllm:", "vllm_")).points == play(page).points


def test_sglang_is_read_alike_with_colons_and_underscores() -> None:
    page = fixture("sglang/sglang-docs/0.3.5.prom").decode()
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
    page = fixture("vllm/0.32.0/busy.prom").decode()
    reading = play(page.replace("vllm:kv_cache_usage_perc", "vllm:kv_fill_ratio"))
    assert reading.sources["kv_cache_usage"] == "unavailable"
    assert reading.unknown == 1


def test_tgi_requests_are_not_counted_twice() -> None:
    reading = play(fixture("tgi/datadog/3.3.5.prom"))
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
    reading = play(fixture("tgi/datadog/3.3.5.prom"))
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
    assert only(play(fixture("tgi/datadog/3.3.5.prom")), c.SERVER_LAST_PROGRESS) is None


def test_a_histogram_of_1024_buckets_costs_no_series() -> None:
    bounds = [f'tgi_batch_next_size_bucket{{le="{n}"}} {n}' for n in range(1, 1025)]
    page = exposition("tgi_batch_next_size", "histogram", *bounds,
                      'tgi_batch_next_size_bucket{le="+Inf"} 1024')
    assert play(page + exposition("tgi_queue_size", "gauge")).points == {}


def test_a_taken_histogram_over_its_cap_is_coarsened_to_some_of_its_own_bounds() -> None:
    bounds = [f'tgi_request_duration_bucket{{le="{n}"}} {n}' for n in range(1, 1025)]
    page = exposition("tgi_request_duration", "histogram", *bounds,
                      'tgi_request_duration_bucket{le="+Inf"} 2000',
                      "tgi_request_duration_sum 5", "tgi_request_duration_count 2000")
    duration = histogram(play(page), c.SERVER_DURATION)
    assert len(duration.bounds) == c.SERVER_DURATION.bounds
    assert duration.counts == (*duration.bounds, 2000)  # here a bound is its own count
    assert duration.bounds[-1] == 1024


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
    again = player.restart(sglang(num_requests_total=2, num_aborted_requests_total=1))
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
    old = play(fixture("sglang/sglang-docs/0.3.5.prom"))
    assert histogram(old, c.SERVER_ITL).counts[-1] == 422425
    assert only(play(fixture("sglang/sglang-docs/0.4.0.prom")), c.SERVER_ITL) is None


def test_a_label_that_is_no_model_makes_no_model() -> None:
    reading = play(fixture("sglang/sglang-docs/0.4.0.prom"))
    assert reading.model == "meta-llama/Llama-3.1-8B-Instruct"


def test_llama_cpp_prompt_tokens_include_the_cached_ones() -> None:
    reading = play(fixture("llama_cpp/0.6.0/after.prom"))
    assert only(reading, c.SERVER_INPUT) == 1920 + 23836
    assert reading.sources["input_tokens"] == "derived"
    assert only(reading, c.SERVER_INPUT_CACHED) == 23836


def test_llama_cpp_prompt_tokens_never_fall_when_the_server_starts_anew() -> None:
    player = Player()
    player.play(fixture("llama_cpp/0.6.0/after.prom"))
    again = player.restart(fixture("llama_cpp/0.6.0/idle.prom"))
    assert only(again, c.SERVER_INPUT) == 1920 + 23836


def test_llama_cpp_averages_that_each_reader_resets_are_not_taken() -> None:
    page = fixture("llama_cpp/0.6.0/after.prom").decode()
    other = re.sub(r"(tokens_seconds) \S+", r"\1 0", page)
    assert play(page).points == play(other).points


def test_llama_cpp_counts_no_requests_and_claims_none() -> None:
    reading = play(fixture("llama_cpp/0.6.0/after.prom"))
    assert points(reading, c.SERVER_REQUESTS) == {}
    assert reading.sources["requests_success"] == "unavailable"


def test_sglang_aborts_are_said_as_such_and_shown_from_zero() -> None:
    reading = play(sglang(num_requests_total=10, num_aborted_requests_total=3))
    assert ended(reading, "abort") == {"abort": 3}
    assert reading.sources["requests_abort"] == "native"
    assert ended(play(sglang(num_requests_total=10, http_requests_active=1)), "abort") == {
        "abort": 0}


def test_a_version_that_does_not_count_aborts_is_not_said_to_have_had_none() -> None:
    reading = play(fixture("sglang/sglang-docs/0.4.0.prom"))
    assert reading.sources["requests_abort"] == "unavailable"
    old = play(fixture("vllm/0.8.5/after.prom"))
    assert ended(old, "success") == {"stop": 25, "length": 40, "repetition": 0}
    assert old.sources["requests_abort"] == "unavailable"


def test_sglang_success_after_a_restart_counts_each_of_its_children_anew() -> None:
    def page(streamed: int, plain: int) -> str:
        return exposition("sglang:num_requests_total", "counter", *(
            f'sglang:num_requests_total{{is_streaming="{s}",model_name="m"}} {n}'
            for s, n in (("true", streamed), ("false", plain))))

    player = Player()
    assert ended(player.play(page(100, 0)), "success") == {"finished": 100}
    assert ended(player.restart(page(10, 95)), "success") == {"finished": 205}


def test_sglang_priorities_are_not_counted_beside_their_sum() -> None:
    for spelt, running in (('priority=""', 8), ('priority="1"', None)):
        parts = [f'sglang:num_running_reqs{{model_name="m",priority="{p}"}} {n}'
                 for p, n in (("1", 3), ("5", 5))]
        total = [f'sglang:num_running_reqs{{model_name="m",{spelt}}} 8'] if running else []
        page = exposition("sglang:num_running_reqs", "gauge", *total, *parts)
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
    readings = [player.play(page(**workers)) for workers in (
        {"a": 1000, "b": 500}, {"a": 1010, "b": 510}, {"a": 1020}, {"a": 1030, "c": 5})]
    readings.append(player.restart(page(c=3)))
    totals = [1500, 1520, 1530, 1545, 3]  # the last is a whole engine that starts anew
    assert [only(reading, c.SERVER_OUTPUT) for reading in readings] == totals
    assert [histogram(reading, c.SERVER_TTFT).counts[-1] for reading in readings] == totals


def test_http_errors_are_counted_child_by_child() -> None:
    def page(chat: int, completions: int, engine: int) -> str:
        counted = exposition("http_requests_total", "counter", *(
            f'http_requests_total{{handler="/v1/{path}",method="POST",status="5xx"}} {n}'
            for path, n in (("chat/completions", chat), ("completions", completions))))
        return counted + exposition(
            "vllm:request_success_total", "counter",
            f'vllm:request_success_total{{finished_reason="error",model_name="m"}} {engine}')

    player = Player()
    errors = [ended(player.play(page(*counts)), "error")["http_5xx"]
              for counts in ((100, 50, 0), (100, 5, 0), (100, 6, 0), (120, 6, 20))]
    assert errors == [150, 155, 156, 156]


def test_while_nothing_tells_nameless_routes_from_unknown_paths_nothing_is_claimed() -> None:
    def page(**classes: int) -> str:
        return fixture("vllm/0.32.0/idle.prom").decode() + "".join(
            f'http_requests_total{{handler="none",method="POST",status="{name[1:]}"}} {n}\n'
            for name, n in classes.items())

    player = Player()
    assert ended(player.play(page(_4xx=500)), "invalid") == {}
    assert ended(player.play(page(_4xx=510, _2xx=1)), "invalid") == {"http_4xx": 510}


def test_progress_moves_with_the_tokens_and_stays_when_they_freeze() -> None:
    player = Player()
    moved = [only(player.play(fixture(f"vllm/0.32.0/{page}.prom")), c.SERVER_LAST_PROGRESS)
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


def value(page: str, metric: Metric) -> Value | None:
    return only(play(fixture(page)), metric)


def without(page: str, prefix: str) -> str:
    """The page without the families whose names begin so."""
    lines = fixture(page).decode().splitlines(keepends=True)
    names = (line.split(" ", 3)[2] if line.startswith("# ") else line for line in lines)
    return "".join(line for line, name in zip(lines, names, strict=True)
                   if not name.startswith(prefix))


RAY = "ray_serve/2.60.0/busy.prom"


@pytest.mark.parametrize("spelling", ["ray_vllm_", "ray_vllm:"])
def test_ray_tells_replicas_apart_and_they_are_one_engine(spelling: str) -> None:
    reading = play(fixture(RAY).decode().replace("ray_vllm_", spelling))
    assert points(reading, c.SERVER_OUTPUT) == {("tiny", ""): 738 + 713}
    assert only(reading, c.SERVER_RUNNING) == 4 + 4
    assert only(reading, c.SERVER_KV_CAPACITY) == 3072 + 3072
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 4 + 7
    assert ended(reading, "success")["length"] == 3


def test_the_fill_of_rays_replicas_is_the_fullest_ones() -> None:
    page = fixture(RAY).decode().replace("0.3913043478260869", "0.9", 1)
    assert only(play(page), c.SERVER_KV_USAGE) == 0.9


def test_rays_sums_are_those_of_the_middles_of_buckets() -> None:
    """Known, and passed on: the counts are right."""
    queue = histogram(play(fixture(RAY)), c.SERVER_QUEUE)
    assert (queue.bounds[0], queue.counts[0]) == (0.3, 3)
    assert queue.total == pytest.approx(3 * 0.3 / 2)


def test_the_process_that_serves_rays_page_is_not_the_engine() -> None:
    assert b"\nprocess_start_time_seconds " in fixture(RAY)
    assert value(RAY, c.SERVER_START) is None


DYNAMO = "dynamo/1.6.1/frontend-after.prom"


def test_dynamo_says_what_its_page_says() -> None:
    reading = play(fixture(DYNAMO))
    assert reading.model == "Tiny/Model"  # not the name it has for what it does not serve
    assert only(reading, c.SERVER_INPUT) == 17988
    assert only(reading, c.SERVER_INPUT_CACHED) == 9728
    assert only(reading, c.SERVER_OUTPUT) == 9307
    assert only(reading, c.SERVER_MAX_LENGTH) == 2048
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 51
    assert histogram(reading, c.SERVER_ITL).counts[-1] == 9256


def test_dynamo_tells_why_requests_failed() -> None:
    reading = play(fixture(DYNAMO))
    counted = points(reading, c.SERVER_REQUESTS)
    assert {key: count for key, count in counted.items() if count} == {
        ("Tiny/Model", "", "success", "finished"): 17 + 22,
        ("Tiny/Model", "", "abort", "cancelled"): 12,
        ("Tiny/Model", "", "invalid", "validation"): 2,
        ("unknown_model", "", "invalid", "not_found"): 6,
    }
    assert counted["Tiny/Model", "", "rejected", "overloaded"] == 0  # from the first success on
    assert counted["Tiny/Model", "", "error", "engine_error"] == 0


@pytest.mark.parametrize(("error", "ending"), [
    ("validation", ("invalid", "validation")), ("not_found", ("invalid", "not_found")),
    ("overload", ("rejected", "overloaded")), ("unavailable", ("error", "unavailable")),
    ("cancelled", ("abort", "cancelled")), ("response_timeout", ("error", "timeout")),
    ("internal", ("error", "engine_error")), ("not_implemented", ("error", "http_5xx")),
    ("of_a_later_version", ("error", "engine_error")),
])
def test_an_error_of_dynamo_is_whose_fault_it_is(error: str, ending: tuple[str, str]) -> None:
    page = exposition("dynamo_frontend_requests_total", "counter",
                      f'dynamo_frontend_requests_total{{error_type="{error}",model="m",'
                      'status="error"} 5')
    counted = points(play(page), c.SERVER_REQUESTS)
    assert {key[2:]: count for key, count in counted.items() if count} == {ending: 5}


def test_where_dynamo_tells_no_type_of_error_none_is_claimed() -> None:
    page = fixture("dynamo/2026-01/frontend.prom").decode()
    page += ('dynamo_frontend_requests_total{endpoint="chat_completions",model="m",'
             'request_type="unary",status="error"} 7\n')
    reading = play(page)
    assert ended(reading, "success") == {"finished": 1}
    assert reading.sources["requests_success"] == "native"
    for outcome in ("error", "rejected", "invalid", "abort"):
        assert ended(reading, outcome) == {}
        assert reading.sources[f"requests_{outcome}"] == "unavailable"


def test_what_dynamo_calls_queued_may_be_in_prefill_and_is_not_said_to_wait() -> None:
    reading = play(fixture("dynamo/1.6.1/frontend-busy.prom"))
    assert only(reading, c.SERVER_WAITING) is None
    assert points(reading, c.SERVER_RUNNING)["Tiny/Model", ""] == 12 - 8
    assert reading.sources["requests_running"] == "derived"


def test_a_workers_page_in_dynamo_is_the_engines() -> None:
    page = "vllm/dynamo-1.6.1/worker-busy.prom"
    reading = play(fixture(page))
    assert reading.plan.engine.name == "vllm"
    assert reading.plan.models == {"Tiny/Model"}
    assert only(reading, c.SERVER_RUNNING) == 4
    assert only(reading, c.SERVER_WAITING) == 8
    assert only(reading, c.SERVER_OUTPUT) == 2655
    assert ended(reading, "success") == {"stop": 4, "length": 6, "repetition": 0}
    own = play(without(page, "vllm:"))
    assert own.plan.engine.name == "dynamo_worker"
    assert only(own, c.SERVER_KV_USAGE) == only(reading, c.SERVER_KV_USAGE) != 0


def test_of_a_workers_endpoints_one_does_inference_and_of_its_requests_none_is_counted() -> None:
    reading = play(fixture("dynamo_worker/1.6.1/worker-own.prom"))
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 24
    assert points(reading, c.SERVER_REQUESTS) == {}
    page = fixture("dynamo_worker/1.6.1/worker-own.prom").decode()
    other = page.replace("generate", "clear_kv_blocks")
    assert only(play(other), c.SERVER_DURATION) is None


def test_what_stands_in_front_of_engines_is_said_to() -> None:
    fronts = {page: play(fixture(page)).plan.engine for page in PAGES
              if re.search("frontend|^[a-z_]*router|smg|litellm|picker|stack", page)}
    assert {engine.name for engine in fronts.values()} == set(c.ROUTERS)
    assert set(c.ROUTERS) <= set(c.ENGINE_NAMES)
    for page in ("vllm/dynamo-1.6.1/worker-busy.prom", "dynamo_worker/1.6.1/worker-own.prom"):
        assert play(fixture(page)).plan.engine.name not in c.ROUTERS


ROUTER = "sglang_router/smg-1.13.0/queued.prom"


def test_the_router_tells_how_requests_ended_and_why_some_never_reached_a_worker() -> None:
    reading = play(fixture(ROUTER))
    assert ended(reading, "success") == {"finished": 10}  # and not the list of models
    assert ended(reading, "rejected") == {"http_429": 56, "queue_timeout": 2}
    assert ended(reading, "invalid") == {"http_4xx": 2}
    assert ended(reading, "abort") == {"cancelled": 3}
    assert ended(reading, "error") == {"http_5xx": 0}
    by_class = {key[1]: count for key, count in points(reading, c.SERVER_HTTP).items()}
    assert by_class == {"2xx": 10, "3xx": 0, "4xx": 2 + 3 + 56, "5xx": 2}


def test_without_a_worker_the_router_fails_and_does_not_reject() -> None:
    page = fixture(ROUTER).decode().replace("admission_queue_timeout", "no_available_workers")
    assert ended(play(page), "error") == {"http_5xx": 0, "unavailable": 2}


def test_where_the_router_cannot_tell_health_checks_from_requests_none_is_counted() -> None:
    reading = play(fixture("sglang_router/0.3.2/after.prom"))
    assert b"smg_http_responses_total{status_code" in fixture("sglang_router/0.3.2/after.prom")
    assert points(reading, c.SERVER_REQUESTS) == {}
    assert points(reading, c.SERVER_HTTP) == {}
    assert reading.sources["http_responses"] == "unavailable"


def test_a_duration_that_ends_with_the_head_of_a_stream_is_none() -> None:
    assert b"smg_router_request_duration_seconds_count" in fixture(ROUTER)
    assert value(ROUTER, c.SERVER_DURATION) is None


def test_the_routers_view_of_its_workers_is_not_its_own() -> None:
    page = fixture(ROUTER).decode()
    assert 'smg_engine_running_requests{worker="http://127.0.0.1:18010"' in page
    assert only(play(page), c.SERVER_RUNNING) is None
    assert only(play(page.replace("smg_admission_queue_depth 0", "smg_admission_queue_depth 7")),
                c.SERVER_WAITING) == 7


def test_the_first_token_of_split_workers_is_not_timed_from_the_start() -> None:
    page = fixture("sglang_router/documented/grpc.prom").decode()
    assert histogram(play(page), c.SERVER_TTFT).counts == (3, 7, 9, 9)
    assert histogram(play(page), c.SERVER_TPOT).total == 0.117
    assert only(play(page), c.SERVER_OUTPUT) is None  # of what is streamed alone
    assert only(play(page.replace('"regular"', '"pd"')), c.SERVER_TTFT) is None


TRITON = "triton/2.51.0/after.prom"


def test_triton_counts_each_model_of_an_ensemble_under_its_own_name() -> None:
    counted = points(play(fixture(TRITON)), c.SERVER_REQUESTS)
    ended_well = {key[0]: count for key, count in counted.items() if key[2] == "success"}
    assert ended_well == {"pre": 4, "llm": 11, "chat": 3, "plain": 8}
    assert counted["chat", "", "error", "engine_error"] == 2


def test_triton_tells_why_requests_failed() -> None:
    reading = play(fixture("triton/documented/all.prom"))
    assert ended(reading, "rejected") == {"overloaded": 2}
    assert ended(reading, "abort") == {"cancelled": 3}
    assert ended(reading, "error") == {"engine_error": 1 + 1}


def test_a_triton_that_gives_no_reason_is_not_said_to_have_turned_nobody_away() -> None:
    reading = play(fixture("triton/datadog/page.prom"))
    assert ended(reading, "error") == {"engine_error": 0}
    assert reading.sources["requests_rejected"] == "unavailable"
    assert reading.sources["requests_abort"] == "unavailable"


def test_what_waits_for_a_model_of_triton_is_told() -> None:
    waiting = points(play(fixture("triton/2.51.0/busy.prom")), c.SERVER_WAITING)
    assert waiting == {("pre", ""): 0, ("llm", ""): 9, ("chat", ""): 0, ("plain", ""): 0}


def test_tritons_milliseconds_become_seconds_and_its_microseconds_no_distribution() -> None:
    reading = play(fixture("triton/documented/all.prom"))
    assert histogram(reading, c.SERVER_TTFT) == Histogram(
        (0.1, 0.5, 2.0, 5.0), (12, 50, 59, 59, 59), 14.75)
    assert points(play(fixture(TRITON)), c.SERVER_DURATION) == {}
    assert points(play(fixture(TRITON)), c.SERVER_QUEUE) == {}


def test_a_family_that_mixes_counts_sizes_and_a_ratio_is_taken_apart() -> None:
    new = play(fixture("triton/documented/all.prom"))
    assert only(new, c.SERVER_KV_USAGE) == 0.25
    assert only(new, c.SERVER_KV_CAPACITY) == 6240 * 64
    assert only(new, c.SERVER_RUNNING) == 8
    assert only(new, c.SERVER_WAITING) == 3  # in the engine, not in front of it
    assert only(new, c.SERVER_OUTPUT) == 1770
    old = play(fixture("triton/tensorrtllm_backend/readme.prom"))
    assert only(old, c.SERVER_KV_USAGE) == 1 / 6239
    assert only(old, c.SERVER_KV_CAPACITY) == 6239 * 64
    assert only(old, c.SERVER_RUNNING) == 1
    assert only(old, c.SERVER_WAITING) is None


def test_vllm_in_triton_is_vllm() -> None:
    reading = play(fixture("vllm/documented/triton.prom"))
    assert reading.model == "vllm_model"
    assert only(reading, c.SERVER_OUTPUT) == 16


TRTLLM = "tensorrt_llm/documented/prefixed.prom"


def test_tensorrt_llm_says_what_its_page_says() -> None:
    reading = play(fixture(TRTLLM))
    assert reading.model == "llama-3.1-8b"
    assert only(reading, c.SERVER_INPUT) == 5200
    assert only(reading, c.SERVER_OUTPUT) == 2600
    assert only(reading, c.SERVER_RUNNING) == 6
    assert only(reading, c.SERVER_WAITING) == 2
    assert only(reading, c.SERVER_KV_USAGE) == 0.25
    assert only(reading, c.SERVER_DRAFT) == 300
    assert only(reading, c.SERVER_ACCEPTED) == 210
    assert only(reading, c.SERVER_MAX_LENGTH) == 8192
    assert histogram(reading, c.SERVER_PREFILL).total == 1.0


def test_blocks_become_tokens_where_their_size_is_known_and_reused_ones_do_not() -> None:
    reading = play(fixture(TRTLLM))
    assert only(reading, c.SERVER_KV_CAPACITY) == 1000 * 32
    assert only(reading, c.SERVER_PREFIX_HITS) == 1920  # tokens, and not 60 blocks of 32
    assert only(reading, c.SERVER_PREFIX_QUERIES) == 5200


def test_each_process_of_tensorrt_llm_speaks_of_the_same_engine() -> None:
    gauge = 'trtllm_num_requests_running{engine_type="pytorch",model_name="llama-3.1-8b",pid='
    page = fixture(TRTLLM).decode() + f'{gauge}"4712"}} 5.0\n'
    assert only(play(page), c.SERVER_RUNNING) == 6


def test_a_request_of_tensorrt_llm_that_went_on_elsewhere_did_not_end() -> None:
    reading = play(fixture(TRTLLM))
    assert ended(reading, "success") == {"stop": 40, "length": 8}
    assert ended(reading, "abort") == {"cancelled": 3}
    assert ended(reading, "error") == {"timeout": 1}
    assert ended(reading, "invalid") == {"http_4xx": 4}


def test_errors_that_tensorrt_llm_does_not_count_are_not_claimed_to_be_none() -> None:
    reading = play(fixture("tensorrt_llm/dynamo-2026-01/worker.prom"))
    assert ended(reading, "success") == {"stop": 0, "length": 2}
    for outcome in ("error", "invalid", "rejected"):
        assert reading.sources[f"requests_{outcome}"] == "unavailable"


@pytest.mark.parametrize("spelling", ["trtllm:", "trtllm_"])
def test_tensorrt_llm_is_read_alike_without_a_prefix_and_with_those_dynamo_gives_it(
        spelling: str) -> None:
    page = fixture("tensorrt_llm/documented/1.1.prom").decode()
    plain = play(page)
    assert plain.model == ""  # undefined, says the page
    assert histogram(plain, c.SERVER_DURATION).counts == (0, 1, 2, 2)
    assert play(re.sub(r"(?m)^(# TYPE )?(\w)", rf"\1{spelling}\2", page)).points == plain.points


def test_a_page_with_some_of_the_names_that_have_no_prefix_is_nobodys() -> None:
    page = fixture("tensorrt_llm/documented/1.1.prom").decode()
    for name in ("request_queue_time_seconds", "e2e_request_latency_seconds"):
        families = Parser().parse(page.replace(name, "other_seconds").encode()).families
        assert recognise(families, TABLES) is None
    families = Parser().parse(exposition(
        "num_requests_running", "gauge", "num_requests_running 1").encode()).families
    assert recognise(families, TABLES) is None


NIM = "nim/datadog/1.0.0.prom"


def test_nim_says_what_its_page_says() -> None:
    reading = play(fixture(NIM))
    assert reading.model == "meta/llama-3.1-8b-instruct"
    assert only(reading, c.SERVER_INPUT) == 109
    assert only(reading, c.SERVER_OUTPUT) == 174
    assert only(reading, c.SERVER_RUNNING) == 1
    assert only(reading, c.SERVER_KV_USAGE) == 0.0002848191398461977
    assert only(reading, c.SERVER_START) == 1730312854.9
    assert ended(reading, "success") == {"stop": 0, "length": 5}


def test_nims_time_per_output_token_is_one_of_each_token_and_not_of_each_request() -> None:
    reading = play(fixture(NIM))
    assert histogram(reading, c.SERVER_ITL).counts[-1] == 174 - 5
    assert only(reading, c.SERVER_TPOT) is None


def test_how_a_request_of_nim_ended_otherwise_is_an_error() -> None:
    page = fixture(NIM).decode() + 'request_finish_total{finished_reason="error"} 2\n'
    assert ended(play(page), "error") == {"engine_error": 2}


def test_kserve_counts_what_came_through_and_times_no_whole_request() -> None:
    reading = play(fixture("kserve/0.21.0/after.prom"))  # 7 answered, 1 failed, 1 refused
    assert ended(reading, "success") == {"finished": 7}
    assert reading.sources["requests_success"] == "derived"
    assert reading.sources["requests_error"] == "unavailable"
    assert only(reading, c.SERVER_DURATION) is None


def test_vllm_in_kserve_is_vllm() -> None:
    page = fixture("kserve/0.21.0/after.prom") + fixture("vllm/0.32.0/busy.prom")
    assert play(page).plan.engine.name == "vllm"


LMDEPLOY = "lmdeploy/documented/0.18.0.prom"


def test_of_lmdeploys_successes_those_that_finished_are_taken() -> None:
    reading = play(fixture(LMDEPLOY))
    assert ended(reading, "success") == {"finished": 5}
    for outcome in ("error", "abort", "rejected", "invalid"):
        assert reading.sources[f"requests_{outcome}"] == "unavailable"


def test_lmdeploy_times_tokens_in_seconds_and_by_step() -> None:
    reading = play(fixture(LMDEPLOY))
    assert histogram(reading, c.SERVER_ITL).total == pytest.approx(20 * 0.03)
    assert only(reading, c.SERVER_TPOT) is None


def test_requests_of_lmdeploy_wait_for_a_handle_or_in_the_engine() -> None:
    assert value(LMDEPLOY, c.SERVER_WAITING) == 1 + 1
    assert value(LMDEPLOY, c.SERVER_RUNNING) == 2


def test_two_ranks_of_lmdeploy_are_told_apart() -> None:
    gauge = "lmdeploy:gpu_cache_usage_perc"
    page = exposition(gauge, "gauge", *(f'{gauge}{{engine="{rank}",model_name="m"}} 0.{rank}'
                                        for rank in (1, 2)))
    assert points(play(page), c.SERVER_KV_USAGE) == {("m", "1"): 0.1, ("m", "2"): 0.2}


def test_sglang_in_dynamo_is_sglang() -> None:
    reading = play(fixture("sglang/dynamo-2026-01/worker.prom"))
    assert only(reading, c.SERVER_OUTPUT) == 300
    assert only(reading, c.SERVER_KV_CAPACITY) == 92962
    assert histogram(reading, c.SERVER_ITL).counts[-1] == 299
