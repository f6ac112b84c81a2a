"""One GPU of the demo: what it measures, as the work on it and what ails it have it.

The figures are those of an H100 80GB HBM3 in `nvidia-smi -q`: limits of power and temperature,
clocks, memory.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from inferometer.demo.clock import StoryClock

NAME = "NVIDIA H100 80GB HBM3"
MEMORY_BYTES = 81559 * 2**20
IDLE_MEMORY_BYTES, MODEL_MEMORY_BYTES, FULL_MEMORY_BYTES = (
    3 * 2**20, 75_300 * 2**20, 80_900 * 2**20)
POWER_LIMIT_WATTS = 700
IDLE_WATTS, BUSY_WATTS = 72, 560
SLOWDOWN_CELSIUS = 89
COOL_CELSIUS, WARMING_CELSIUS, OVERHEATED_CELSIUS = 31.0, 34.0, 90.0
WARMING_MINUTES = 2.0  # until it has come most of the way to another temperature
CLOCKS_MEGAHERTZ = {0: 1980, 1: 1980, 2: 2619, 3: 1755}  # graphics, SM, memory, video: the highest
IDLE_MEGAHERTZ, HELD_MEGAHERTZ = 345, 1095
HELD_SHARE = 0.35  # of the time, while it is too hot
LINK_BYTES, BUS_BYTES = 90e9, 4e9  # per second, at full load
Load = Callable[[], float]  # of the engine on a GPU, 0 to 1


@dataclass(frozen=True)
class Ailment:
    """What is wrong with a GPU now."""

    lost: bool = False
    overheated: bool = False
    memory_full: bool = False


@dataclass
class Measured:
    """What a GPU measures. Counters grow; units are the driver's where a name has one."""

    utilization: float = 0.0
    memory_used: int = IDLE_MEMORY_BYTES
    watts: float = IDLE_WATTS
    celsius: float = COOL_CELSIUS
    megahertz: int = IDLE_MEGAHERTZ
    joules: float = 0.0
    held_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(
        ("power_cap", "hw_thermal"), 0.0))
    bus_bytes: float = 0.0
    link_bytes: float = 0.0
    corrected: int = 0


class DemoGpu:
    """One GPU, with the work on it. It goes on whenever somebody looks."""

    def __init__(self, index: int, clock: StoryClock, work: Load | None = None,
                 linked: bool = False) -> None:
        self.index = index
        self.uuid = f"GPU-de3010ad-0000-4000-8000-{index:012x}"
        self.bus_id = f"00000000:{0x1b + 0x20 * index:02X}:00.0"
        self.ailment = Ailment()
        self.work = work
        self._clock = clock
        self._linked = linked
        self._dice = random.Random(index)
        self._lock = threading.Lock()
        self._events: list[int] = []
        self._seen = clock.minutes()
        self._measured = Measured(joules=3.6e6 * (index + 1), corrected=index)

    def lose(self, xid: int) -> None:
        """Fall off the bus, with an XID event, once somebody has heard of that."""
        self._events.append(xid)

    def heal(self) -> None:
        """Be well again, as after a reset."""
        self._events.clear()
        self.ailment = Ailment()

    def take_event(self) -> int | None:
        """The XID event that nobody has taken yet; the GPU is lost from then on."""
        if not self._events:
            return None
        self.ailment = replace(self.ailment, lost=True)
        return self._events.pop(0)

    def measure(self) -> Measured:
        """What it measures now."""
        with self._lock:
            now = self._clock.minutes()
            passed, self._seen = now - self._seen, now
            if passed > 0:
                self._go_on(self._measured, passed, self._clock.seconds(passed))
            return self._measured

    def _go_on(self, now: Measured, minutes: float, seconds: float) -> None:
        hot = self.ailment.overheated
        load = self.work() if self.work else 0.0
        jitter = self._dice.uniform(-0.04, 0.04) if 0 < load < 1 else 0.0
        now.utilization = min(1.0, max(0.0, load + jitter))
        now.watts = IDLE_WATTS + BUSY_WATTS * now.utilization * (0.8 if hot else 1.0)
        goal = OVERHEATED_CELSIUS if hot else COOL_CELSIUS + WARMING_CELSIUS * now.utilization
        now.celsius += (goal - now.celsius) * min(1.0, minutes / WARMING_MINUTES)
        now.megahertz = IDLE_MEGAHERTZ if not now.utilization else (
            HELD_MEGAHERTZ if hot else CLOCKS_MEGAHERTZ[1] - round(180 * now.utilization**3))
        now.memory_used = IDLE_MEMORY_BYTES if not load else (
            FULL_MEMORY_BYTES if self.ailment.memory_full else
            MODEL_MEMORY_BYTES + round(2**30 * load))
        now.joules += now.watts * seconds
        now.bus_bytes += BUS_BYTES * now.utilization * seconds
        now.link_bytes += LINK_BYTES * now.utilization * seconds * self._linked
        now.held_seconds["power_cap"] += seconds * 0.02 * (now.utilization > 0.9)
        now.held_seconds["hw_thermal"] += seconds * HELD_SHARE * hot


def by_index(gpus: Sequence[DemoGpu], index: int) -> DemoGpu | None:
    """The GPU at an index; None where there is none."""
    return gpus[index] if 0 <= index < len(gpus) else None
