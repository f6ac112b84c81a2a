"""Reads GPUs in the background, so that a hung one stops only itself.

A scrape takes the last snapshots and never waits for the driver.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from inferometer import catalogue as c
from inferometer.config import GpuSection
from inferometer.gpu.crew import Crew
from inferometer.gpu.gate import Gate, SessionEndedError
from inferometer.gpu.nvml import Device, Driver, DriverLostError, GpuLostError
from inferometer.gpu.reader import Reader
from inferometer.gpu.state import Gpu, Snapshot

QUIET_SECONDS = 2.0  # how long to wait for every thread to be out of the driver
FIRST_LOOK_SECONDS = 10.0  # a driver may take long to wake up; one that hangs is not waited for
REOPEN_SECONDS = (30.0, 600.0)  # first and longest wait before NVML is opened anew for lost GPUs
HUNG = "a call does not return"

log = logging.getLogger(__name__)


class Sampler:
    """Keeps the list of GPUs true and their snapshots fresh, whatever the driver does."""

    def __init__(self, config: GpuSection, driver: Driver | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time, crew: Crew | None = None) -> None:
        self._config = config
        self._driver = driver or Driver()
        self._clock = clock
        self._wall = wall
        self._crew = crew or Crew()
        self._gate = Gate()
        self._lock = threading.Lock()  # over what is known of the GPUs
        self._gpus: dict[str, Gpu] = {}  # by UUID, or by index while there is none
        self._readers: dict[int, Reader] = {}
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

    def configure(self, config: GpuSection) -> None:
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
        """The time to live; three rounds where the driver is slow, but four such times at most."""
        ttl = self._config.time_to_live_seconds
        return min(max(ttl, 3 * took + self._config.interval_seconds), 4 * ttl)

    def settling(self, gpu: Gpu) -> bool:
        """Whether the GPU is so new that its first round may still be under way."""
        never_read = gpu.last_read is None and not gpu.lost
        return never_read and self._clock() - gpu.adopted_at < self._config.time_to_live_seconds

    def _watch(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # the watch must outlive anything the driver does
                log.exception("looking for GPUs failed")
            self.looked.set()
            time.sleep(self._config.retry_seconds)

    def look(self) -> None:
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
        """Have one reader for each index the driver has; wait for new ones to say what is there."""
        kept = {index: reader for index, reader in self._readers.items()
                if index < count and not reader.done()}
        new = {index: Reader(self, index, self._gate.session)
               for index in range(count) if index not in kept}
        self._readers = {**kept, **new}
        for reader in new.values():
            self._crew.add(reader)
        deadline = time.monotonic() + self._config.time_to_live_seconds
        for reader in new.values():
            reader.settled.wait(max(0.0, deadline - time.monotonic()))

    def _tell_lost(self) -> None:
        """Give up GPUs whose reader hangs, and those that no index stands for any more."""
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

    # What readers and listeners tell and ask; `owns` says whether they still speak for their GPU.

    @property
    def config(self) -> GpuSection:
        """The settings in force."""
        return self._config

    @property
    def crew(self) -> Crew:
        """Who does what is to be done again and again."""
        return self._crew

    @property
    def gate(self) -> Gate:
        """What every call of the driver goes through."""
        return self._gate

    def owns(self, reader: Reader) -> bool:
        """Whether this is still the one that reads its GPU."""
        current = reader.session == self._gate.session
        return current and self._readers.get(reader.index) is reader

    def find(self, reader: Reader) -> Device:
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

    def read(self, reader: Reader, device: Device) -> None:
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
            hung = result.slowest > self._config.time_to_live_seconds
            took = 0.0 if hung else self._clock() - began
            gpu.take(result, began, took, wall, self._longest_age(took))
            if gpu.lost:
                log.info("GPU is back", extra={"gpu": gpu.index, "uuid": gpu.uuid})
            gpu.lost, gpu.gone = "", False

    def lose(self, reader: Reader, why: str) -> None:
        """The GPU at the reader's index does not answer."""
        with self._lock:
            if self._readers.get(reader.index) is reader:
                if reader.gpu is None:
                    reader.gpu = self._known_at(reader.index)
                self._lose(reader.gpu, why)
        reader.settled.set()

    def driver_lost(self, reader: Reader, why: str) -> None:
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


def _identify(gpu: Gpu, device: Device) -> None:
    gpu.name = device.name or gpu.name
    gpu.pci_bus_id = device.pci_bus_id or gpu.pci_bus_id
    gpu.minor = device.minor or gpu.minor
