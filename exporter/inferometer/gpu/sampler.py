"""Reads GPUs in the background, so that a GPU that hangs stops only itself.

A scrape takes the last snapshots and never waits for the driver.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from inferometer.config import GpuSection
from inferometer.gpu.crew import Crew
from inferometer.gpu.driver import Driver
from inferometer.gpu.gate import Gate
from inferometer.gpu.nvml import DriverLostError
from inferometer.gpu.reader import Reader
from inferometer.gpu.registry import Gpu, Registry, Snapshot
from inferometer.threads import Loop, Standing, Start, TimedEvent, start_thread

QUIET_SECONDS = 2.0  # how long to wait for every thread to be out of the driver
FIRST_LOOK_SECONDS = 10.0  # a driver may take long to wake up; one that hangs is not waited for
REOPEN_SECONDS = (30.0, 600.0)  # first and longest wait before NVML is opened anew for lost GPUs
HUNG = "a call does not return"

log = logging.getLogger(__name__)


class Sampler:
    """Opens the driver, opens it anew where that may help, and has a reader for each GPU."""

    def __init__(self, config: GpuSection, driver: Driver | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time, crew: Crew | None = None,
                 start: Start = start_thread) -> None:
        self._config = config
        self._driver = driver or Driver()
        self._clock = clock
        self._crew = crew or Crew(start)
        self._loop = Loop("gpu-watch", self._watch, lambda: self._config.retry_seconds, start)
        self._gate = Gate()
        self.registry = Registry(self._gate, config, clock, wall)
        self._readers: dict[int, Reader] = {}  # by index
        self._version = ""
        self._state = ""
        self._reopen_at = float("inf")
        self._reopen_wait = REOPEN_SECONDS[0]
        self.looked = TimedEvent()  # set once the first look has ended, or hangs

    def start(self) -> None:
        """Begin to look for GPUs and to read them."""
        self.looked.begin(FIRST_LOOK_SECONDS)
        self._loop.start()

    def stop(self) -> None:
        """Look no more; readers end with the session, a call that hangs with the process."""
        self._loop.stop()
        self._gate.end()

    def loops(self) -> list[Standing]:
        """What is to go on: the watch and the readers."""
        return [self._loop, self._crew]

    def configure(self, config: GpuSection) -> None:
        """Take other intervals from now on."""
        self._config = self.registry.config = config

    def gpus(self) -> list[Gpu]:
        """All GPUs seen so far, lost ones too."""
        return self.registry.gpus()

    def fresh(self, gpu: Gpu) -> Snapshot | None:
        """The GPU's snapshot while it is within its time to live."""
        return self.registry.fresh(gpu)

    def settling(self, gpu: Gpu) -> bool:
        """Whether the GPU is so new that its first round may still be under way."""
        return self.registry.settling(gpu)

    @property
    def state(self) -> str:
        """The result of the last look for GPUs, as in "8 GPUs, driver 570.00.01"."""
        return self._state

    def _watch(self) -> None:
        try:
            self.look()
        finally:
            self.looked.set()

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
            self._report("the driver does not say how many GPUs there are", logging.WARNING)
            return
        self._report(f"{count} GPUs, driver {self._version}", logging.INFO)
        self._staff(count)
        self._give_up_lost()

    def _open(self, unload: bool) -> None:
        with self._gate.closed(QUIET_SECONDS) as quiet:
            self._begin(unload and quiet)

    def _begin(self, unload: bool) -> None:
        """Start a session, while nobody is let into the driver. Raises DriverLostError."""
        self._gate.end()
        self._driver.close(unload)
        self._version = self._driver.open()
        self._gate.begin()

    def _due_for_lost(self) -> bool:
        """Whether it is time to try a new session for lost GPUs. The waits grow longer."""
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
        """Start a new session: a GPU that was reset may answer in no other.

        Raises DriverLostError.
        """
        if any(reader.stuck() for reader in self._readers.values()):
            return  # the session cannot end while a thread is in it
        patience = min(QUIET_SECONDS, self._config.time_to_live_seconds / 2)  # healthy ones wait
        with self._gate.closed(patience) as quiet:
            if quiet:
                self._begin(unload=False)

    def _close(self, state: str, level: int) -> None:
        self.registry.end_session()
        self._report(state, level)

    def _lose_driver(self, reason: str) -> None:
        self._close(f"driver lost: {reason}", logging.ERROR)

    def _staff(self, count: int) -> None:
        """Have one reader for each index. Waits until the new ones know their GPUs' state."""
        kept = {index: reader for index, reader in self._readers.items()
                if index < count and not reader.done()}
        slots = self.registry.open_slots(count, kept, self._version)
        new = {slot.index: Reader(slot, self._driver, self._gate, self.registry, self._crew,
                                  self._lose_driver) for slot in slots}
        self._readers = {**kept, **new}
        for reader in new.values():
            self._crew.add(reader)
        deadline = time.monotonic() + self._config.time_to_live_seconds
        for reader in new.values():
            reader.settled.wait(max(0.0, deadline - time.monotonic()))

    def _give_up_lost(self) -> None:
        """Give up the GPUs whose reader hangs, and those that the driver no longer lists."""
        for reader in self._readers.values():
            if reader.stuck():
                reader.give_up(HUNG)
        if all(reader.settled.is_set() for reader in self._readers.values()):
            self.registry.lose_absent()

    def _report(self, state: str, level: int) -> None:
        if state != self._state:
            self._state = state
            log.log(level, "GPUs", extra={"state": state})
