"""A day of scrapes in some minutes: the exporter's parts on a clock that is put forward by hand.

    python -m bench.day SCRAPES ENGINE_PORT

Prints how many KiB of memory were added after the first two hours.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import os
import sys

from bench.process import own_bytes
from inferometer import heap
from inferometer.collector import Deadline, Scrape
from inferometer.config import parse
from inferometer.cost.collector import CostCollector
from inferometer.engines.collector import EnginesCollector
from inferometer.engines.fetch import Access
from inferometer.engines.tables import TABLES
from inferometer.engines.target import Target
from inferometer.exposition import OPENMETRICS, render
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.crew import Crew, Task
from inferometer.gpu.sampler import Sampler
from inferometer.guard import Guard
from inferometer.home.history import History

INTERVAL = 15.0  # seconds between two scrapes
SETTLED = 2 * 3600.0  # seconds after which nothing new is kept: an hour of plots, an hour of seats
START = 1.79e9  # Unix seconds
CONFIG = """
cost: {gpu_hour_usd: {NVIDIA H100 80GB HBM3: 3.6}}
fleet: {monthly_usd: {storage: 310}, overhead_percent: 10, budgets_usd: {day: 100}}
"""


class Clock:
    """Time that stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds since it began."""
        return self.now

    def wall(self) -> float:
        """The same as Unix time."""
        return START + self.now


class ByHand(Crew):
    """Does what is due when time has been put forward, and what is due now at once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._waiting: list[tuple[float, int, Task]] = []
        self._order = itertools.count()

    def add(self, task: Task, seconds: float = 0.0) -> None:
        """Do the task at once, or when its time has come."""
        if seconds > 0:
            heapq.heappush(self._waiting, (self._clock.now + seconds, next(self._order), task))
        else:
            self._do(task)

    def catch_up(self, until: float) -> None:
        """Put the clock forward, doing on the way what falls due."""
        while self._waiting and self._waiting[0][0] <= until:
            self._clock.now, _, task = heapq.heappop(self._waiting)
            self._do(task)
        self._clock.now = until

    def _do(self, task: Task) -> None:
        seconds = task.step()
        if seconds is not None:
            self.add(task, seconds)


def main(scrapes: int, engine: int) -> float:
    """Scrape so often. Returns the KiB by which memory grew after it had settled."""
    heap.slim()  # as the exporter's own process has it
    clock = Clock()
    crew = ByHand(clock)
    config = parse(CONFIG, "day")
    sampler = Sampler(config.gpu, clock=clock.monotonic, wall=clock.wall, crew=crew)
    target = Target("chat", f"http://127.0.0.1:{engine}", TABLES, Access(), 5.0, clock.wall)
    guard, history = Guard(clock.monotonic), History()
    scrape = Scrape([
        GpuCollector(sampler), EnginesCollector(lambda: [target]),
        CostCollector(config, sampler.gpus, clock.monotonic, clock.wall)], guard)
    sampler.look()
    before = 0
    for number in range(1, scrapes + 1):
        crew.catch_up(number * INTERVAL)
        families = scrape.families(Deadline(10.0))
        render(families, OPENMETRICS)
        if number % 2 == 0:
            history.record(families, clock.now)
        if number == min(int(SETTLED / INTERVAL), scrapes // 2):
            before = _memory()
    return (_memory() - before) / 1024


def _memory() -> int:
    gc.collect()
    return own_bytes(os.getpid())


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2])))
