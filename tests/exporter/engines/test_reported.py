"""Pages that people reported, on which other readers went wrong: the right values."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.reading import Names
from tests.exporter.engines.play import Player, ended, only, play, points
from tests.exporter.support import fixture

VALUES = (
    ("vllm/reported/kv-usage-by-pid", {c.SERVER_KV_USAGE: 0.653, c.SERVER_RUNNING: 12}),
    ("vllm/reported/usage-over-one", {c.SERVER_KV_USAGE: 1.0}),
    ("vllm/reported/waiting-none-running", {c.SERVER_RUNNING: 0, c.SERVER_WAITING: 6}),
    ("vllm/reported/with-lmcache", {
        c.SERVER_RUNNING: 12, c.SERVER_KV_USAGE: 0.653, c.SERVER_INPUT: 5000,
        c.SERVER_OUTPUT: 900}),
    ("sglang/reported/0.5.10-tp-rank-on-counters", {
        c.SERVER_INPUT: 5, c.SERVER_INPUT_CACHED: 1, c.SERVER_RUNNING: 2, c.SERVER_WAITING: 1}),
    ("sglang/reported/cp8", {
        c.SERVER_RUNNING: 5, c.SERVER_WAITING: 2, c.SERVER_KV_USAGE: 0.4}),
    ("sglang/reported/pd-prefill", {c.SERVER_WAITING: 35, c.SERVER_RUNNING: 1}),
    ("llama_cpp/reported/json-string", {c.SERVER_INPUT: 1200, c.SERVER_OUTPUT: 340}),
)


@pytest.mark.parametrize(("page", "values"), VALUES, ids=[page for page, _ in VALUES])
def test_a_reported_page_is_read_right(page: str, values: dict[Metric, float]) -> None:
    reading = play(fixture(f"{page}.prom"))
    assert {metric.name: only(reading, metric) for metric in values} == {
        metric.name: value for metric, value in values.items()}


def test_by_data_parallel_rank_of_sglang_nothing_is_added_up() -> None:
    reading = play(fixture("sglang/reported/dp-attention-pid.prom"))
    ranks = [str(rank) for rank in range(8)]
    assert points(reading, c.SERVER_RUNNING) == {
        ("acme/r1", rank): float(rank) for rank in ranks}
    assert points(reading, c.SERVER_WAITING) == {("acme/r1", rank): 1.0 for rank in ranks}
    assert points(reading, c.SERVER_KV_USAGE) == {
        ("acme/r1", rank): pytest.approx(int(rank) / 10) for rank in ranks}


def test_a_page_of_an_engine_with_names_of_another_is_the_engines_own() -> None:
    reading = play(fixture("vllm/reported/with-tgi-names.prom"))
    assert reading.plan.engine.name == "vllm"
    page = "tgi_queue_size 3\ntgi_batch_current_size 2\ntgi_request_success 5\n"
    few = play(f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 2\n{page}")
    assert few.plan.engine.name == "vllm"
    assert only(few, c.SERVER_WAITING) is None


def test_families_of_a_newer_vllm_are_known() -> None:
    assert play(fixture("vllm/reported/kv-offload.prom")).unknown == 0


def test_models_behind_one_llama_cpp_are_told_apart() -> None:
    reading = play(fixture("llama_cpp/reported/router-by-model.prom"))
    assert points(reading, c.SERVER_OUTPUT) == {("a", ""): 340, ("c", ""): 20}
    assert points(reading, c.SERVER_RUNNING) == {("a", ""): 1, ("c", ""): 2}
    assert reading.unknown == 0


def test_what_is_no_number_costs_its_own_signal_alone() -> None:
    reading = play(fixture("llama_cpp/reported/minus-nan.prom"))
    assert reading.sources["kv_cache_usage"] == "unavailable"
    assert only(reading, c.SERVER_OUTPUT) is not None


def test_a_request_through_an_ensemble_of_triton_is_one() -> None:
    reading = play(fixture("triton/reported/ensemble.prom"))
    assert points(reading, c.SERVER_REQUESTS) == {
        ("ensemble", "", "success", "finished"): 59, ("ensemble", "", "error", "engine_error"): 0}
    for outcome in ("rejected", "abort"):
        assert reading.sources[f"requests_{outcome}"] == "unavailable"


def test_an_ensemble_of_other_names_is_one_where_the_user_names_it() -> None:
    page = fixture("triton/2.51.0/after.prom")
    named = Player(Names(entry_models=("chat", "llm", "plain"))).play(page)
    counted = {key[0]: count for key, count in points(named, c.SERVER_REQUESTS).items()
               if key[2] == "success"}
    assert counted == {"chat": 3, "llm": 11, "plain": 8}


def test_what_the_steps_of_an_ensemble_do_belongs_to_it_under_the_name_the_user_gives() -> None:
    page = fixture("triton/reported/ensemble.prom").decode() + (
        "# TYPE nv_llm_output_token_len histogram\n"
        'nv_llm_output_token_len_bucket{model="tensorrt_llm",version="1",le="+Inf"} 59\n'
        'nv_llm_output_token_len_sum{model="tensorrt_llm",version="1"} 700\n'
        "# TYPE nv_inference_pending_request_count gauge\n"
        'nv_inference_pending_request_count{model="ensemble",version="1"} 0\n'
        'nv_inference_pending_request_count{model="tensorrt_llm",version="1"} 5\n')
    reading = Player(Names(model="acme/chat")).play(page)
    assert points(reading, c.SERVER_OUTPUT) == {("acme/chat", ""): 700}
    assert points(reading, c.SERVER_WAITING) == {("acme/chat", ""): 5}
    assert ended(reading, "success") == {"finished": 59}
    assert reading.model == "acme/chat"


def test_a_triton_without_models_is_up_and_tells_nothing() -> None:
    reading = play(fixture("triton/reported/no-models.prom"))
    assert {source for signal, source in reading.sources.items()
            if signal.startswith("requests_")} == {"unavailable"}


def test_requests_left_over_from_a_mass_abort_are_not_said_to_be_there() -> None:
    stale = fixture("vllm/reported/stale-after-aborts.prom").decode()
    busy = stale.replace('"abort"} 121.0', '"abort"} 0.0').replace("90000.0", "89000.0")
    player = Player()
    player.play(busy)
    assert only(player.play(stale, after=15), c.SERVER_RUNNING) == 106
    left = player.play(stale, after=60)
    assert points(left, c.SERVER_RUNNING) == {}
    assert left.sources["requests_running"] == left.sources["requests_waiting"] == "withheld"
    new = stale.replace("106.0", "1.0")
    assert only(player.play(new, after=60), c.SERVER_RUNNING) == 1


def test_clients_that_give_up_on_an_engine_that_hangs_do_not_hide_it() -> None:
    stale = fixture("vllm/reported/stale-after-aborts.prom").decode()
    player = Player()
    player.play(stale.replace('"abort"} 121.0', '"abort"} 0.0'))
    player.play(stale.replace('"abort"} 121.0', '"abort"} 0.0'), after=120)
    assert only(player.play(stale, after=120), c.SERVER_RUNNING) == 106


def test_of_a_request_for_several_answers_one_is_counted() -> None:
    page = fixture("vllm/0.32.0/after.prom").decode()
    for_three = (page.replace('params_n_sum{engine="0",model_name="tiny"} 90.0',
                              'params_n_sum{engine="0",model_name="tiny"} 96.0')
                 .replace('_n_count{engine="0",model_name="tiny"} 90.0',
                          '_n_count{engine="0",model_name="tiny"} 92.0')
                 .replace('"stop",model_name="tiny"} 32.0', '"stop",model_name="tiny"} 38.0'))
    player = Player()
    first = player.play(page)
    assert ended(first, "success") == {"stop": 32, "length": 58, "repetition": 0}
    assert first.sources["requests_success"] == "native"
    second = player.play(for_three)
    assert ended(second, "success") == {"stop": 34, "length": 58, "repetition": 0}
    assert second.sources["requests_success"] == "derived"
