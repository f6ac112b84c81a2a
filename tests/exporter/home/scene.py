"""Scenes for the page: engines and GPUs in any state, as a scrape and the exporter tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.config import Config, EnginesSection, GpuSection
from inferometer.engines.part import EnginesPart
from inferometer.engines.target import State, Target
from inferometer.families import Family
from inferometer.gpu.part import GpuPart
from inferometer.gpu.registry import Gpu
from inferometer.gpu.sampler import Sampler
from inferometer.home.content import Content, Exporter
from inferometer.home.gather import gather
from inferometer.home.history import History
from inferometer.home.judge.verdicts import Judge
from inferometer.home.page import render
from inferometer.parts import Part
from inferometer.roles import ROLES
from inferometer.sieve import Refusals
from inferometer.values import Histogram, Key, Value

NOW = 1.79e9
BOUNDS = (0.1, 0.5, 1.0)


@dataclass(frozen=True)
class Endpoint:
    """An engine endpoint with its last state, in the place of a Target."""

    name: str
    url: str
    last: State


@dataclass(frozen=True)
class Gpus:
    """GPUs as they are, in the place of a Sampler."""

    seen: Sequence[Gpu]
    state: str
    fault: str = ""

    def gpus(self) -> Sequence[Gpu]:
        return self.seen


class Scene:
    """What there is, step by step; then the page."""

    def __init__(self) -> None:
        self.history = History()
        self.judge = Judge(Config())
        self.points: dict[Metric, dict[Key, Value]] = {}
        self.endpoints: list[Endpoint] = []
        self.gpus: list[Gpu] | None = []
        self.gpu_state = "2 GPUs, driver 570.00.01"
        self.ports: Sequence[int] = (8000, 8080)
        self.ready = True
        self.role = ""
        self.recorded = 0  # steps
        self.demo = False
        self.others: list[Part] = []  # parts beside those of GPUs and engines

    def say(self, metric: Metric, key: Key, value: Value) -> None:
        self.points.setdefault(metric, {})[key] = value

    def engine(self, name: str = "chat", *, model: str = "tiny", version: str = "0.32.0",
               url: str = "http://127.0.0.1:8000/metrics", running: float = 3.0,
               progress: float = NOW - 1, missing: Sequence[str] = (),
               unknown: float = 0.0) -> None:
        """One that answers."""
        target = (name, "vllm", model)
        self.say(c.SERVER_UP, target, 1.0)
        self.say(c.SERVER_LAST_SCRAPE, target, NOW - 2)
        self.say(c.SERVER_LAST_PROGRESS, target, progress)
        self.say(c.UNKNOWN_FAMILIES, (name, "vllm"), unknown)
        for signal in missing:
            self.say(c.SERVER_SIGNAL, (*target, signal, "unavailable"), 1.0)
        for metric, value in ((c.SERVER_RUNNING, running), (c.SERVER_WAITING, 1.0),
                              (c.SERVER_KV_USAGE, 0.56), (c.SERVER_OUTPUT, 3000.0)):
            if metric.signal not in missing:
                self.say(metric, (*target, ""), value)
        if c.SERVER_TTFT.signal not in missing:
            self.say(c.SERVER_TTFT, (*target, ""),
                     Histogram(BOUNDS, (0.0, 80.0, 100.0, 100.0), None))
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
        target = (str(index), gpu.uuid)
        self.say(c.GPU_UP, target, 0.0 if lost else 1.0)
        for xid in xids:
            self.say(c.GPU_XID, (*target, xid), 2.0)
        if price:
            self.say(c.GPU_PRICE, target, 0.81)
        if not lost:
            self.say(c.GPU_UTILIZATION, target, 0.87)
            self.say(c.GPU_MEMORY_USED, (*target, ""), 20.0 * 2**30)
            self.say(c.GPU_MEMORY_TOTAL, (*target, ""), 24.0 * 2**30)
        assert self.gpus is not None
        self.gpus.append(gpu)

    def record(self, times: int = 1, judged: bool = True) -> None:
        """Record what is said now so many steps."""
        for _ in range(times):
            families, step = self.families(), self.history.step
            began = self.recorded * step
            number = self.history.record(families, began)
            if judged:
                self.judge.record(families, number, NOW + began)
            self.recorded += 1

    def families(self) -> list[Family]:
        return [Family(metric, dict(points)) for metric, points in self.points.items()]

    def content(self) -> Content:
        sections = ROLES[self.role].sections
        exporter = Exporter(NOW, NOW - 3700, self.ready, self.role, sections, self.demo)
        parts = [(part, part.runs_in(self.role))
                 for part in (self._gpu_part(), self._engines_part(), *self.others)]
        return gather(self.families(), self.history, exporter, parts, self.judge)

    def page(self, refresh: bool = False) -> bytes:
        return render(self.content(), refresh)

    def _gpu_part(self) -> Part:
        part = GpuPart(Config(gpu=GpuSection(enabled=False)), Refusals())
        if self.gpus is not None:
            part.sampler = cast(Sampler, Gpus(self.gpus, self.gpu_state))
        return part

    def _engines_part(self) -> Part:
        scene = self

        class Part(EnginesPart):
            def targets(self) -> list[Target]:
                return cast(list[Target], scene.endpoints)

        config = Config(engines=EnginesSection(discover_ports=tuple(self.ports)))
        part = Part(config, Refusals())
        part.configure(config)
        return part
