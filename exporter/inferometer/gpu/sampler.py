"""Reads GPUs in the background: one daemon thread a GPU, so that a hung one stops only itself.

A scrape takes the last snapshots and never waits for the driver.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.config import Gpu as GpuConfig
from inferometer.gpu.nvml import (
    CLOCK_REASONS,
    Device,
    Driver,
    DriverLostError,
    Events,
    Extra,
    GpuLostError,
    Round,
)

EVENT_WAIT_MILLISECONDS = 500
QUIET_SECONDS = 2.0  # how long to wait for every thread to be out of the driver
REOPEN_SECONDS = (30.0, 600.0)  # first and longest wait before NVML is opened anew for lost GPUs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One GPU's last full round: when, on the monotonic clock, and what."""

    at: float
    points: dict[Metric, dict[Extra, float]]


@dataclass(eq=False)
class Gpu:
    """What is known of one GPU over the exporter's life."""

    uuid: str
    index: int
    name: str = ""
    pci_bus_id: str = ""
    driver_version: str = ""
    lost: str = ""
    snapshot: Snapshot | None = None
    last_read: float | None = None  # Unix seconds
    busy_seconds: float = 0.0
    observed_seconds: float = 0.0
    adopted_at: float = 0.0
    gone: bool = False  # lost, and not even listed by the driver any more
    throttled_seconds: dict[str, float] = field(default_factory=dict)
    xids: dict[str, int] = field(default_factory=dict)
    last_xid_time: float | None = None


class Sampler:
    """Keeps the list of GPUs true and their snapshots fresh, whatever the driver does."""

    def __init__(self, config: GpuConfig, driver: Driver | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._driver = driver or Driver()
        self._clock = clock
        self._wall = wall
        self._gate = _Gate()
        self._gpus: dict[str, Gpu] = {}
        self._threads: dict[str, _GpuThread] = {}
        self._version = ""
        self._opened = False
        self._state = ""
        self._wake = threading.Event()
        self._generation = 0
        self._reopen_at = float("inf")
        self._reopen_wait = REOPEN_SECONDS[0]
        self.looked = threading.Event()  # set once the first look for GPUs has ended

    def start(self) -> None:
        """Begin to look for GPUs and to read them."""
        threading.Thread(target=self._watch, name="gpu-watch", daemon=True).start()

    def configure(self, config: GpuConfig) -> None:
        """Take other intervals from now on."""
        self._config = config

    def gpus(self) -> list[Gpu]:
        """All GPUs seen so far, lost ones too."""
        return sorted(self._gpus.values(), key=lambda gpu: (gpu.index, gpu.uuid))

    @property
    def state(self) -> str:
        """What came of looking for GPUs, in a few words."""
        return self._state

    def fresh(self, gpu: Gpu) -> Snapshot | None:
        """The GPU's snapshot while it is within its time to live."""
        snapshot = gpu.snapshot
        if snapshot is None:
            return None
        age = self._clock() - snapshot.at
        return snapshot if age <= self._config.time_to_live_seconds else None

    def settling(self, gpu: Gpu) -> bool:
        """Whether the GPU is so new that its first round may still be under way."""
        never_read = gpu.snapshot is None and not gpu.lost
        return never_read and self._clock() - gpu.adopted_at < self._config.time_to_live_seconds

    def owns(self, thread: _GpuThread) -> bool:
        """Whether this thread is still the one that reads its GPU."""
        return self._threads.get(thread.device.uuid) is thread

    @property
    def config(self) -> GpuConfig:
        """The settings in force."""
        return self._config

    def driver_lost(self, why: str) -> None:
        """Told by a GPU's thread: the session is of no use any more."""
        if self._opened:
            self._opened = False
            self._say(f"driver lost: {why}", logging.ERROR)
        for gpu in self._gpus.values():
            gpu.snapshot = None
        self._wake.set()

    def _watch(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # the watch must outlive anything the driver does
                log.exception("looking for GPUs failed")
            self.looked.set()
            self._wake.wait(self._config.retry_seconds)
            self._wake.clear()

    def _look(self) -> None:
        """Open the driver if it is closed, and see which GPUs there are."""
        try:
            if not self._opened:
                self._open()
            self._enumerate()
        except DriverLostError as error:
            self._opened = False
            self._say(f"no driver: {error}", logging.WARNING)
            for gpu in self._gpus.values():
                gpu.snapshot = None
            return
        if any(gpu.lost for gpu in self._gpus.values()):
            self._reopen_for_lost()
        else:
            self._reopen_at, self._reopen_wait = float("inf"), REOPEN_SECONDS[0]

    def _open(self) -> None:
        with self._gate.closed(QUIET_SECONDS) as quiet:
            self._driver.close(unload=quiet)  # a library that failed before may be outdated
            self._version = self._driver.open()
        self._opened = True
        self._threads = {uuid: t for uuid, t in self._threads.items() if t.stuck()}

    def _enumerate(self) -> None:
        found: dict[str, Device] = {}
        lost: dict[int, str] = {}
        for index in range(self._driver.count()):
            try:
                device = self._driver.device(index)
            except GpuLostError as error:
                lost[index] = str(error)
            except DriverLostError:
                raise
            else:
                found[device.uuid] = device
        self._settle(found, lost)
        self._say(f"{len(self._gpus)} GPUs, driver {self._version}", logging.INFO)

    def _settle(self, found: dict[str, Device], lost: dict[int, str]) -> None:
        """Match what the driver has with what is known; start threads for what is new."""
        by_index = {gpu.index: gpu for gpu in self._gpus.values() if gpu.uuid not in found}
        for index, why in lost.items():
            gpu = by_index.get(index) or self._gpus.setdefault("", Gpu("", index))
            self._lose(gpu, why)
        if not lost:
            self._gpus.pop("", None)
        for uuid, gpu in list(self._gpus.items()):
            if uuid and uuid not in found and gpu.index not in lost:
                gpu.gone = True
                self._lose(gpu, "no longer there")
        fresh = [device for uuid, device in found.items() if self._adopt(uuid, device)]
        if fresh:
            self._listen([t.device for t in self._threads.values()])

    def _adopt(self, uuid: str, device: Device) -> bool:
        """Take a GPU that answers; True if it gets a thread it did not have."""
        gpu = self._gpus.setdefault(uuid, Gpu(uuid, device.index))
        gpu.index, gpu.name = device.index, device.name or gpu.name
        gpu.pci_bus_id, gpu.driver_version = device.pci_bus_id or gpu.pci_bus_id, self._version
        thread = self._threads.get(uuid)
        if thread is not None and thread.alive() and not gpu.lost:
            return False
        if thread is not None and thread.stuck():
            return False
        if gpu.lost:
            log.info("GPU is back", extra={"gpu": gpu.index, "uuid": uuid})
        gpu.lost, gpu.gone, gpu.adopted_at = "", False, self._clock()
        self._threads[uuid] = _GpuThread(self, gpu, device)
        self._threads[uuid].start()
        return True

    def lose(self, gpu: Gpu, why: str) -> None:
        """Told by a GPU's thread: this GPU is lost."""
        self._lose(gpu, why)
        self._wake.set()

    def _lose(self, gpu: Gpu, why: str) -> None:
        if not gpu.lost:
            log.error("GPU lost", extra={"gpu": gpu.index, "uuid": gpu.uuid, "why": why})
        gpu.lost, gpu.snapshot = why, None

    def _reopen_for_lost(self) -> None:
        """A GPU that was reset may answer in a new session only: try one, ever more rarely."""
        now = self._clock()
        if self._reopen_at == float("inf"):
            self._reopen_at = now + self._reopen_wait
        if now < self._reopen_at:
            return
        self._reopen_wait = min(2 * self._reopen_wait, REOPEN_SECONDS[1])
        self._reopen_at = now + self._reopen_wait
        with self._gate.closed(QUIET_SECONDS) as quiet:
            if quiet:
                self._driver.close(unload=False)
                self._version = self._driver.open()
                self._threads = {}
        if quiet:
            self._enumerate()

    def _listen(self, devices: list[Device]) -> None:
        self._generation += 1
        threading.Thread(target=self._hear, args=(devices, self._generation), name="gpu-events",
                         daemon=True).start()

    def _hear(self, devices: list[Device], generation: int) -> None:
        """Count XID events until a later generation listens."""
        with self._gate.inside():
            events = Events(devices)
        for device in events.registered.values():
            xids = self._gpus[device.uuid].xids
            for code in c.XIDS_DRAIN:
                xids.setdefault(code, 0)
        while events.registered and generation == self._generation and self._opened:
            with self._gate.inside():
                try:
                    event = events.wait(EVENT_WAIT_MILLISECONDS)
                except DriverLostError:
                    break
            if event is not None:
                self._count_xid(self._gpus[event[0].uuid], event[1])
        with self._gate.inside():
            events.close()

    def _count_xid(self, gpu: Gpu, code: int) -> None:
        xid = str(code) if str(code) in c.XID.values else "other"
        if not gpu.xids.get(xid):
            log.error("XID event", extra={"gpu": gpu.index, "uuid": gpu.uuid, "xid": code})
        gpu.xids[xid] = gpu.xids.get(xid, 0) + 1
        gpu.last_xid_time = self._wall()

    def _say(self, state: str, level: int) -> None:
        if state != self._state:
            self._state = state
            log.log(level, "GPUs", extra={"state": state})

    def read(self, gpu: Gpu, device: Device) -> None:
        """One round for one GPU: read, integrate, publish. Raises GpuLost- and DriverLostError."""
        with self._gate.inside():
            result = device.read()
        if not result.points:
            raise GpuLostError("no call answers")
        now, previous = self._clock(), gpu.snapshot
        if previous is not None:
            elapsed = now - previous.at
            if elapsed <= self._config.time_to_live_seconds:
                self._integrate(gpu, result, elapsed)
        self._derive(gpu, result)
        gpu.snapshot, gpu.last_read = Snapshot(now, result.points), self._wall()

    def _integrate(self, gpu: Gpu, result: Round, elapsed: float) -> None:
        utilization = result.points.get(c.GPU_UTILIZATION, {}).get(())
        if utilization is not None:
            gpu.busy_seconds += elapsed * utilization
            gpu.observed_seconds += elapsed
        if result.clock_reasons is not None:
            for reason, bit in CLOCK_REASONS.items():
                held = elapsed if result.clock_reasons & bit else 0.0
                gpu.throttled_seconds[reason] = gpu.throttled_seconds.get(reason, 0.0) + held

    @staticmethod
    def _derive(gpu: Gpu, result: Round) -> None:
        if c.GPU_UTILIZATION in result.points:
            result.put([(c.GPU_BUSY, (), gpu.busy_seconds),
                        (c.GPU_OBSERVED, (), gpu.observed_seconds)])
        counted = result.points.get(c.GPU_THROTTLED, {})
        if result.clock_reasons is not None:
            result.put((c.GPU_THROTTLED, (reason,), gpu.throttled_seconds.get(reason, 0.0))
                       for reason in CLOCK_REASONS if (reason,) not in counted)


class _GpuThread:
    """The thread that reads one GPU until the GPU or the driver is lost."""

    def __init__(self, sampler: Sampler, gpu: Gpu, device: Device) -> None:
        self.device = device
        self._sampler = sampler
        self._gpu = gpu
        self._began: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"gpu-{device.index}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stuck(self) -> bool:
        """Whether the thread is in a call that has outlived any value."""
        began = self._began
        ttl = self._sampler.config.time_to_live_seconds
        return self.alive() and began is not None and time.monotonic() - began > ttl

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while self._sampler.owns(self):
                began = self._began = time.monotonic()
                self._sampler.read(self._gpu, self.device)
                self._began = None
                took = time.monotonic() - began
                pause.wait(max(0.01, self._sampler.config.interval_seconds - took))
        except GpuLostError as error:
            if self._sampler.owns(self):
                self._sampler.lose(self._gpu, str(error))
        except DriverLostError as error:
            if self._sampler.owns(self):
                self._sampler.driver_lost(str(error))


class _Gate:
    """Lets any number of threads into the driver, and one close it once all are out."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._closing = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._closing)
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextmanager
    def closed(self, seconds: float) -> Iterator[bool]:
        """Keep all out; says whether nobody is left inside."""
        with self._condition:
            self._closing = True
            quiet = self._condition.wait_for(lambda: self._inside == 0, timeout=seconds)
        try:
            yield quiet
        finally:
            with self._condition:
                self._closing = False
                self._condition.notify_all()
