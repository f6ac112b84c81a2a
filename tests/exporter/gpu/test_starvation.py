"""A real exporter that gets no new thread for a while: it goes on, says so, and recovers."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest

from inferometer.serve.connection import Limits
from tests.exporter.gpu.drill import Drill
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.gpu.test_drills import uuid
from tests.exporter.process import ANYWHERE, messages, ready, started
from tests.exporter.starvation import Starvation, recover, threads_of
from tests.exporter.support import Engine, Exporter, get, wait_for
from tests.exporter.test_reload import RELOADS, hang_up, up

pytestmark = pytest.mark.timeout(90)
# Of a quiet exporter: the main one, the server's, GPU watch and its two readers, discovery,
# history, the greeting; and then one for each collector that is not punctual and for each target.
MOST_THREADS = 1 + Limits().threads + 3 + 1 + 1 + 1


@pytest.fixture
def starvation(tmp_path: Path) -> Starvation:
    return Starvation(tmp_path / "starvation")


def write(folder: Path, engine: Engine, *ports: int, **gpu: str) -> Path:
    """A configuration with one target, and ports on which others are looked for."""
    config = folder / "inferometer.yml"
    config.write_text(json.dumps({
        "gpu": {"interval_seconds": 0.1, "time_to_live_seconds": 1, "retry_seconds": 0.3, **gpu},
        "engines": {"targets": [{"url": engine.url, "name": "chat"}], "discover_ports": ports,
                    "discover_seconds": 0.3}}))
    return config


def health(running: Exporter) -> tuple[int, set[str]]:
    """The status, and the loops that are dead."""
    answer = get(running.port, "/-/healthy")
    names = answer.text.partition("no thread for ")[2].partition(";")[0]
    return answer.status, {*names.split(", ")} - {""}


def test_an_exporter_that_starts_without_threads_serves_and_begins_once_it_has_them(
        tmp_path: Path, starvation: Starvation, fake: FakeNvml, vllm: Engine, tgi: Engine) -> None:
    fake.write("gpus 2")
    starvation.begin()
    config = write(tmp_path, vllm, tgi.port)
    with started(*ANYWHERE, "--config", config, env={**fake.env(), **starvation.env()}) as running:
        for _ in range(2):
            page = running.scrape()
            success = {series.labels["collector"]: series.value
                       for series in page.find("inferometer_collector_success")}
            assert success == {"gpu": 1.0, "engines": 0.0, "cost": 1.0}
            assert get(running.port, "/").status == 200
        assert health(running) == (
            503, {"gpu-watch", "engine-discovery", "history", "serve"})
        assert threads_of(running) == 1
        starvation.end()
        recover(running)
        wait_for(lambda: running.scrape().values("gpu_up") == [1.0, 1.0])
        wait_for(lambda: up(running.scrape()) == {"chat": 1.0, tgi.name: 1.0})
        assert threads_of(running) <= MOST_THREADS + 1 + 2
        refusals = [line for line in running.logged() if "no thread" in line["message"]]
        assert len(refusals) == 1
        assert len(messages(running, "collector failed")) == 1


def test_a_scrape_without_threads_and_a_gpu_that_hangs_meanwhile_cost_nothing_else(
        tmp_path: Path, starvation: Starvation, fake: FakeNvml, vllm: Engine) -> None:
    fake.write("gpus 8")
    hang = "hang {} nvmlDeviceGetTemperatureV"
    config = write(tmp_path, vllm)
    with started(*ANYWHERE, "--config", config, env={**fake.env(), **starvation.env()}) as running:
        drill = Drill(fake, ready(running), 1.0)
        wait_for(lambda: get(running.port, "/metrics?collect[]=gpu").text.count("gpu_up{") == 8)
        starvation.begin()
        assert running.scrape().value("inferometer_collector_success", collector="engines") == 0
        fake.add(hang.format(3))
        drill.until_up(0, 1, 2, 4, 5, 6, 7)
        drill.check_alive(0, 7)
        assert health(running) == (200, set())
        fake.add(hang.format(5))
        wait_for(lambda: health(running) == (503, {"gpu-crew"}))
        starvation.end()
        drill.until_up(0, 1, 2, 4, 6, 7)
        assert up(recover(running)) == {"chat": 1.0}
        fake.remove("hang")
        drill.until_up(*range(8))


def test_without_threads_the_kubelet_is_not_asked_and_the_process_lives_on(
        tmp_path: Path, starvation: Starvation, fake: FakeNvml, vllm: Engine,
        kubelet: FakeKubelet) -> None:
    """Where grpc cannot start its threads it ends the process."""
    fake.write("gpus 1")
    kubelet.give("chat-0", [uuid(0)])
    config = write(tmp_path, vllm, kubelet_socket=str(kubelet.socket))
    with started(*ANYWHERE, "--config", config, env={**fake.env(), **starvation.env()}) as running:
        ready(running)
        starvation.begin(threads_of(running) + 3)
        for _ in range(3):
            page = running.scrape()
            assert page.value("inferometer_collector_success", collector="pods") == 0
            assert page.value("gpu_up", gpu="0") == 1
        starvation.end()
        wait_for(lambda: running.scrape().find("gpu_pod_info"))
        starvation.begin()
        assert running.scrape().find("gpu_pod_info")  # it keeps its threads


def test_a_reload_that_has_no_thread_is_done_once_there_is_one(
        tmp_path: Path, starvation: Starvation, vllm: Engine, tgi: Engine) -> None:
    config = write(tmp_path, vllm)
    with started(*ANYWHERE, "--config", config, env=starvation.env()) as running:
        assert up(ready(running).scrape()) == {"chat": 1.0}
        starvation.begin()
        write(tmp_path, vllm, tgi.port)
        for _ in range(3):
            running.process.send_signal(signal.SIGHUP)
            assert up(running.scrape()) == {"chat": 1.0}
        assert health(running) == (200, set())
        starvation.end()
        wait_for(lambda: running.scrape().value(RELOADS, result="success") == 1.0)
        wait_for(lambda: up(running.scrape()) == {"chat": 1.0, tgi.name: 1.0})
        recover(running)


def test_two_thousand_hangups_make_few_reloads_and_no_crowd_of_threads(
        tmp_path: Path, vllm: Engine, tgi: Engine) -> None:
    config = write(tmp_path, vllm)
    with started(*ANYWHERE, "--config", config) as running:
        wait_for(lambda: "chat" in "".join(ready(running).printed))  # the greeting has ended
        assert up(hang_up(running)) == {"chat": 1.0}
        before, most, over = threads_of(running), [0], threading.Event()

        def count() -> None:
            while not over.is_set():
                most[0] = max(most[0], threads_of(running))

        counter = threading.Thread(target=count)
        counter.start()
        for number in range(2000):
            if number == 1999:
                write(tmp_path, tgi)
            running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: running.scrape().find("llm_server_up", engine="tgi"))
        over.set()
        counter.join(5)
        assert most[0] <= before + 1
        assert (recover(running).value(RELOADS, result="success") or 0) < 200
