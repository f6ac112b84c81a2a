"""What stands in front of engines: its own requests are read, and nothing of what is behind it."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from tests.exporter.engines.play import Player, ended, histogram, only, play, points
from tests.exporter.support import fixture

STACK = "production_stack/documented"
ROUTER = "vllm_router/0.1.17"
LITELLM = "litellm/1.106.2"
PICKER = "endpoint_picker/documented"
OF_ENGINES = (c.SERVER_RUNNING, c.SERVER_WAITING, c.SERVER_KV_USAGE)


@pytest.mark.parametrize("page", [f"{STACK}/router.prom", f"{STACK}/own.prom"])
def test_a_router_that_prints_its_engines_gauges_is_no_vllm_and_says_none_of_them(
        page: str) -> None:
    reading = play(fixture(page))
    assert reading.plan.engine.name == "production_stack"
    assert not {metric.name for metric in OF_ENGINES if points(reading, metric)}


def test_the_production_stacks_router_counts_its_requests_by_how_they_ended() -> None:
    reading = play(fixture(f"{STACK}/own.prom"))
    assert ended(reading, "success") == {"finished": 50.0}
    assert ended(reading, "error") == {"engine_error": 3.0}
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 53
    assert points(reading, c.SERVER_OUTPUT) == {}  # of what is not streamed alone


def test_vllms_router_counts_requests_once_however_often_it_tries() -> None:
    reading = play(fixture(f"{ROUTER}/after.prom"))
    assert reading.plan.engine.name == "vllm_router"
    assert ended(reading, "success") == {"finished": 19.0}
    assert ended(reading, "error") == {"unavailable": 4.0}  # 8 tries
    assert ended(reading, "invalid") == {"http_4xx": 2.0}


def test_vllms_router_says_nothing_of_what_its_engines_do() -> None:
    reading = play(fixture(f"{ROUTER}/busy.prom"))
    assert not {metric.name for metric in OF_ENGINES if points(reading, metric)}
    assert points(reading, c.SERVER_DURATION) == {}  # ends with the head of what is streamed


def test_what_failed_in_vllms_router_before_anything_went_well_shows_from_nothing() -> None:
    player = Player()
    first = player.play("# TYPE vllm_router_active_workers gauge\nvllm_router_active_workers 1\n"
                        "# TYPE vllm_router_requests_total counter\n"
                        'vllm_router_requests_total{route="/generate"} 1\n')
    assert ended(first, "error") == {"unavailable": 0.0}
    assert ended(first, "invalid") == {"http_4xx": 0.0}


@pytest.mark.parametrize(("metric", "value"), [
    (c.SERVER_INPUT, 13055.0), (c.SERVER_INPUT_CACHED, 12906.0), (c.SERVER_OUTPUT, 6980.0)])
def test_litellm_counts_the_tokens_of_a_model(metric: Metric, value: float) -> None:
    assert points(play(fixture(f"{LITELLM}/after.prom")), metric) == {("tiny", ""): value}


def test_litellm_counts_requests_by_status_and_a_model_nobody_serves_has_no_name_of_its_own(
        ) -> None:
    reading = play(fixture(f"{LITELLM}/after.prom"))
    requests = {key: count for key, count in points(reading, c.SERVER_REQUESTS).items() if count}
    assert requests == {
        ("tiny", "", "success", "finished"): 37.0,
        ("tiny", "", "error", "http_5xx"): 5.0,
        ("tiny", "", "invalid", "http_4xx"): 2.0,
        ("dead", "", "error", "http_5xx"): 15.0,
        ("other", "", "invalid", "http_4xx"): 1.0,
    }


def test_litellm_times_what_went_well_and_the_first_token_of_what_was_streamed() -> None:
    reading = play(fixture(f"{LITELLM}/after.prom"))
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 37
    assert histogram(reading, c.SERVER_QUEUE).counts[-1] == 37
    assert histogram(reading, c.SERVER_TTFT).counts[-1] == 22


def test_litellms_requests_in_flight_count_the_scrape_and_are_not_taken() -> None:
    page = fixture(f"{LITELLM}/after.prom").decode()
    assert "litellm_in_flight_requests 1.0" in page  # and nobody asked for anything
    assert only(play(page), c.SERVER_RUNNING) is None


def test_litellms_admission_control_says_who_is_in_who_waits_and_who_was_turned_away() -> None:
    page = fixture(f"{LITELLM}/after.prom").decode() + (
        "# TYPE litellm_admission_admitted_requests gauge\n"
        "litellm_admission_admitted_requests 8.0\n"
        "# TYPE litellm_admission_queued_requests gauge\n"
        "litellm_admission_queued_requests 3.0\n"
        "# TYPE litellm_admission_rejected_requests_total counter\n"
        'litellm_admission_rejected_requests_total{reason="queue_full"} 5.0\n')
    reading = play(page)
    assert only(reading, c.SERVER_RUNNING) == 8
    assert only(reading, c.SERVER_WAITING) == 3
    assert ended(reading, "rejected")["queue_requests"] == 5


def test_no_label_of_litellm_but_the_models_is_on_our_page() -> None:
    reading = play(fixture(f"{LITELLM}/after.prom"))
    models = {key[0] for by_key in reading.points.values() for key in by_key}
    assert models == {"tiny", "dead", "other", ""}


def test_an_older_endpoint_picker_is_a_front_with_requests_and_their_durations() -> None:
    reading = play(fixture(f"{PICKER}/gateway-api.prom"))
    assert reading.plan.engine.name == "endpoint_picker"
    assert ended(reading, "success") == {"finished": 50.0}
    assert histogram(reading, c.SERVER_DURATION).counts[-1] == 50
    assert points(reading, c.SERVER_KV_USAGE) == {}  # an average of its engines


def test_an_endpoint_pickers_page_with_old_names_and_new_is_counted_once() -> None:
    reading = play(fixture(f"{PICKER}/llm-d.prom"))
    assert ended(reading, "success") == {"finished": 50.0}  # 54 answered, 4 of them badly
    assert ended(reading, "error") == {"engine_error": 4.0, "unavailable": 1.0}
    assert ended(reading, "rejected") == {"overloaded": 6.0}
    assert ended(reading, "invalid") == {"validation": 2.0, "not_found": 0.0}
    assert only(reading, c.SERVER_RUNNING) == 5
    assert only(reading, c.SERVER_WAITING) == 7
    assert points(reading, c.SERVER_INPUT) == {("acme/chat", ""): 9000.0}
    assert points(reading, c.SERVER_OUTPUT) == {("acme/chat", ""): 4000.0}
    assert histogram(reading, c.SERVER_OUTPUT_LENGTH).counts[-1] == 50


def test_dynamos_former_prefix_is_dynamo_where_an_error_has_no_type() -> None:
    reading = play(fixture("dynamo/documented/former-prefix.prom"))
    assert reading.plan.engine.name == "dynamo"
    assert ended(reading, "success") == {"finished": 41.0}
    assert ended(reading, "error") == {"engine_error": 2.0}
    assert ended(reading, "invalid") == {}  # they are among the errors
    for metric in (c.SERVER_TTFT, c.SERVER_ITL, c.SERVER_DURATION):
        assert histogram(reading, metric).counts[-1] > 0
    assert only(reading, c.SERVER_INPUT) == 9000
    assert only(reading, c.SERVER_OUTPUT) == 4100


def test_under_its_former_prefix_a_newer_dynamo_still_tells_errors_apart() -> None:
    page = fixture("dynamo/1.6.1/frontend-after.prom").decode()
    former = play(page.replace("dynamo_frontend_", "nv_llm_http_service_"))
    assert points(former, c.SERVER_REQUESTS) == points(play(page), c.SERVER_REQUESTS)


def test_what_is_active_less_what_has_no_token_yet_is_running() -> None:
    reading = play(fixture("dynamo/documented/active-requests.prom"))
    assert only(reading, c.SERVER_RUNNING) == 4


def test_both_ways_to_count_what_a_dynamo_works_on_agree() -> None:
    page = fixture("dynamo/1.6.1/frontend-busy.prom").decode()
    older = "\n".join(line for line in page.splitlines()
                      if "inflight_requests" not in line and "queued_requests" not in line)
    assert points(play(older + "\n"), c.SERVER_RUNNING)["Tiny/Model", ""] == points(
        play(page), c.SERVER_RUNNING)["Tiny/Model", ""]


def test_requests_that_dynamo_took_to_another_worker_are_counted_of_either_kind() -> None:
    assert only(play(fixture("dynamo/documented/migrations.prom")), c.SERVER_MIGRATIONS) == 3
