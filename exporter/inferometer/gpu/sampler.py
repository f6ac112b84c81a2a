"""Reads GPUs in the background, so that a GPU that hangs stops only itself.

A scrape takes the last snapshots and never waits for the driver.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from inferometer.catalogue import GPUS
from inferometer.config import GpuSection
from inferometer.gpu.crew import Crew
from inferometer.gpu.driver import Driver
from inferometer.gpu.gate import Gate
from inferometer.gpu.nvml import OTHER, DriverLostError
from inferometer.gpu.reader import Reader
from inferometer.gpu.registry import Gpu, Registry, Snapshot
from inferometer.reasons import reason_of
from inferometer.sieve import Refusals
from inferometer.threads import Loop, Standing, Start, TimedEvent, start_thread

QUIET_SECONDS = 2.0  # how long to wait for every thread to be out of the driver
FIRST_LOOK_SECONDS = 10.0  # a driver may take long to wake up; one that hangs is not waited for
LOOK_SECONDS = 10.0  # a driver that keeps a look waiting for longer does not answer
REOPEN_SECONDS = (30.0, 600.0)  # first and longest wait before NVML is opened anew for lost GPUs
HUNG = "a call does not return"
NO_ANSWER = "no_answer"

log = logging.getLogger(__name__)


class Sampler:
    """Opens the driver, opens it anew where that may help, and has a reader for each GPU."""

    def __init__(self, config: GpuSection, driver: Driver | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time, crew: Crew | None = None,
                 start: Start = start_thread, refusals: Refusals | None = None) -> None:
        self._config = config
        self._driver = driver or Driver()
        self._clock = clock
        self._crew = crew or Crew(start)
        self._loop = Loop("gpu-watch", self._watch, lambda: self._config.retry_seconds, start)
        self._gate = Gate()
        self.registry = Registry(self._gate, config, clock, wall, refusals or Refusals())
        self._readers: dict[int, Reader] = {}  # by index
        self._version = ""
        self._state = ""
        self._fault: str | None = None  # of the last look that ended
        self._asking_since: float | None = None  # on the monotonic clock, while a look asks
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
        if self._hangs():
            return f"the driver does not answer; before: {self._state or 'nothing'}"
        return self._state

    @property
    def fault(self) -> str | None:
        """Why the driver does not answer, of catalogue.DRIVER_FAULT; empty while it does.

        None while the first look is under way, or waits for a thread.
        """
        overdue = self._fault is None and self.looked.is_set()
        return NO_ANSWER if overdue or self._hangs() else self._fault

    def _hangs(self) -> bool:
        """Whether a look waits for the driver for too long."""
        since = self._asking_since
        return since is not None and self._clock() - since > LOOK_SECONDS

    def _watch(self) -> None:
        try:
            self.look()
        except Exception as error:  # the watch must outlive anything the driver does
            self._report(f"looking for GPUs failed: {reason_of(error)}",
                         logging.ERROR, OTHER, error)
        finally:
            self.looked.set()

    def look(self) -> None:
        """Open the driver if it is closed, and see which GPUs there are."""
        try:
            count = self._ask()
        except DriverLostError as error:
            self._close(f"no driver: {error}", logging.WARNING, error.fault)
            return
        if count is None:
            self._report("the driver does not say how many GPUs there are", logging.WARNING, OTHER)
            return
        if not self._gate.session:
            return  # a reader has lost the driver meanwhile
        read = min(count, GPUS)
        more = f"; the first {read} of them are read" if count > read else ""
        self._report(f"{count} GPUs, driver {self._version}{more}",
                     logging.WARNING if more else logging.INFO)
        self._staff(read)
        self._give_up_lost()

    def _ask(self) -> int | None:
        """The number of GPUs, after the driver was opened if need be. Raises DriverLostError."""
        self._asking_since = self._clock()
        try:
            if not self._gate.session:
                self._open(unload=True)  # a library that failed before may be outdated
            elif self._due_for_lost():
                self._reopen()
            return self._driver.count()
        finally:
            self._asking_since = None

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

    def _close(self, state: str, level: int, fault: str) -> None:
        self.registry.end_session()
        self._report(state, level, fault)

    def _lose_driver(self, error: DriverLostError) -> None:
        self._close(f"driver lost: {error}", logging.ERROR, error.fault)

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

    def _report(self, state: str, level: int, fault: str = "",
                error: Exception | None = None) -> None:
        self._fault = fault
        if state != self._state:
            self._state = state
            log.log(level, "GPUs", extra={"state": state}, exc_info=error)
