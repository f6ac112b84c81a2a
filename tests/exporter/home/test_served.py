"""The page as the running exporter serves it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import bcrypt
import pytest

from inferometer import __version__
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.home.html_check import Checked
from tests.exporter.home.quick import quick
from tests.exporter.process import ALONE, ANYWHERE, ready, started
from tests.exporter.support import Engine, Exporter, fixture, get, send, wait_for

pytestmark = pytest.mark.timeout(60)
BUSY = fixture("vllm/0.32.0/busy.prom")
Configured = Callable[[object], Path]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Writes a configuration; nothing is looked for beyond it."""

    def write(engines: object, **sections: object) -> Path:
        config = tmp_path / "inferometer.yml"
        config.write_text(json.dumps({
            "web": {"listen": "127.0.0.1:0"}, "gpu": {"enabled": False},
            "engines": {"discover_ports": [], "timeout_seconds": 1, "targets": engines},
            **sections}))
        return config

    return write


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One exporter with a real engine's page, for all that does not change it."""
    config = tmp_path_factory.mktemp("home") / "inferometer.yml"
    with Engine(BUSY) as engine:
        config.write_text(f"gpu: {{enabled: false}}\nengines: {{targets: [url: '{engine.url}']}}\n")
        with started(*ANYWHERE, "--config", config) as running:
            yield ready(running)


def text(running: Exporter, path: str = "/") -> str:
    answer = get(running.port, path)
    assert answer.status == 200
    return Checked(answer.body).text.replace("\u00a0", " ")


def test_a_real_engines_page_is_shown_with_its_model_and_values(server: Exporter) -> None:
    shown = text(server)
    assert "1 over limit" in shown
    assert "Model tiny" in shown
    assert "KV cache is 96 % full, limit 95 % (default)" in shown
    assert "Waiting 9" in shown


def test_nothing_may_be_loaded_run_or_framed(server: Exporter) -> None:
    answer = get(server.port, "/")
    (style,) = re.findall(rb"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_other_pages_keep_their_headers(server: Exporter) -> None:
    assert "Content-Security-Policy" not in get(server.port, "/metrics").headers


def test_head_has_the_headers_and_no_body(server: Exporter) -> None:
    full, head = get(server.port, "/"), get(server.port, "/", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers.keys() == full.headers.keys()
    assert head.headers["Content-Security-Policy"] == full.headers["Content-Security-Policy"]


def test_it_is_compressed_when_asked(server: Exporter) -> None:
    answer = get(server.port, "/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    Checked(gzip.decompress(answer.body))


@pytest.mark.parametrize(("query", "again"), [
    ("/", False), ("/?refresh", True), ("/?refresh=", True), ("/?a&refresh=1", True),
    ("/?refreshing", False), ("/?%00=%ff&;=&", False),
])
def test_it_loads_itself_again_where_the_address_says_so(server: Exporter, query: str,
                                                         again: bool) -> None:
    answer = get(server.port, query)
    Checked(answer.body)
    assert (b'http-equiv="refresh"' in answer.body) == again


def test_it_asks_for_the_password_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(json.dumps(
        {"basic_auth_users": {"ann": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}}))
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        refused = get(running.port, "/")
        assert (refused.status, refused.text) == (401, "unauthorized\n")
        assert "Content-Security-Policy" not in refused.headers
        token = base64.b64encode(b"ann:secret").decode()
        answer = get(running.port, "/", headers={"Authorization": f"Basic {token}"})
        assert answer.status == 200
        Checked(answer.body)


def test_its_own_policy_stands_where_the_web_configuration_has_another(tmp_path: Path) -> None:
    """With that of the file the page would be without its style."""
    (tmp_path / "web.yml").write_text(json.dumps({"http_server_config": {"headers": {
        "Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "deny"}}}))
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        home, metrics = get(running.port, "/"), get(running.port, "/metrics")
        assert "style-src 'sha256-" in home.headers["Content-Security-Policy"]
        assert home.headers["X-Frame-Options"] == "deny"
        assert metrics.headers["Content-Security-Policy"] == "default-src 'self'"


def test_without_a_gpu_or_an_engine_it_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "inferometer.yml"
    config.write_text("engines: {discover_ports: [1]}\n")
    with started(*ANYWHERE, "--config", config) as running:
        shown = text(ready(running))
        assert "Nothing to watch yet" in shown
        assert "on 127.0.0.1, ports 1, every 10 s" in shown
        assert "--engine http://HOST:PORT" in shown
        assert re.search(r"None found: .+ Looked for again every 10 s", shown)


def test_an_engine_that_ends_is_down_on_the_next_page_with_the_reason(
        configured: Configured) -> None:
    engine = Engine(BUSY)
    with quick(30, configured([{"url": engine.url, "name": "chat"}])) as running:
        assert "Over limit chat" in text(running)
        engine.close()
        shown = text(running)
    assert "1 problem" in shown
    assert "chat Down: connection refused" in shown
    assert "Model tiny" in shown
    assert "Read 0 s ago" in shown or "Read 1 s ago" in shown


def test_an_engine_that_hangs_costs_the_page_its_own_timeout_only(configured: Configured) -> None:
    with (Engine(lambda handler: time.sleep(5)) as hung, Engine(BUSY) as good,
          quick(30, configured([{"url": hung.url, "name": "hung"},
                                {"url": good.url, "name": "good"}])) as running):
        began = time.monotonic()
        shown = text(running)
        assert time.monotonic() - began < 3
        assert "hung Down: no full answer within 1 s" in shown
        assert "Over limit good" in shown


def test_a_page_that_cannot_wait_any_longer_takes_nothing_from_a_patient_scrape(
        tmp_path: Path) -> None:
    released = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        released.wait(30)
        send(handler, BUSY)

    config = tmp_path / "inferometer.yml"
    with Engine(answer) as engine, ThreadPoolExecutor(2) as pool:
        config.write_text("gpu: {enabled: false}\n"
                          f"engines: {{targets: [url: '{engine.url}'], timeout_seconds: 30}}\n")
        with started(*ANYWHERE, "--config", config) as running:
            page = pool.submit(text, running)
            time.sleep(0.2)
            scrape = pool.submit(running.scrape, **{"X-Prometheus-Scrape-Timeout-Seconds": "20"})
            assert "Down: no answer so far" in page.result()
            released.set()
            assert scrape.result().value("llm_server_up") == 1.0


def test_what_is_recorded_is_drawn_and_where_nothing_was_read_the_line_is_broken(
        configured: Configured) -> None:
    engine = Engine(BUSY)
    with quick(0.2, configured([{"url": engine.url, "name": "chat"}])) as running:

        def stretches() -> int:
            drawing = re.search(r"<title>chat: Running</title>.*?</svg>",
                                get(running.port, "/").text)
            line = re.search(r'class="line" d="([^"]*)"', drawing[0]) if drawing else None
            return line[1].count("M") if line else 0

        wait_for(lambda: stretches() == 1, 20)
        engine.close()
        wait_for(lambda: "Down chat" in text(running))
        time.sleep(0.5)
        engine = Engine(BUSY, engine.port)
        try:
            wait_for(lambda: stretches() == 2, 20)
        finally:
            engine.close()


def test_a_gpu_that_is_lost_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    fake = FakeNvml(tmp_path / "nvml")
    fake.write("gpus 2", "set * name NVIDIA L4")
    config = tmp_path / "inferometer.yml"
    config.write_text("gpu: {interval_seconds: 0.1, time_to_live_seconds: 1, retry_seconds: 0.3}\n"
                      "engines: {discover_ports: []}\nweb: {listen: '127.0.0.1:0'}\n"
                      "cost: {gpu_hour_usd: {NVIDIA L4: 3600}}\n")
    with quick(0.2, config, fake.env()) as running:
        wait_for(lambda: "Up GPU 1" in text(running))
        fake.add("lost 1")
        wait_for(lambda: "Lost GPU 1" in text(running))
        shown = text(running)
        assert "GPU 1 Lost: GPU_IS_LOST" in shown, shown[:600]
        assert "Up GPU 0" in shown
        assert "Utilisation 50 %" in shown
        wait_for(lambda: re.search(r"gpu\$[1-9]", text(running)))  # a lost GPU costs on


def test_a_hostile_engines_names_are_text(configured: Configured) -> None:
    evil = '</svg><script>alert(1)</script>\u202e'
    page = BUSY.replace(b'model_name="tiny"', f'model_name="{evil}"'.encode())
    assert page != BUSY
    with (Engine(page) as engine,
          quick(0.1, configured([{"url": engine.url, "name": "<b>&'"}])) as running):
        shown = text(running)
        assert "</svg><script>alert(1)</script>\\u202e" in shown
        assert "Over limit <b>&'" in shown


def test_its_problems_are_there_for_programs(server: Exporter) -> None:
    answer = get(server.port, "/status")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    report = json.loads(answer.body)
    (problem,) = report.pop("problems")
    assert report == {"version": __version__, "demo": False, "status": "over_limit",
                      "watching": {"engines": 1, "gpus": 0}}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", problem.pop("since"))
    assert re.fullmatch(r"127\.0\.0\.1:\d+", problem.pop("subject"))
    assert problem == {
        "state": "over_limit", "alert": "LLMKvCacheFull",
        "text": "KV cache is 96 % full, limit 95 % (default)", "severity": "warning",
        "runbook": "runbook#llmkvcachefull"}


def test_the_runbook_is_served_as_safely_as_the_page(server: Exporter) -> None:
    page, runbook = get(server.port, "/"), get(server.port, "/runbook")
    assert runbook.status == 200
    assert b'<h2 id="llmkvcachefull">LLMKvCacheFull</h2>' in runbook.body
    for header in ("Content-Security-Policy", "Cache-Control", "X-Content-Type-Options",
                   "Referrer-Policy", "Content-Type"):
        assert runbook.headers[header] == page.headers[header]
    assert get(server.port, "/runbook", headers={"Accept-Encoding": "gzip"}).headers[
        "Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/status", "/runbook"])
def test_what_belongs_to_the_page_asks_for_the_password_too(tmp_path: Path, path: str) -> None:
    (tmp_path / "web.yml").write_text(json.dumps(
        {"basic_auth_users": {"ann": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}}))
    config = tmp_path / "inferometer.yml"
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        assert get(running.port, path).status == 401
