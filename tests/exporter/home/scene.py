"""Scenes for the page: engines and GPUs in any state, as a scrape and the exporter tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.target import State
from inferometer.families import Family
from inferometer.gpu.registry import Gpu
from inferometer.home.cards import gather
from inferometer.home.content import Content, Endpoint, Surroundings
from inferometer.home.history import History
from inferometer.home.page import render
from inferometer.values import Histogram, Key, Value

NOW = 1.79e9
BOUNDS = (0.1, 0.5, 1.0)


class Scene:
    """What there is, step by step; then the page."""

    def __init__(self) -> None:
        self.history = History()
        self.said: dict[Metric, dict[Key, Value]] = {}
        self.endpoints: list[Endpoint] = []
        self.gpus: list[Gpu] | None = []
        self.gpu_state = "2 GPUs, driver 570.00.01"
        self.ports: Sequence[int] = (8000, 8080)
        self.ready = True
        self.role = ""

    def say(self, metric: Metric, key: Key, value: Value) -> None:
        self.said.setdefault(metric, {})[key] = value

    def engine(self, name: str = "chat", *, model: str = "tiny", version: str = "0.32.0",
               url: str = "http://127.0.0.1:8000/metrics", running: float = 3.0,
               progress: float = NOW - 1, missing: Sequence[str] = (),
               unknown: float = 0.0) -> None:
        """One that answers."""
        who = (name, "vllm", model)
        self.say(c.SERVER_UP, who, 1.0)
        self.say(c.SERVER_LAST_SCRAPE, who, NOW - 2)
        self.say(c.SERVER_LAST_PROGRESS, who, progress)
        self.say(c.UNKNOWN_FAMILIES, (name, "vllm"), unknown)
        for signal in missing:
            self.say(c.SERVER_SIGNAL, (*who, signal, "unavailable"), 1.0)
        for metric, value in ((c.SERVER_RUNNING, running), (c.SERVER_WAITING, 1.0),
                              (c.SERVER_KV_USAGE, 0.56), (c.SERVER_OUTPUT, 3000.0)):
            if metric.signal not in missing:
                self.say(metric, (*who, ""), value)
        if c.SERVER_TTFT.signal not in missing:
            self.say(c.SERVER_TTFT, (*who, ""), Histogram(BOUNDS, (0.0, 80.0, 100.0, 100.0), None))
        self.endpoints.append(Endpoint(name, url, State(
            True, "vllm", model, version, NOW - 2)))

    def down(self, name: str = "chat", why: str = "connection refused",
             read_at: float | None = None, model: str = "") -> None:
        """One that does not."""
        engine = "vllm" if read_at else "unknown"
        self.say(c.SERVER_UP, (name, engine, model), 0.0)
        self.endpoints.append(Endpoint(name, "http://127.0.0.1:8000/metrics", State(
            False, engine, model, "", read_at, None, why)))

    def gpu(self, index: int = 0, *, lost: str = "", name: str = "NVIDIA L4", price: bool = True,
            xids: Sequence[str] = ()) -> None:
        gpu = Gpu(f"GPU-{index}", index, name, lost=lost,
                  last_read=NOW - (600 if lost else 1))
        who = (str(index), gpu.uuid)
        self.say(c.GPU_UP, who, 0.0 if lost else 1.0)
        for xid in xids:
            self.say(c.GPU_XID, (*who, xid), 2.0)
        if price:
            self.say(c.GPU_PRICE, who, 0.81)
        if not lost:
            self.say(c.GPU_UTILIZATION, who, 0.87)
            self.say(c.GPU_MEMORY_USED, (*who, ""), 20.0 * 2**30)
            self.say(c.GPU_MEMORY_TOTAL, (*who, ""), 24.0 * 2**30)
        assert self.gpus is not None
        self.gpus.append(gpu)

    def record(self, times: int = 1) -> None:
        """Record what is said now so many steps."""
        for _ in range(times):
            self.history.record(self.families(), self.history.recordings * self.history.step)

    def families(self) -> list[Family]:
        return [Family(metric, dict(points)) for metric, points in self.said.items()]

    def facts(self) -> Content:
        around = Surroundings(NOW, NOW - 3700, self.ready, self.gpus, self.gpu_state, 10.0,
                              self.endpoints, self.ports, 10.0, self.role)
        return gather(self.families(), self.history, around)

    def page(self, refresh: bool = False) -> bytes:
        return render(self.facts(), refresh)
