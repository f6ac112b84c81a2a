"""Reads GPUs in the background: one daemon thread a GPU, so that a hung one stops only itself.

A scrape takes the last snapshots and never waits for the driver.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.config import Gpu as GpuConfig
from inferometer.gpu.gate import Gate, SessionEndedError
from inferometer.gpu.nvml import (
    Device,
    Driver,
    DriverLostError,
    Events,
    Extra,
    GpuLostError,
    Round,
)

EVENT_WAIT_SECONDS = 1.0  # at most: a new session waits for those who wait for events
EVENT_PAUSE_SECONDS = 0.5  # where waiting itself fails, as it does on a lost GPU
QUIET_SECONDS = 2.0  # how long to wait for every thread to be out of the driver
FIRST_LOOK_SECONDS = 10.0  # a driver may take long to wake up; one that hangs is not waited for
REOPEN_SECONDS = (30.0, 600.0)  # first and longest wait before NVML is opened anew for lost GPUs
HUNG = "a call does not return"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One GPU's last full round: when it began, on the monotonic clock, and what it brought."""

    at: float
    took: float
    points: dict[Metric, dict[Extra, float]]


@dataclass(eq=False)
class Gpu:
    """What is known of one GPU over the exporter's life."""

    uuid: str  # empty while the GPU has never told it
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

    def take(self, result: Round, at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Publish a round that began `at`; a gap above the longest is not integrated over."""
        elapsed = at - self.snapshot.at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        self.snapshot, self.last_read = Snapshot(at, took, result.points), wall

    def _integrate(self, result: Round, elapsed: float) -> None:
        utilization = result.points.get(c.GPU_UTILIZATION, {}).get(())
        if utilization is not None:
            self.busy_seconds += elapsed * utilization
            self.observed_seconds += elapsed
            result.put([(c.GPU_BUSY, (), self.busy_seconds),
                        (c.GPU_OBSERVED, (), self.observed_seconds)])
        for reason, held in result.held.items():
            seconds = self.throttled_seconds.get(reason, 0.0) + (elapsed if held else 0.0)
            self.throttled_seconds[reason] = seconds
            result.put([(c.GPU_THROTTLED, (reason,), seconds)])


class Sampler:
    """Keeps the list of GPUs true and their snapshots fresh, whatever the driver does."""

    def __init__(self, config: GpuConfig, driver: Driver | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._driver = driver or Driver()
        self._clock = clock
        self._wall = wall
        self._gate = Gate()
        self._lock = threading.Lock()  # over what is known of the GPUs
        self._gpus: dict[str, Gpu] = {}  # by UUID, or by index while there is none
        self._readers: dict[int, _Reader] = {}
        self._version = ""
        self._state = ""
        self._reopen_at = float("inf")
        self._reopen_wait = REOPEN_SECONDS[0]
        self.looked = threading.Event()  # set once the first look for GPUs has ended, or hangs

    def start(self) -> None:
        """Begin to look for GPUs and to read them."""
        threading.Thread(target=self._watch, name="gpu-watch", daemon=True).start()
        patience = threading.Timer(FIRST_LOOK_SECONDS, self.looked.set)
        patience.daemon = True
        patience.start()

    def configure(self, config: GpuConfig) -> None:
        """Take other intervals from now on."""
        self._config = config

    def gpus(self) -> list[Gpu]:
        """All GPUs seen so far, lost ones too."""
        with self._lock:
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
        return snapshot if age <= self._longest_age(snapshot.took) else None

    def _longest_age(self, took: float) -> float:
        """The time to live; two rounds where the driver is slow, though not so slow as to hang."""
        config = self._config
        ttl = config.time_to_live_seconds
        return max(ttl, 2 * took + config.interval_seconds) if took <= ttl else ttl

    def settling(self, gpu: Gpu) -> bool:
        """Whether the GPU is so new that its first round may still be under way."""
        never_read = gpu.last_read is None and not gpu.lost
        return never_read and self._clock() - gpu.adopted_at < self._config.time_to_live_seconds

    def _watch(self) -> None:
        while True:
            try:
                self._look()
            except Exception:  # the watch must outlive anything the driver does
                log.exception("looking for GPUs failed")
            self.looked.set()
            time.sleep(self._config.retry_seconds)

    def _look(self) -> None:
        """Open the driver if it is closed, and see which GPUs there are."""
        try:
            if not self._gate.session:
                self._open(unload=True)  # a library that failed before may be outdated
            elif self._due_for_lost():
                self._reopen()
            count = self._driver.count()
        except DriverLostError as error:
            self._close(f"no driver: {error}", logging.WARNING)
            return
        if count is None:
            self._say("the driver does not say how many GPUs there are", logging.WARNING)
            return
        self._say(f"{count} GPUs, driver {self._version}", logging.INFO)
        self._staff(count)
        self._tell_lost()

    def _open(self, unload: bool) -> None:
        with self._gate.closed(QUIET_SECONDS) as quiet:
            self._begin(unload and quiet)

    def _begin(self, unload: bool) -> None:
        """A new session, while nobody is let into the driver. Raises DriverLostError."""
        self._gate.end()
        self._driver.close(unload)
        self._version = self._driver.open()
        self._gate.begin()

    def _due_for_lost(self) -> bool:
        """Whether it is time to try a new session for lost GPUs, ever more rarely."""
        if not any(gpu.lost for gpu in self.gpus()):
            self._reopen_at, self._reopen_wait = float("inf"), REOPEN_SECONDS[0]
            return False
        now = self._clock()
        if self._reopen_at == float("inf"):
            self._reopen_at = now + self._reopen_wait
        if now < self._reopen_at:
            return False
        self._reopen_wait = min(2 * self._reopen_wait, REOPEN_SECONDS[1])
        self._reopen_at = now + self._reopen_wait
        return True

    def _reopen(self) -> None:
        """A GPU that was reset may answer in a new session only. Raises DriverLostError."""
        if any(reader.stuck() for reader in self._readers.values()):
            return  # the session cannot end while a thread is in it
        patience = min(QUIET_SECONDS, self._config.time_to_live_seconds / 2)  # healthy ones wait
        with self._gate.closed(patience) as quiet:
            if quiet:
                self._begin(unload=False)

    def _close(self, state: str, level: int) -> None:
        """The session is over: nothing known of any GPU is worth showing."""
        with self._lock:
            self._gate.end()
            for gpu in self._gpus.values():
                gpu.snapshot = None
        self._say(state, level)

    def _staff(self, count: int) -> None:
        """Have one thread for each index the driver has; wait for new ones to say what is there."""
        kept = {index: reader for index, reader in self._readers.items()
                if index < count and not reader.done()}
        new = {index: _Reader(self, index, self._gate.session)
               for index in range(count) if index not in kept}
        self._readers = {**kept, **new}
        for reader in new.values():
            reader.start()
        deadline = time.monotonic() + self._config.time_to_live_seconds
        for reader in new.values():
            reader.settled.wait(max(0.0, deadline - time.monotonic()))

    def _tell_lost(self) -> None:
        """Give up GPUs whose thread hangs, and those that no index stands for any more."""
        for reader in self._readers.values():
            if reader.stuck():
                self.lose(reader, HUNG)
        if not all(reader.settled.is_set() for reader in self._readers.values()):
            return
        with self._lock:
            held = {reader.gpu for reader in self._readers.values()}
            for key, gpu in list(self._gpus.items()):
                if gpu in held:
                    continue
                if not gpu.uuid:
                    del self._gpus[key]
                else:
                    gpu.gone = True
                    self._lose(gpu, "no longer there")

    def _say(self, state: str, level: int) -> None:
        if state != self._state:
            self._state = state
            log.log(level, "GPUs", extra={"state": state})

    # What the threads below tell and ask; `owns` says whether they still speak for their GPU.

    @property
    def config(self) -> GpuConfig:
        """The settings in force."""
        return self._config

    @property
    def gate(self) -> Gate:
        """What every call of the driver goes through."""
        return self._gate

    def owns(self, reader: _Reader) -> bool:
        """Whether this thread is still the one that reads its GPU."""
        current = reader.session == self._gate.session
        return current and self._readers.get(reader.index) is reader

    def find(self, reader: _Reader) -> Device:
        """The GPU at the reader's index. Raises GpuLost-, DriverLost- and SessionEndedError."""
        with self._gate.inside(reader, reader.session):
            device = self._driver.device(reader.index)
        with self._lock:
            before = reader.gpu
            self._gpus.pop(str(reader.index), None)
            gpu = self._gpus.get(device.uuid)
            if gpu is None:
                gpu = Gpu(device.uuid, reader.index, lost=before.lost if before else "",
                          adopted_at=self._clock())
                self._gpus[gpu.uuid] = gpu
            gpu.index, gpu.driver_version = reader.index, self._version
            _identify(gpu, device)
            reader.gpu = gpu
        return device

    def read(self, reader: _Reader, device: Device) -> None:
        """One round: read and publish. Raises GpuLost-, DriverLost- and SessionEndedError."""
        began, wall = self._clock(), self._wall()
        with self._gate.inside(reader, reader.session):
            result = device.read()
        if not result.points:
            raise GpuLostError("no call answers")
        with self._lock:
            gpu = reader.gpu
            if gpu is None or not self.owns(reader):
                raise SessionEndedError
            _identify(gpu, device)
            took = self._clock() - began
            gpu.take(result, began, took, wall, self._longest_age(took))
            if gpu.lost:
                log.info("GPU is back", extra={"gpu": gpu.index, "uuid": gpu.uuid})
            gpu.lost, gpu.gone = "", False

    def lose(self, reader: _Reader, why: str) -> None:
        """The GPU at the reader's index does not answer."""
        with self._lock:
            if self._readers.get(reader.index) is reader:
                if reader.gpu is None:
                    reader.gpu = self._known_at(reader.index)
                self._lose(reader.gpu, why)
        reader.settled.set()

    def driver_lost(self, reader: _Reader, why: str) -> None:
        """The reader's session is of no use any more."""
        if self.owns(reader):
            self._close(f"driver lost: {why}", logging.ERROR)

    def expect_xids(self, gpu: Gpu) -> None:
        """From now on the driver tells of this GPU's XIDs: none so far is 0, not unknown."""
        with self._lock:
            gpu.xids = {**dict.fromkeys(c.XIDS_DRAIN, 0), **gpu.xids}

    def count_xid(self, gpu: Gpu, code: int) -> None:
        """One XID event."""
        xid = str(code) if str(code) in c.XID.values else "other"
        with self._lock:
            if not gpu.xids.get(xid):
                log.error("XID event", extra={"gpu": gpu.index, "uuid": gpu.uuid, "xid": code})
            gpu.xids = {**gpu.xids, xid: gpu.xids.get(xid, 0) + 1}  # a scrape may read the old
            gpu.last_xid_time = self._wall()

    def _known_at(self, index: int) -> Gpu:
        """The GPU last seen at an index, if no other thread has it; else one without a name."""
        taken = {reader.gpu for reader in self._readers.values()}
        for gpu in self._gpus.values():
            if gpu.index == index and gpu not in taken:
                return gpu
        return self._gpus.setdefault(str(index), Gpu("", index))

    @staticmethod
    def _lose(gpu: Gpu, why: str) -> None:
        if not gpu.lost:
            log.error("GPU lost", extra={"gpu": gpu.index, "uuid": gpu.uuid, "why": why})
        gpu.lost, gpu.snapshot = why, None


class _Reader:
    """The thread that reads the GPU at one index until the driver's session ends."""

    def __init__(self, sampler: Sampler, index: int, session: int) -> None:
        self.index = index
        self.session = session
        self.gpu: Gpu | None = None
        self.device: Device | None = None
        self.settled = threading.Event()  # set once the GPU was read, or found lost
        self._sampler = sampler
        self._thread = threading.Thread(target=self._run, name=f"gpu-{index}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stuck(self) -> bool:
        """Whether the thread has been in the driver for longer than any value lives."""
        since = self._sampler.gate.since(self)
        ttl = self._sampler.config.time_to_live_seconds
        return since is not None and time.monotonic() - since > ttl

    def done(self) -> bool:
        """Whether another may take its place."""
        if self._sampler.owns(self):
            return not self._thread.is_alive()
        return self._sampler.gate.since(self) is None

    def _run(self) -> None:
        try:
            while self._sampler.owns(self):
                self._read_until_lost()
                time.sleep(self._sampler.config.retry_seconds)
        except SessionEndedError:
            pass
        except DriverLostError as error:
            self._sampler.driver_lost(self, str(error))
        self.settled.set()

    def _read_until_lost(self) -> None:
        try:
            self.device = self._sampler.find(self)
            _Listener(self._sampler, self, self.device).start()
            while self._sampler.owns(self):
                began = time.monotonic()
                self._sampler.read(self, self.device)
                self.settled.set()
                took = time.monotonic() - began
                time.sleep(max(0.01, self._sampler.config.interval_seconds - took))
        except (SessionEndedError, DriverLostError):
            raise
        except GpuLostError as error:
            self._sampler.lose(self, str(error))
        except Exception as error:  # whatever one GPU does, its thread goes on trying
            self._sampler.lose(self, f"{type(error).__name__}: {error}")


class _Listener:
    """The thread that counts a GPU's XIDs: an event must not wait for the GPU's other calls."""

    def __init__(self, sampler: Sampler, reader: _Reader, device: Device) -> None:
        self._sampler = sampler
        self._reader = reader
        self._device = device

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"gpu-{self._reader.index}-events",
                         daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(SessionEndedError):  # what was opened in it went with it
            self._listen()

    def _listen(self) -> None:
        gate, session, gpu = self._sampler.gate, self._reader.session, self._reader.gpu
        with gate.inside(self, session):
            events = Events(self._device)
        if gpu is not None and events.registered:
            self._sampler.expect_xids(gpu)
            while self._speaks():
                with gate.inside(self, session):
                    code = events.wait(self._patience())
                if code is not None:
                    self._sampler.count_xid(gpu, code)
                elif events.failing:
                    time.sleep(EVENT_PAUSE_SECONDS)
        with gate.inside(self, session):
            events.close()

    def _patience(self) -> int:
        ttl = self._sampler.config.time_to_live_seconds
        return int(1000 * min(EVENT_WAIT_SECONDS, ttl / 4))

    def _speaks(self) -> bool:
        return self._reader.device is self._device and self._sampler.owns(self._reader)


def _identify(gpu: Gpu, device: Device) -> None:
    gpu.name = device.name or gpu.name
    gpu.pci_bus_id = device.pci_bus_id or gpu.pci_bus_id
