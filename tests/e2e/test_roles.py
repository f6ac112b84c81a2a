"""The roles of one machine together, in a rollout: each GPU and each dollar is counted once.

Two node exporters, as the old one still runs when the new one begins, an exporter of no role that
somebody has on the same machine, two replicas for the fleet and a sidecar: real processes on one
fake driver and one fake kubelet, real Prometheus with the rules in a hurry, and of each target the
labels that a scrape in Kubernetes sets.
"""

from __future__ import annotations

import calendar
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from inferometer.bundle import Options, render
from recording_rules import cost, gpus
from recording_rules.attribution import GPUS as MODEL_GPUS
from tests.bundle.promtool import VERSIONS
from tests.bundle.running import prometheus
from tests.e2e.test_prometheus import Prometheus
from tests.exporter.gpu.fake_kubelet import FakeKubelet, compiled
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import Engine, Exporter, exporter, fixture, wait_for

pytestmark = pytest.mark.timeout(180)

FASTER = 60
PATIENCE_SECONDS = 60.0
PRICE, MONTHLY, GPU_COUNT, WATTS = 36.0, 50_000.0, 4, 300.0
DAY = 86400.0
GPU = "gpu: {{interval_seconds: 0.3, time_to_live_seconds: 10, kubelet_socket: '{socket}'}}\n"
COST = f"cost: {{{{gpu_hour_usd: {{{{NVIDIA H100 80GB HBM3: {PRICE}}}}}}}}}\n"
FLEET = f"fleet: {{{{monthly_usd: {{{{storage: {MONTHLY}}}}}}}}}\n"
ENGINES = "engines: {{discover_ports: [], targets: [{{url: '{engine}', name: chat}}]}}\n"
CONFIGS = {
    "old-node": "role: node\n" + GPU + COST,
    "new-node": "role: node\n" + GPU + COST,
    "standalone": GPU.replace(", kubelet_socket: '{socket}'", "") + COST + FLEET
                  + "engines: {{discover_ports: []}}\n",
    "fleet-0": "role: fleet\n" + FLEET,
    "fleet-1": "role: fleet\n" + FLEET,
    "chat-0": "role: sidecar\n" + ENGINES,
}


@dataclass(frozen=True)
class Machine:
    """What runs there, by the names of the pods."""

    exporters: Mapping[str, Exporter]
    kubelet: FakeKubelet


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    fake = FakeNvml(tmp_path / "nvml")
    fake.write(f"gpus {GPU_COUNT}")
    kubelet = FakeKubelet(compiled(tmp_path), tmp_path / "k.sock")
    uuids = [f"GPU-00000000-0000-0000-0000-{gpu:012x}" for gpu in range(GPU_COUNT)]
    kubelet.give("chat-0", uuids[:2])
    for pod in ("notebook-0", "notebook-1"):
        kubelet.give(pod, [f"{uuids[2]}::{pod[-1]}"], resource="nvidia.com/gpu.shared")
    with contextlib.ExitStack() as stack:
        kubelet.start()
        stack.callback(kubelet.die)
        engine = stack.enter_context(Engine(fixture("vllm/0.32.0/busy.prom")))
        running = {}
        for name, text in CONFIGS.items():
            config = tmp_path / f"{name}.yml"
            config.write_text(text.format(socket=kubelet.socket, engine=engine.url))
            running[name] = stack.enter_context(exporter(config=config, env=fake.env()))
        yield Machine(running, kubelet)


@contextlib.contextmanager
def watched(version: str, machine: Machine, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes all of it as pods of one node."""
    folder.mkdir()
    rules = render(Options(faster=FASTER), ["prometheus/recording.rules.yml"])
    (folder / "rules.yml").write_text(*rules.values())
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "inferometer", "static_configs": [
            {"targets": [f"127.0.0.1:{running.port}"],
             "labels": {"cluster": "east", "node": "gpu-1", "container": "inferometer", "pod": pod,
                        "namespace": "llm" if pod == "chat-0" else "inferometer"}}
            for pod, running in machine.exporters.items()]}]}))
    with prometheus(version, config, folder) as port:
        yield Prometheus(port)


def value(asked: Prometheus, query: str) -> float | None:
    """The value of the one series that a query gives; None if it gives none."""
    series = asked.query(query)
    assert len(series) <= 1, series
    return series[0][1] if series else None


def expected() -> Mapping[str, float]:
    now = datetime.now(UTC)
    gpu, fixed = PRICE / 3600, MONTHLY / (calendar.monthrange(now.year, now.month)[1] * DAY)
    return {
        "up == 1": len(CONFIGS),
        str(gpus.FLEET_GPUS): GPU_COUNT,
        f'{gpus.NODE_GPUS}{{node="gpu-1"}}': GPU_COUNT,
        str(gpus.FLEET_UP): GPU_COUNT,
        str(gpus.FLEET_POWER): GPU_COUNT * WATTS,
        f'{cost.RATE}{{category="gpu"}}': GPU_COUNT * gpu,
        f'{cost.RATE}{{category="storage"}}': fixed,
        str(cost.TOTAL_RATE): GPU_COUNT * gpu + fixed,
        f'{MODEL_GPUS}{{model="tiny"}}': 2,
        f'{cost.MODEL_GPU_RATE}{{model="tiny"}}': 2 * gpu,
    }


def settled(asked: Prometheus, figures: Mapping[str, float]) -> None:
    """Wait until every query gives about its figure."""

    def differing() -> dict[str, tuple[float | None, float]]:
        measured = {query: value(asked, f"count({query})" if "==" in query else query)
                    for query in figures}
        return {query: (measured[query], number) for query, number in figures.items()
                if measured[query] != pytest.approx(number, rel=0.1)}

    try:
        wait_for(lambda: not differing(), PATIENCE_SECONDS, every=0.5)
    except AssertionError:
        raise AssertionError(f"measured and expected: {differing()}") from None


def test_each_gpu_and_each_dollar_is_counted_once_before_and_after_a_rollout(
        machine: Machine, tmp_path: Path) -> None:
    figures = expected()
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(watched(version, machine, tmp_path / version))
                 for version in VERSIONS]
        for server in asked:
            settled(server, figures)
        assert machine.exporters["old-node"].stop() == 0
        after = {**figures, "up == 1": len(CONFIGS) - 1}
        for server in asked:
            settled(server, after)
            for query in (gpus.FLEET_GPUS, cost.TOTAL_RATE, cost.MODEL_GPU_RATE):
                most = value(server, f"max_over_time({query}[5m])")
                assert most is not None
                assert most < 1.5 * sum(number for name, number in figures.items()
                                        if name.partition("{")[0] == str(query))
