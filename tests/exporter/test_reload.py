from __future__ import annotations

import base64
import re
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import bcrypt
import pytest

from inferometer.app import App
from inferometer.engines.part import EnginesPart
from inferometer.next_start import next_start_keys
from inferometer.settings import Flags
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.process import ALONE, ANYWHERE, messages, ready, started
from tests.exporter.support import Engine, Exporter, Page, fixture, free_port, get, send, wait_for

pytestmark = pytest.mark.timeout(60)
RELOADS = "inferometer_config_reloads_total"
GOOD = "inferometer_config_last_reload_successful"
LOADED_AT = "inferometer_config_last_reload_success_timestamp_seconds"
NO_GPUS = "gpu: {enabled: false}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "inferometer.yml"
    file.write_text(ALONE)
    return file


def targets(*engines: Engine, more: str = "") -> str:
    urls = ", ".join(f"{{url: '{engine.url}'}}" for engine in engines)
    return f"{NO_GPUS}engines: {{targets: [{urls}], discover_ports: [], {more}}}\n"


REPORTS = {"success": "configuration reloaded",
           "failure": "reload failed, the old configuration stays"}


def hang_up(running: Exporter, result: str = "success") -> Page:
    """The first page after a SIGHUP was dealt with, with this result, and after its log lines."""
    before = running.scrape().value(RELOADS, result=result) or 0.0
    lines = len(messages(running, REPORTS[result]))
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.scrape().value(RELOADS, result=result) == before + 1)
    wait_for(lambda: len(messages(running, REPORTS[result])) > lines)
    return running.scrape()


def up(page: Page) -> dict[str, float]:
    return {s.labels["target"]: s.value for s in page.find("llm_server_up")}


def test_a_good_file_takes_effect_at_sighup(config: Path, vllm: Engine, tgi: Engine) -> None:
    config.write_text(targets(vllm) + "fleet: {budgets_usd: {day: 10}}\n")
    with started(*ANYWHERE, "--config", config) as running:
        before = running.scrape()
        assert up(before) == {vllm.name: 1.0}
        assert (before.value(GOOD), before.value(RELOADS, result="success")) == (1.0, 0.0)

        config.write_text(targets(tgi) + "fleet: {budgets_usd: {month: 300}}\n")
        after = hang_up(running)
        assert up(after) == {tgi.name: 1.0}
        assert [(s.labels["period"], s.value) for s in after.find("inferometer_budget_usd")] == [
            ("month", 300.0)]
        assert (after.value(GOOD), after.value(RELOADS, result="failure")) == (1.0, 0.0)
        assert (after.value(LOADED_AT) or 0) > (before.value(LOADED_AT) or 0)
        assert len(messages(running, "configuration reloaded")) == 1


def test_new_prices_hold_from_then_on_and_no_counter_goes_back(tmp_path: Path,
                                                               config: Path) -> None:
    fake = FakeNvml(tmp_path / "nvml")
    fake.write("gpus 2", "set * name NVIDIA L4")
    text = "gpu: {interval_seconds: 0.2}\nengines: {discover_ports: []}\n"
    config.write_text(text + "cost: {gpu_hour_usd: {NVIDIA L4: 3600}}\n")
    with started(*ANYWHERE, "--config", config, env=fake.env()) as running:
        ready(running)
        wait_for(lambda: len(running.scrape().find("llm_cost_gpu_idle_usd_total")) == 2)
        before = running.scrape()
        assert before.values("inferometer_gpu_price_usd_per_hour") == [3600.0, 3600.0]

        config.write_text(text + "cost: {gpu_hour_usd: {NVIDIA L4: 0.72}}\n")
        after = hang_up(running)
        assert after.values("inferometer_gpu_price_usd_per_hour") == [0.72, 0.72]
        time.sleep(0.5)
        later = running.scrape()
        for name in ("llm_cost_usd_total", "llm_cost_gpu_idle_usd_total"):
            first, second, third = (page.values(name) for page in (before, after, later))
            assert all(a <= b < c < b + 0.1
                       for a, b, c in zip(first, second, third, strict=True))


def test_a_target_that_did_not_change_keeps_what_it_knows(config: Path, vllm: Engine,
                                                          tgi: Engine) -> None:
    progress = "llm_server_last_progress_timestamp_seconds"
    config.write_text(targets(vllm))
    with started(*ANYWHERE, "--config", config) as running:
        since = running.scrape().value(progress, target=vllm.name)
        assert since is not None
        config.write_text(targets(tgi, vllm) + "cost: {gpu_hour_usd: {NVIDIA L4: 1}}\n")
        after = hang_up(running)
        assert up(after) == {tgi.name: 1.0, vllm.name: 1.0}
        assert after.value(progress, target=vllm.name) == since
        assert len(messages(running, "engine answers")) == 2


def test_an_engine_that_was_found_stays_found(config: Path, vllm: Engine, tgi: Engine) -> None:
    progress = "llm_server_last_progress_timestamp_seconds"
    settings = f"{NO_GPUS}engines: {{discover_ports: [{vllm.port}], discover_seconds: 60"
    config.write_text(settings + "}\n")
    with started(*ANYWHERE, "--config", config) as running:
        since = ready(running).scrape().value(progress, target=vllm.name)
        assert since is not None
        config.write_text(settings + f", targets: [{{url: '{tgi.url}', name: other}}]}}\n")
        after = hang_up(running)
        assert up(after) == {vllm.name: 1.0, "other": 1.0}
        assert after.value(progress, target=vllm.name) == since


def test_a_found_engine_that_becomes_a_target_is_not_counted_twice(config: Path,
                                                                   vllm: Engine) -> None:
    settings = f"{NO_GPUS}engines: {{discover_ports: [{vllm.port}]"
    config.write_text(settings + "}\n")
    with started(*ANYWHERE, "--config", config) as running:
        assert up(ready(running).scrape()) == {vllm.name: 1.0}
        config.write_text(
            settings + f", targets: [{{url: 'http://localhost:{vllm.port}', name: chat}}]}}\n")
        hang_up(running)
        time.sleep(0.2)  # a first look at that port would find it by now
        assert up(running.scrape()) == {"chat": 1.0}


def test_a_longer_timeout_holds_for_targets_that_were_there_before(config: Path) -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        send(handler, fixture("vllm/0.32.0/idle.prom"))

    with Engine(slowly) as engine:
        config.write_text(targets(engine, more="timeout_seconds: 0.1"))
        with started(*ANYWHERE, "--config", config) as running:
            assert up(running.scrape()) == {engine.name: 0.0}
            config.write_text(targets(engine, more="timeout_seconds: 10"))
            assert up(hang_up(running)) == {engine.name: 1.0}


def test_flags_override_the_file_after_a_reload(config: Path, vllm: Engine, tgi: Engine) -> None:
    with started(*ANYWHERE, "--config", config, "--engine", vllm.url) as running:
        config.write_text(targets(tgi))
        assert up(hang_up(running)) == {vllm.name: 1.0}


def test_without_a_file_sighup_changes_nothing(vllm: Engine) -> None:
    with started(*ANYWHERE, "--engine", vllm.url) as running:
        assert up(hang_up(running)) == {vllm.name: 1.0}


def test_scrapes_during_reloads_are_all_answered(config: Path, vllm: Engine, tgi: Engine) -> None:
    both = [targets(vllm), targets(vllm, tgi)]
    config.write_text(both[0])
    with started(*ANYWHERE, "--config", config) as running:
        stop, pages = threading.Event(), []

        def scrape() -> None:
            while not stop.is_set():
                pages.append(running.scrape())

        thread = threading.Thread(target=scrape)
        thread.start()
        for i in range(10):
            config.write_text(both[i % 2])
            hang_up(running)
        stop.set()
        thread.join(20)
        assert len(pages) > 5
        assert {up(page)[vllm.name] for page in pages} == {1.0}
        assert {value for page in pages
                for value in page.values("inferometer_collector_success")} == {1.0}


@pytest.mark.parametrize(("text", "why"), [
    ("gpu: {interval_seconds: 0}", ":1: gpu.interval_seconds: must be a number of seconds above 0 "
                                   "and at most 86400, not 0"),
    ("web: {listen: 127.0.0.1:1", ":1: is not YAML: a bracket is not closed by }"),
    ("web: {config_file: web.yml}", ":1: web.config_file: {folder}/web.yml: cannot be read: "
                                    "No such file or directory"),
    ("engines: {targets: [{url: 'http://a', bearer_token_env: INFEROMETER_NONE}]}",
     ":1: engines.targets[0].bearer_token_env: INFEROMETER_NONE is not set"),
    (None, ": cannot be read: No such file or directory"),
])
def test_a_bad_file_leaves_the_old_configuration_in_force(config: Path, vllm: Engine,
                                                          text: str | None, why: str) -> None:
    config.write_text(targets(vllm) + "fleet: {budgets_usd: {day: 10}}\n")
    good = config.read_text()
    with started(*ANYWHERE, "--config", config) as running:
        before = running.scrape()
        config.unlink()
        if text is not None:
            config.write_text(text)
        after = hang_up(running, "failure")
        assert (after.value(GOOD), after.value(RELOADS, result="failure")) == (0.0, 1.0)
        assert after.value(RELOADS, result="success") == 0.0
        assert after.value(LOADED_AT) == before.value(LOADED_AT)
        assert up(after) == {vllm.name: 1.0}
        assert after.value("inferometer_budget_usd", period="day") == 10.0
        assert after.value("llm_server_last_progress_timestamp_seconds") == before.value(
            "llm_server_last_progress_timestamp_seconds")
        failed = messages(running, "reload failed, the old configuration stays")
        assert [(line["level"], line["why"]) for line in failed] == [
            ("error", f"{config}" + why.replace("{folder}", str(config.parent)))]

        config.write_text(good)
        assert hang_up(running).value(GOOD) == 1.0


def test_reload_over_http_says_how_it_went(config: Path) -> None:
    enabled = ALONE + "web: {enable_reload: true}\n"
    config.write_text(enabled)
    with started(*ANYWHERE, "--config", config) as running:
        good = get(running.port, "/-/reload", "POST")
        assert (good.status, good.text) == (200, "reloaded\n")
        config.write_text("web: {port: 1}")
        bad = get(running.port, "/-/reload", "POST")
        assert (bad.status, bad.text) == (
            500, f"the old configuration stays: {config}:1: web.port: is not a known key; known "
                 "here are listen, config_file, enable_reload, enable_alert_log\n")
        page = running.scrape()
        assert page.value(RELOADS, result="success") == page.value(RELOADS, result="failure") == 1
        assert page.value(GOOD) == 0.0


def test_reload_over_http_is_not_there_unless_switched_on(config: Path) -> None:
    with started(*ANYWHERE, "--config", config) as running:
        for method in ("GET", "POST", "PUT"):
            assert get(running.port, "/-/reload", method).status == 404
        assert running.scrape().value(RELOADS, result="success") == 0.0


def test_another_address_is_warned_about_and_waits_for_the_next_start(config: Path) -> None:
    elsewhere = free_port()
    config.write_text(ALONE + "web: {listen: '127.0.0.1:0'}\n")
    with started("--config", config) as running:
        config.write_text(ALONE + f"web: {{listen: '127.0.0.1:{elsewhere}'}}\n")
        for times in (1, 2):  # it is still not in force the second time
            page = hang_up(running)
            warned = messages(running, "takes effect at the next start")
            assert [(line["level"], line["key"]) for line in warned] == [
                ("warning", "web.listen")] * times
            assert page.value(GOOD) == 1.0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", elsewhere), timeout=5)
        config.write_text(ALONE + "web: {listen: '127.0.0.1:0'}\n")
        hang_up(running)
        assert len(messages(running, "takes effect at the next start")) == 2


HERE = "web: {listen: '127.0.0.1:0'}\n"
NOWHERE = "engines: {discover_ports: []}\n"
# Beside ALONE and HERE, a file in which this key alone differs.
WAITING = {
    "role": HERE + "role: fleet\n",
    "web.listen": ALONE + "web: {listen: '127.0.0.1:1'}\n",
    "web.enable_reload": ALONE + "web: {listen: '127.0.0.1:0', enable_reload: true}\n",
    "web.enable_alert_log": ALONE + "web: {listen: '127.0.0.1:0', enable_alert_log: true}\n",
    "gpu.enabled": HERE + NOWHERE + "gpu: {enabled: true}\n",
    "gpu.kubelet_socket": HERE + NOWHERE + "gpu: {kubelet_socket: /nowhere}\n",
    "intake.listen": ALONE + HERE + "intake: {listen: '127.0.0.1:1'}\n",
    "intake.grpc_listen": ALONE + HERE + "intake: {grpc_listen: '127.0.0.1:1'}\n",
    "feedback.listen": ALONE + HERE + "feedback: {listen: '127.0.0.1:1', "
                       "bearer_token_files: [token]}\nintake: {listen: '127.0.0.1:0'}\n",
    "request_log.path": ALONE + HERE + "request_log: {path: elsewhere.ndjson}\n",
    "ledger.path": ALONE + HERE + "ledger: {path: elsewhere.db}\n",
    "ledger.outbox_max_bytes": ALONE + HERE + "ledger: {outbox_max_bytes: 2000000}\n",
    "ledger.outbox_hours": ALONE + HERE + "ledger: {outbox_hours: 1}\n",
    "destinations": ALONE + HERE + "destinations: [{url: 'http://127.0.0.1:1'}]\n",
    "ledger.user_costs": ALONE + HERE + "ledger: {user_costs: true}\n",
    "ledger.key_file": ALONE + HERE + "ledger: {key_file: elsewhere.key}\n",
    "ledger.dsn_file": ALONE + HERE + "ledger: {dsn_file: elsewhere}\n",
    "ledger.gateway": ALONE + HERE + "ledger: {gateway: another}\n",
    **{f"ledger.clickhouse.{key}": ALONE + HERE + f"ledger: {{clickhouse: {{{key}: {value}}}}}\n"
       for key, value in (("url", "'http://127.0.0.1:1'"), ("database", "elsewhere"),
                          ("user", "somebody"), ("password_file", "elsewhere"))},
    **{f"judge.{key}": ALONE + HERE + f"judge: {{{key}: {value}}}\n" for key, value in (
        ("enabled", "true"), ("url", "'http://127.0.0.1:1'"), ("model", "judge"),
        ("library", "ragas"), ("key_file", "elsewhere"), ("ca_file", "elsewhere"),
        ("evaluations", "[refusal]"), ("concurrency", "3"), ("timeout_seconds", "7"))},
}


def test_every_key_that_waits_for_the_next_start_is_changed_by_a_test() -> None:
    assert {*WAITING} == {*next_start_keys()}


@pytest.mark.parametrize("key", WAITING)
def test_a_key_that_waits_for_the_next_start_is_warned_about_and_not_in_force(config: Path,
                                                                              key: str) -> None:
    config.write_text(ALONE + HERE)
    (config.parent / "token").write_text("secret")
    with started("--config", config) as running:
        config.write_text(WAITING[key])
        page = hang_up(running)
        warned = [line["key"] for line in messages(running, "takes effect at the next start")]
        assert key in warned
        # kubelet_socket needs the one, feedback.listen the other.
        assert {*warned} <= {key, "gpu.enabled", "intake.listen"}
        assert get(running.port, "/-/reload", "POST").status == 404
        assert get(running.port, "/v1/alerts", "POST").status == 404
        running_collectors = {series.labels["collector"]
                              for series in page.find("inferometer_collector_success")}
        assert "engines" in running_collectors
        assert not running_collectors & {"gpu", "pods"}


def test_a_file_that_the_next_start_would_refuse_is_no_good_reload(config: Path) -> None:
    """Not even where the key to blame is of another role, which waits for the next start."""
    with started(*ANYWHERE, "--config", config) as running:
        config.write_text("role: sidecar\n"
                          "engines: {targets: [{url: 'https://a', ca_file: inferometer.yml}]}\n")
        assert hang_up(running, "failure").value(GOOD) == 0.0
        (line,) = messages(running, "reload failed, the old configuration stays")
        assert line["why"] == (f"{config}:2: engines.targets[0].ca_file: {config}: "
                               "no usable certificate")


def test_a_password_that_was_changed_holds_after_a_reload(config: Path, tmp_path: Path) -> None:
    def protect(password: bytes) -> None:
        hashed = bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()
        (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {hashed}}}\n")

    def status(password: str) -> int:
        token = base64.b64encode(f"alice:{password}".encode()).decode()
        return get(running.port, "/-/healthy",
                   headers={"Authorization": f"Basic {token}"}).status

    protect(b"old")
    config.write_text(ALONE + "web: {config_file: web.yml}\n")
    with started(*ANYWHERE, "--config", config) as running:
        assert (status("old"), status("new")) == (200, 401)
        protect(b"new")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status("new") == 200)
        assert status("old") == 401
        (tmp_path / "web.yml").write_text("basic_auth_users: {alice: new}\n")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: messages(running, "reload failed, the old configuration stays"))
        assert (status("new"), status("old")) == (200, 401)


def certificate(file: Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=ca",
                    "-keyout", "/dev/null", "-out", file],
                   check=True, capture_output=True, timeout=20)


def test_a_target_is_made_anew_when_what_it_is_made_of_changed(config: Path,
                                                               tmp_path: Path) -> None:
    certificate(tmp_path / "ca.pem")
    text = NO_GPUS + ("engines:\n  discover_ports: []\n  targets:\n"
                      "    - {url: 'https://a', ca_file: ca.pem}\n    - {url: 'https://b'}\n")
    config.write_text(text)
    app = App(config, Flags())
    (engines,) = (part for part in app.parts if isinstance(part, EnginesPart))
    a, b = engines.targets()
    assert app.reload() == ""
    assert engines.targets() == [a, b]
    certificate(tmp_path / "ca.pem")  # renewed, by the same name
    assert app.reload() == ""
    assert engines.targets()[0] is not a
    assert engines.targets()[1] is b
    a = engines.targets()[0]
    config.write_text(re.sub("https://b", "https://b/other", text))
    assert app.reload() == ""
    assert engines.targets()[0] is a
    assert engines.targets()[1].url == "https://b/other"
    config.write_text(text.replace("discover_ports", "max_page_bytes: 2048\n  discover_ports"))
    assert app.reload() == ""
    assert engines.targets()[0] is not a
