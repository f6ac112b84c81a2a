"""What a target keeps between scrapes, and what it asks for beside the page."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler

import pytest

from inferometer import catalogue as c
from inferometer.engines.fetch import Access
from inferometer.engines.room import ROOM
from inferometer.engines.sheet import MOST_NAMES
from inferometer.engines.tables import TABLES
from inferometer.engines.target import KEPT_WHILE_DOWN, State, Target
from tests.exporter.engines.strangers import SERIES, page_of
from tests.exporter.support import Engine, fixture, send

LLAMA = fixture("llama_cpp/0.6.0/after.prom")


def read(target: Target, seconds: float = 5.0) -> State:
    return target.state(target.ask(), seconds)


def models(*names: str) -> str:
    return json.dumps({"data": [{"id": name} for name in names]})


def test_a_router_is_asked_for_the_model_of_the_page_and_the_target_is_called_by_it() -> None:
    with Engine() as engine:
        for model, length in (("a", 100), ("b", 200)):
            engine.paths |= {
                f"/metrics?model={model}": LLAMA,
                f"/v1/models?model={model}": models("a", "b"),
                f"/props?model={model}": json.dumps(
                    {"build_info": f"v{model}", "default_generation_settings": {"n_ctx": length}}),
            }
            target = Target(model, f"{engine.url}/metrics?model={model}", TABLES, Access(), 5.0)
            state = read(target)
            assert (state.up, state.model, state.version) == (True, model, f"v{model}")
            assert state.reading is not None
            assert state.reading.points[c.SERVER_MAX_LENGTH] == {(model, ""): length}


def test_after_a_restart_the_facts_are_asked_for_again() -> None:
    with Engine(LLAMA) as engine:
        engine.paths["/v1/models"] = models("old")
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        assert read(target).model == "old"
        engine.paths["/v1/models"] = models("new")
        assert read(target).model == "old"  # nothing tells that it is another
        engine.serve(fixture("llama_cpp/0.6.0/idle.prom"))
        for _ in range(2):
            read(target)
        assert read(target).model == "new"


def test_scrapes_of_unlike_patience_make_no_news_of_an_engine_that_stays_the_same(
        caplog: pytest.LogCaptureFixture) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        send(handler, LLAMA)

    caplog.set_level("INFO", "inferometer.engines.target")
    with Engine(slow) as engine:
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        for patience in (5.0, 0.05, 5.0, 0.05, 5.0, 0.05):
            read(target, patience)
    assert [record.message for record in caplog.records] == [
        "engine answers", "engine does not answer"]


TRTLLM = fixture("tensorrt_llm/documented/prefixed.prom")
ITERATIONS = b'[{"iter": 1, "gpuMemUsage": 0}]'  # as trtllm-serve's /metrics


def asked(engine: Engine) -> list[str]:
    """The paths asked for since the last look, without those of documents beside the page."""
    paths = [path for path, _ in engine.asked if path.endswith("metrics")]
    engine.asked.clear()
    return paths


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_bare_endpoint_is_tried_where_pages_usually_are_and_the_place_is_remembered(
        slash: str) -> None:
    with Engine(ITERATIONS) as engine:
        engine.paths["/prometheus/metrics"] = TRTLLM
        target = Target("t", engine.url + slash, TABLES, Access(), 5.0)
        assert read(target).engine == "tensorrt_llm"
        assert asked(engine) == ["/metrics", "/prometheus/metrics"]
        assert read(target).up
        assert asked(engine) == ["/prometheus/metrics"]
        assert target.url == f"{engine.url}/prometheus/metrics"


def test_where_the_page_was_is_left_when_it_is_elsewhere() -> None:
    with Engine(ITERATIONS) as engine:
        engine.paths["/prometheus/metrics"] = TRTLLM
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        assert read(target).up
        del engine.paths["/prometheus/metrics"]
        assert read(target).why == "HTTP status 404: no such path"  # of where it was
        engine.paths = {"/v1/metrics": fixture("nim/datadog/1.0.0.prom")}
        assert read(target).engine == "nim"
        engine.serve(LLAMA)
        del engine.paths["/v1/metrics"]
        assert read(target).engine == "llama_cpp"


def test_a_page_that_is_there_is_looked_for_nowhere_else() -> None:
    with Engine(LLAMA) as engine:
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        for _ in range(3):
            assert read(target).up
        assert asked(engine) == ["/metrics"] * 3


def test_a_url_with_a_path_is_taken_as_it_is() -> None:
    with Engine(ITERATIONS) as engine:
        engine.paths["/prometheus/metrics"] = TRTLLM
        target = Target("t", f"{engine.url}/metrics", TABLES, Access(), 5.0)
        assert read(target).why == "JSON instead of metrics"
        assert asked(engine) == ["/metrics"]


def test_why_there_is_no_page_is_told_of_the_first_place() -> None:
    with Engine(b"# TYPE node_load1 gauge\nnode_load1 0.5\n") as engine:
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        assert read(target).why == "none of the known engines' metrics on the page: node_"
        assert asked(engine) == ["/metrics", "/prometheus/metrics", "/v1/metrics"]


def test_an_endpoint_that_answers_nothing_is_asked_once_and_within_its_time() -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1)

    with Engine(hang) as engine:
        target = Target("t", engine.url, TABLES, Access(), 0.2)
        began = time.monotonic()
        assert read(target).why == "no full answer within 0.2 s"
        assert time.monotonic() - began < 0.9
        assert asked(engine) == ["/metrics"]


def test_all_places_together_get_the_time_of_one() -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        send(handler, b"", 404)

    with Engine(slow) as engine:
        engine.paths |= {"/prometheus/metrics": slow, "/v1/metrics": slow}
        target = Target("t", engine.url, TABLES, Access(), 0.5)
        began = time.monotonic()
        assert read(target).why == "HTTP status 404"
        assert time.monotonic() - began < 0.7
        assert asked(engine) == ["/metrics", "/prometheus/metrics"]


def test_a_model_that_the_page_calls_undefined_is_asked_for() -> None:
    with Engine(ITERATIONS) as engine:
        engine.paths |= {"/prometheus/metrics": fixture("tensorrt_llm/documented/1.1.prom"),
                         "/v1/models": models("llama"), "/version": '{"version": "1.1.0"}'}
        state = read(Target("t", engine.url, TABLES, Access(), 5.0))
        assert (state.engine, state.model, state.version) == ("tensorrt_llm", "llama", "1.1.0")
        assert state.reading is not None
        assert set(state.reading.points[c.SERVER_TTFT]) == {("llama", "")}


def test_a_page_that_is_too_large_is_looked_for_nowhere_else() -> None:
    with Engine(page_of(SERIES["declared"], 2**21)) as engine:
        for path in ("/v1/metrics", "/prometheus/metrics"):
            engine.paths[path] = engine.paths["/metrics"]
        target = Target("t", engine.url, TABLES, Access(), 5.0)
        assert read(target).why == f"the page has more than {MOST_NAMES} names"
        assert asked(engine) == ["/metrics"]


def test_the_memory_of_a_large_page_is_given_back_while_its_engine_is_down() -> None:
    with Engine(page_of(SERIES["models"], 2**19)) as engine:
        target = Target("t", f"{engine.url}/metrics", TABLES, Access(), 5.0)
        before = ROOM.taken
        assert read(target).up
        assert ROOM.taken - before > KEPT_WHILE_DOWN
        engine.serve(lambda handler: send(handler, b"", 503))
        assert not read(target).up
        assert ROOM.taken <= before
        engine.serve(LLAMA)
        assert read(target).engine == "llama_cpp"
