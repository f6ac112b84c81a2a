"""Ten minutes of every fault at random: always an answer, never a lie, no growth."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from inferometer import catalogue as c
from tests.e2e.faults import AUTHORIZED, FAULTS, GPUS, Expected, Scene
from tests.exporter.engines.slow_names import SlowNames
from tests.exporter.engines.strangers import BUSY, Stranger, megabytes
from tests.exporter.gpu.fake_kubelet import FakeKubelet, compiled
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.process import ANYWHERE, started
from tests.exporter.starvation import Starvation, threads_of
from tests.exporter.support import Engine, Page, get, wait_for

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1000)]

SECONDS = float(os.environ.get("FAULT_SECONDS", "600"))
DEADLINE = 5.0  # of a scrape
HEALTH_SECONDS = 1.0
RECOVERY_SECONDS = 20.0
MEGABYTES = 256.0  # the chart's limit
GROWTH_MEGABYTES = 30.0
THREADS = 80
USD_HOUR = 3.6
OURS = (c.GPU_BUSY, c.GPU_OBSERVED, c.COST, c.VALUES_REFUSED, c.LABELS_FOLDED)  # only go up
CONFIG = """
web: {{config_file: web.yml, enable_alert_log: true}}
gpu: {{interval_seconds: 0.1, time_to_live_seconds: 1, retry_seconds: 0.3,
      kubelet_socket: "{socket}"}}
engines:
  timeout_seconds: 2
  targets: [{{url: "{good}", name: good}}, {{url: "{bad}", name: bad}},
            {{url: "http://engine.slow:{port}", name: slow}}]
cost: {{gpu_hour_usd: {{NVIDIA H100 80GB HBM3: {usd}}}}}
fleet: {{monthly_usd: {{storage: 100}}, overhead_percent: 10}}
"""


@contextlib.contextmanager
def played(folder: Path, dice: random.Random) -> Iterator[Scene]:
    """The exporter amid four GPUs, a kubelet and three engines, all of them well."""
    began = time.monotonic()
    nvml, starvation = FakeNvml(folder / "nvml"), Starvation(folder / "threads")
    names, config = SlowNames(folder / "names"), folder / "inferometer.yml"
    nvml.write(f"gpus {GPUS}")
    preloaded = f"{starvation.env()['LD_PRELOAD']} {names.env()['LD_PRELOAD']}"
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
    (folder / "web.yml").write_text(f'basic_auth_users: {{alice: "{hashed}"}}\n')
    with contextlib.ExitStack() as stack:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kubelet-")))
        kubelet = FakeKubelet(compiled(folder), sockets / "kubelet.sock")
        for gpu in range(GPUS):
            kubelet.give(f"pod-{gpu}", [f"GPU-00000000-0000-0000-0000-{gpu:012x}"])
        kubelet.start()
        stack.callback(kubelet.die)
        good, bad = (stack.enter_context(Engine(BUSY)) for _ in range(2))
        config.write_text(CONFIG.format(good=good.url, bad=bad.url, port=good.port, usd=USD_HOUR,
                                        socket=kubelet.socket))
        running = stack.enter_context(started(
            *ANYWHERE, "--config", config,
            env={**nvml.env(), **starvation.env(), **names.env(), "LD_PRELOAD": preloaded}))
        yield Scene(running, config, nvml, bad, kubelet, names, starvation, Stranger(), dice,
                    began)


class Watcher:
    """Scrapes, and holds every page against what must hold of it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._counters: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def scrape(self, expected: Expected | None = None) -> Page:
        """The page, after all checks; `expected` is what holds during a fault."""
        began = time.monotonic()
        answer = get(self._scene.running.port, seconds=2 * DEADLINE, headers={
            "X-Prometheus-Scrape-Timeout-Seconds": str(DEADLINE), **AUTHORIZED})
        assert answer.status == 200, answer.text
        assert time.monotonic() - began < DEADLINE
        page = Page(answer.text)
        self._check_counters(page)
        if expected is not None and not expected.starved:
            failed = {series.labels["collector"] for series in page.find(c.COLLECTOR_SUCCESS.name)
                      if series.value != 1}
            assert failed <= expected.collectors, self._scene.running.lines[-5:]
            assert page.value(c.SERVER_UP.name, target="good") == 1
            assert page.value(c.SERVER_OUTPUT.name, target="good") == 13209
        return page

    def _check_counters(self, page: Page) -> None:
        now = {(series.name, frozenset(series.labels.items())): series.value
               for metric in OURS for series in page.find(metric.name)}
        fell = {key: value for key, value in now.items() if value < self._counters.get(key, 0)}
        assert not fell
        self._counters.update(now)
        spent = sum(series.value for series in page.find(c.COST.name, category="gpu"))
        assert spent <= GPUS * USD_HOUR / 3600 * (time.monotonic() - self._scene.began)

    def check_health(self) -> None:
        """Health is told soon, whatever it is."""
        began = time.monotonic()
        get(self._scene.running.port, "/-/healthy", headers=AUTHORIZED)
        assert time.monotonic() - began < HEALTH_SECONDS

    def recover(self) -> float:
        """Wait until all is well; the seconds that took."""
        began = time.monotonic()
        wait_for(self._is_well, RECOVERY_SECONDS)
        return time.monotonic() - began

    def _is_well(self) -> bool:
        statuses = [get(self._scene.running.port, path, headers=AUTHORIZED).status
                    for path in ("/-/healthy", "/-/ready")]
        page = self.scrape()
        return statuses == [200, 200] and all((
            set(page.values(c.COLLECTOR_SUCCESS.name)) == {1},
            page.values(c.SERVER_UP.name) == [1, 1, 1],
            page.value(c.SERVER_OUTPUT.name, target="bad") == 13209,
            all(page.values(c.GPU_UP.name, gpu=str(gpu)).count(1) == 1 for gpu in range(GPUS)),
            len(page.find(c.GPU_POD_INFO.name)) == GPUS,
            page.value(c.CONFIG_RELOAD_OK.name) == 1))


def test_ten_minutes_of_faults_cost_no_scrape_no_healthy_target_and_no_memory(
        tmp_path: Path) -> None:
    dice = random.Random(os.environ.get("FAULT_SEED", "1"))
    with played(tmp_path, dice) as scene:
        watcher, counts, slowest = Watcher(scene), Counter[str](), 0.0
        watcher.recover()
        settled, end = 0.0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            faults = dice.sample(FAULTS, dice.choice((1, 1, 2, 3)))
            names = [fault.__name__ for fault in faults]
            print(f"{end - time.monotonic():5.0f} s left, "
                  f"{megabytes(scene.running, 'VmRSS'):.0f} MiB: {', '.join(names)}", flush=True)
            counts.update(names)
            with contextlib.ExitStack() as stack:
                meanwhile = [stack.enter_context(fault(scene)) for fault in faults]
                expected = Expected(
                    any(one.starved for one in meanwhile),
                    frozenset().union(*(one.collectors for one in meanwhile)))
                for _ in range(3):
                    watcher.scrape(expected)
                    watcher.check_health()
            scene.bad.serve(BUSY)
            slowest = max(slowest, watcher.recover())
            if not settled and end - time.monotonic() < SECONDS / 2:
                settled = megabytes(scene.running, "VmRSS")  # the largest pages have come by then
        peak, now = megabytes(scene.running), megabytes(scene.running, "VmRSS")
        print(f"{counts.total()} faults: {dict(counts)}; recovered within {slowest:.1f} s; "
              f"{peak:.0f} MiB at most, {now - settled:+.1f} in the last half; "
              f"{threads_of(scene.running)} threads")
        assert peak < MEGABYTES
        assert now - settled < GROWTH_MEGABYTES
        assert threads_of(scene.running) < THREADS
