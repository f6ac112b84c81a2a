"""What a target keeps between scrapes, and what it asks for beside the page."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler

import pytest

from inferometer import catalogue as c
from inferometer.engines import ENGINES
from inferometer.engines.fetch import Access
from inferometer.engines.target import State, Target
from tests.exporter.support import Engine, fixture, send

LLAMA = fixture("llama.cpp-0.6.0/after.prom")


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
            target = Target(model, f"{engine.url}/metrics?model={model}", ENGINES, Access(), 5.0)
            state = read(target)
            assert (state.up, state.model, state.version) == (True, model, f"v{model}")
            assert state.reading is not None
            assert state.reading.points[c.SERVER_MAX_LENGTH] == {(model, ""): length}


def test_after_a_restart_the_facts_are_asked_for_again() -> None:
    with Engine(LLAMA) as engine:
        engine.paths["/v1/models"] = models("old")
        target = Target("t", engine.url, ENGINES, Access(), 5.0)
        assert read(target).model == "old"
        engine.paths["/v1/models"] = models("new")
        assert read(target).model == "old"  # nothing tells that it is another
        engine.serve(fixture("llama.cpp-0.6.0/idle.prom"))
        read(target)
        assert read(target).model == "new"


def test_scrapes_of_unlike_patience_make_no_news_of_an_engine_that_stays_the_same(
        caplog: pytest.LogCaptureFixture) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        send(handler, LLAMA)

    caplog.set_level("INFO", "inferometer.engines.target")
    with Engine(slow) as engine:
        target = Target("t", engine.url, ENGINES, Access(), 5.0)
        for patience in (5.0, 0.05, 5.0, 0.05, 5.0, 0.05):
            read(target, patience)
    assert [record.message for record in caplog.records] == [
        "engine answers", "engine does not answer"]
