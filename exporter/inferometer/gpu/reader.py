"""The tasks that are repeated for each GPU: to read it, and to count its XID events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from inferometer.gpu.crew import Crew
from inferometer.gpu.driver import Device, Driver
from inferometer.gpu.gate import Gate, SessionEndedError
from inferometer.gpu.nvml import DriverLostError, Events, GpuLostError
from inferometer.gpu.registry import Registry, Slot
from inferometer.reasons import reason_of

EVENTS_SECONDS = 1.0  # between two looks for events; the driver keeps them meanwhile
SHORTEST_PAUSE_SECONDS = 0.01  # between two rounds, however slow they are


class Reader:
    """Reads the GPU at a slot until the slot is no longer its own.

    `lose_driver` is called with the error once the driver as a whole does not answer.
    """

    def __init__(self, slot: Slot, driver: Driver, gate: Gate, registry: Registry, crew: Crew,
                 lose_driver: Callable[[DriverLostError], None]) -> None:
        self.slot = slot
        self.settled = threading.Event()  # set once the GPU was read, or is known to be lost
        self._driver = driver
        self._gate = gate
        self._registry = registry
        self._crew = crew
        self._lose_driver = lose_driver
        self.device: Device | None = None
        self._lost = False
        self._done = False

    def stuck(self) -> bool:
        """Whether it has been in one step for longer than any value lives."""
        since = self._gate.since(self)
        if since is None:
            return False
        if self.device:
            since = max(since, self.device.answered_at)
        return time.monotonic() - since > self._registry.config.time_to_live_seconds

    def done(self) -> bool:
        """Whether another may take its place."""
        if self._registry.owns(self.slot):
            return self._done
        return self._gate.since(self) is None

    def step(self) -> float | None:
        """Read the GPU once, or try to find it again. Seconds until the next time, None for never.
        """
        began = time.monotonic()
        try:
            if self._registry.owns(self.slot):
                self._read()
                took = time.monotonic() - began
                return max(SHORTEST_PAUSE_SECONDS, self._registry.config.interval_seconds - took)
        except SessionEndedError:
            pass
        except DriverLostError as error:
            if self._registry.owns(self.slot):
                self._lose_driver(error)
        except GpuLostError as error:
            return self._lose(str(error))
        except Exception as error:  # whatever one GPU does, it is tried again
            return self._lose(reason_of(error))
        self._done = True
        self.settled.set()
        return None

    def give_up(self, reason: str) -> None:
        """Note that the GPU does not answer."""
        self._registry.lose(self.slot, reason)
        self.settled.set()

    def _lose(self, reason: str) -> float:
        self._lost = True
        self.give_up(reason)
        return self._registry.config.retry_seconds

    def _read(self) -> None:
        if self.device is None or self._lost:
            self.device = self._find()
            self._lost = False
            self._crew.add(Listener(self, self.device, self._gate, self._registry))
        began = self._registry.now()
        with self._gate.inside(self, self.slot.session):
            result = self.device.read()
        if not result.answered:
            raise GpuLostError("no call answers")
        self._registry.publish(self.slot, self.device, result, began)
        self.settled.set()

    def _find(self) -> Device:
        with self._gate.inside(self, self.slot.session):
            device = self._driver.device(self.slot.index)
        self._registry.adopt(self.slot, device)
        return device


class Listener:
    """Counts a GPU's XIDs, also while its other calls hang: XIDs matter most then.

    The GPU has an event set of its own: if one GPU in a set is lost, the driver says so for the
    whole set, whatever comes from the others.
    """

    def __init__(self, reader: Reader, device: Device, gate: Gate, registry: Registry) -> None:
        self._reader = reader
        self._slot = reader.slot
        self._device = device
        self._gate = gate
        self._registry = registry
        self._events: Events | None = None

    def step(self) -> float | None:
        """Count what came. Seconds until the next look, None once nothing comes any more."""
        try:
            with self._gate.inside(self, self._slot.session):
                codes = self._listen()
        except SessionEndedError:  # what was opened in it went with it
            return None
        if codes is None or self._slot.gpu is None:
            return None
        for code in codes:
            self._registry.count_xid(self._slot.gpu, code)
        return EVENTS_SECONDS

    def _listen(self) -> list[int] | None:
        """The codes that came; None once the device is replaced, or if it has no events."""
        if self._events is None:
            self._events = Events(self._device.handle)
            if self._events.registered and self._slot.gpu is not None:
                self._registry.expect_xids(self._slot.gpu)
        if self._events.registered and self._is_current():
            return self._events.take()
        self._events.close()
        return None

    def _is_current(self) -> bool:
        return self._reader.device is self._device and self._registry.owns(self._slot)
