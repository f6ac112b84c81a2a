"""Engines are found on this machine by what they say, not by where they listen."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from inferometer.engines.discovery import PROBE_BYTES, USUAL_PORTS, Discovery
from inferometer.engines.fetch import Access
from inferometer.engines.tables import TABLES
from inferometer.engines.target import Target
from tests.exporter.process import messages, ready, started
from tests.exporter.support import Engine, exporter, fixture, free_port, send, wait_for

VLLM = fixture("vllm/0.32.0/busy.prom")
PAGES = {
    "vllm": VLLM,
    "sglang": fixture("sglang/sglang-docs/0.4.0.prom"),
    "tgi": fixture("tgi/datadog/3.3.5.prom"),
    "llama_cpp": fixture("llama_cpp/0.6.0/busy.prom"),
    "production_stack": fixture("production_stack/documented/router.prom"),
}
NO_ENGINES = {
    "a GPU's families under an engine's prefix": b"# TYPE nv_gpu_utilization gauge\n"
                                                 b"nv_gpu_utilization 0.5\n",
    "another exporter": b"# TYPE node_load1 gauge\nnode_load1 0.5\ngo_goroutines 9\n",
    "HTML": b"<html><body>vllm:num_requests_running 1</body></html>\n",
    "JSON": b'{"engine": "vllm"}',
    "nothing": b"",
    "bytes": bytes(range(256)) * 50,
    "too much": VLLM + b"\n" * PROBE_BYTES,
}


@contextlib.contextmanager
def discovery(ports: Sequence[int], seconds: float = 0.1) -> Iterator[Discovery]:
    def make(name: str, url: str) -> Target:
        return Target(name, url, TABLES, Access(), 2.0)

    looking = Discovery(ports, TABLES, seconds, make)
    looking.start()
    try:
        assert looking.looked.wait(10)
        yield looking
    finally:
        looking.stop()


def kind(target: Target) -> str:
    return target.state(target.ask(), 5.0).engine


def test_an_engine_is_found_when_it_appears_and_kept_when_it_goes() -> None:
    port = free_port()
    with discovery([port]) as looking:
        assert looking.targets() == []
        with Engine(VLLM, port) as engine:
            (target,) = wait_for(looking.targets)
            assert (target.name, target.url) == (engine.name, f"{engine.url}/metrics")
            assert kind(target) == "vllm"
        time.sleep(0.3)
        assert looking.targets() == [target]
        assert not target.state(target.ask(), 5.0).up


def test_the_kind_is_recognised_from_the_page_and_not_from_the_port() -> None:
    with contextlib.ExitStack() as stack:
        engines = [stack.enter_context(Engine(page)) for page in PAGES.values()]
        looking = stack.enter_context(discovery([engine.port for engine in engines]))
        kinds = {target.name: kind(target) for target in looking.targets()}
    assert kinds == {engine.name: name for engine, name in zip(engines, PAGES, strict=True)}


@pytest.mark.parametrize("body", NO_ENGINES.values(), ids=NO_ENGINES)
def test_a_server_that_is_no_engine_is_not_taken(body: bytes) -> None:
    with Engine(body) as server, discovery([server.port]) as looking:
        wait_for(lambda: len(server.asked) >= 3)
        assert looking.targets() == []


def test_a_server_that_refuses_or_redirects_is_not_taken_and_not_followed() -> None:
    with Engine(VLLM) as elsewhere:
        def redirect(handler: BaseHTTPRequestHandler) -> None:
            send(handler, b"", 302, Location=f"{elsewhere.url}/metrics")

        with (Engine(redirect) as moved, Engine(lambda h: send(h, VLLM, 401)) as closed,
              discovery([moved.port, closed.port]) as looking):
            assert looking.targets() == []
        assert elsewhere.asked == []


def test_a_server_that_becomes_an_engine_is_found_then() -> None:
    with Engine(b"# still loading\n") as engine, discovery([engine.port]) as looking:
        assert looking.targets() == []
        engine.serve(VLLM)
        (target,) = wait_for(looking.targets)
        assert kind(target) == "vllm"


def test_a_port_that_hangs_does_not_keep_the_others_from_being_found() -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(3)

    with (Engine(hang) as hung, Engine(VLLM) as engine,
          discovery([hung.port, engine.port]) as looking):
        assert [target.name for target in looking.targets()] == [engine.name]


def test_what_is_found_is_asked_by_discovery_no_more() -> None:
    with Engine(VLLM) as engine, discovery([engine.port]) as looking:
        time.sleep(0.5)
        assert len(engine.asked) == 1
        assert len(looking.targets()) == 1


def test_it_looks_no_more_once_stopped() -> None:
    with Engine(b"") as engine, discovery([engine.port]) as looking:
        looking.stop()
        time.sleep(0.3)
        asked = len(engine.asked)
        time.sleep(0.3)
        assert len(engine.asked) == asked


def test_finding_an_engine_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Engine(VLLM) as engine, discovery([engine.port]):
        time.sleep(0.3)
    lines = [record for record in caplog.records if record.getMessage() == "engine found"]
    assert [vars(line)["engine"] for line in lines] == ["vllm"]


def test_the_usual_ports_are_those_engines_choose_by_themselves() -> None:
    assert {8000, 8080, 3000, 30000, 8002, 8081, 23333, 29000} == set(USUAL_PORTS)


def test_a_page_that_is_not_at_the_usual_path_is_found() -> None:
    with Engine(b'[{"iter": 1}]') as engine, discovery([engine.port]) as looking:
        engine.paths["/prometheus/metrics"] = fixture("tensorrt_llm/documented/prefixed.prom")
        (target,) = wait_for(looking.targets)
        assert kind(target) == "tensorrt_llm"


def test_another_exporter_is_asked_at_one_path_alone() -> None:
    with Engine(NO_ENGINES["another exporter"]) as server, discovery([server.port]):
        wait_for(lambda: len(server.asked) >= 3)
        assert {path for path, _ in server.asked} == {"/metrics"}


def test_the_exporter_finds_engines_beside_itself_and_never_asks_itself(tmp_path: Path) -> None:
    late, ours = free_port(), free_port()
    config = tmp_path / "inferometer.yml"
    with Engine(PAGES["llama_cpp"]) as engine:
        config.write_text("gpu: {enabled: false}\nengines:\n  discover_seconds: 0.2\n"
                          f"  discover_ports: [{ours}, {engine.port}, {late}]\n")
        with started("--listen", f"127.0.0.1:{ours}", "--config", config) as running:
            page = ready(running).scrape()
            assert page.value("llm_server_up", target=engine.name, engine="llama_cpp") == 1
            assert len(page.find("llm_server_up")) == 1
            with Engine(VLLM, late) as appeared:
                wait_for(lambda: running.scrape().value(
                    "llm_server_up", target=appeared.name, engine="vllm") == 1)
            page = running.scrape()
            assert page.value("llm_server_up", target=appeared.name, engine="vllm") == 0
            urls = [line["url"] for line in messages(running, "engine found")]
            assert urls == [engine.url, appeared.url]
            printed = wait_for(lambda: [line for line in running.printed if "looking on" in line])
            assert f"ports {engine.port}, {late}," in printed[0]


def test_a_model_without_a_name_has_the_users_whether_it_was_found_or_configured() -> None:
    page = fixture("tgi/datadog/3.3.5.prom")
    with (Engine(page) as one, Engine(page) as other,
          exporter("--engine", f"chat={one.url}", "--engine", f"code={other.url}",
                   env={"INFEROMETER_MODEL": "acme/chat"}) as running):
        scraped = running.scrape()
    assert {(up.labels["target"], up.labels["model"]) for up in scraped.find("llm_server_up")} == {
        ("chat", "acme/chat"), ("code", "acme/chat")}
