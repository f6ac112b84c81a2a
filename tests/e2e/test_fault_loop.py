"""A long run through every fault in turn: always an answer, never a lie, no growth."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import Engine, Page, exporter, fixture, get, send

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]

SECONDS = 180.0
DEADLINE = 2.0
CONFIG = """
gpu: {{interval_seconds: 0.1, time_to_live_seconds: 1, retry_seconds: 0.3}}
engines:
  timeout_seconds: 1
  targets: [{{url: "{good}", name: good}}, {{url: "{bad}", name: bad}}]
cost: {{gpu_hour_usd: {{NVIDIA H100 80GB HBM3: 3.6}}}}
fleet: {{monthly_usd: {{storage: 100}}, overhead_percent: 10}}
"""
GPU_FAULTS = (
    (), ("lost 1",), ("hang 2 nvmlDeviceGetTemperatureV",), ("all 18", "init 18"), ("init 9",),
    ("delay * * 20",), ("error 3 nvmlDeviceGetUtilizationRates 3",), ("gpus 2",),
    ("error 0 nvmlDeviceGetTemperatureV 10", "error 0 nvmlDeviceGetFieldValues 999"),
    ("mig 3 1 0 1g.10gb 1000 500",),
)


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(fixture("vllm/0.32.0/busy.prom")[:9000])


def models(seed: int) -> str:
    names = "".join(
        f'vllm:request_success_total{{finished_reason="stop",model_name="m{seed}-{i}"}} {i}\n'
        for i in range(500))
    return f"# TYPE vllm:request_success_total counter\n{names}"


def engine_faults(seed: int) -> list[bytes | str | Callable[[BaseHTTPRequestHandler], None]]:
    return [
        fixture("vllm/0.32.0/busy.prom"), fixture("vllm/0.32.0/idle.prom"),
        fixture("tgi/datadog/3.3.5.prom"), fixture("llama_cpp/0.6.0/after.prom"), silence, cut_off,
        models(seed), b"\xff\xfe{{{", "<html>500</html>",
        lambda handler: send(handler, "gone", 500),
    ]


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def spent(page: Page) -> dict[tuple[str, str], float]:
    return {(s.labels["category"], s.labels.get("uuid", "")): s.value
            for s in page.find("llm_cost_usd_total")}


def test_three_minutes_of_faults_cost_no_scrape_no_healthy_target_and_no_memory(
        tmp_path: Path) -> None:
    dice = random.Random(1)
    nvml = FakeNvml(tmp_path / "nvml")
    nvml.write("gpus 4")
    config = tmp_path / "inferometer.yml"
    with Engine(fixture("vllm/0.32.0/busy.prom")) as good, Engine() as bad:
        config.write_text(CONFIG.format(good=good.url, bad=bad.url))
        with exporter(config=config, env=nvml.env()) as running:
            end, turn, settled = time.monotonic() + SECONDS, 0, 0
            money: dict[tuple[str, str], float] = {}
            while time.monotonic() < end:
                turn += 1
                nvml.write("gpus 4", *dice.choice(GPU_FAULTS))
                bad.serve(dice.choice(engine_faults(turn)))
                for _ in range(3):
                    began = time.monotonic()
                    answer = get(running.port, headers={
                        "X-Prometheus-Scrape-Timeout-Seconds": str(DEADLINE)})
                    assert answer.status == 200
                    assert time.monotonic() - began < DEADLINE
                    page = Page(answer.text)
                    assert page.value("llm_server_output_tokens_total", target="good") == 13209
                    assert page.value("llm_server_up", target="good") == 1
                    assert set(page.values("inferometer_collector_success")) == {1}
                    now = spent(page)
                    assert all(now.get(key, 0) >= usd for key, usd in money.items())
                    money = now
                    time.sleep(0.1)
                if turn == 50:
                    settled = resident_bytes(running.process.pid)
            grown = resident_bytes(running.process.pid) - settled
            print(f"{turn} faults; MiB after 50: {settled >> 20}, since then {grown / 2**20:+.1f}")
            assert turn > 50
            assert grown < 30 * 2**20
