"""What is done for one GPU, again and again: it is read, and its XIDs are heard."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from inferometer.gpu.gate import SessionEndedError
from inferometer.gpu.nvml import Device, DriverLostError, Events, GpuLostError
from inferometer.gpu.state import Gpu

if TYPE_CHECKING:
    from inferometer.gpu.sampler import Sampler

EVENTS_SECONDS = 1.0  # between two looks for events; the driver keeps them meanwhile
SHORTEST_PAUSE_SECONDS = 0.01  # between two rounds, however slow they are


class Reader:
    """Reads the GPU at one index until the driver's session ends."""

    def __init__(self, sampler: Sampler, index: int, session: int) -> None:
        self.index = index
        self.session = session
        self.gpu: Gpu | None = None
        self.device: Device | None = None
        self.settled = threading.Event()  # set once the GPU was read, or found lost
        self._sampler = sampler
        self._found = False
        self._done = False

    def stuck(self) -> bool:
        """Whether it has been in one step for longer than any value lives."""
        since = self._sampler.gate.since(self)
        if since is None:
            return False
        since = max(since, self.device.answered_at if self.device else since)
        return time.monotonic() - since > self._sampler.config.time_to_live_seconds

    def done(self) -> bool:
        """Whether another may take its place."""
        if self._sampler.owns(self):
            return self._done
        return self._sampler.gate.since(self) is None

    def step(self) -> float | None:
        """One round, or a try to find the GPU again; seconds to the next, None if its time is over.
        """
        sampler, began = self._sampler, time.monotonic()
        try:
            if sampler.owns(self):
                self._read()
                took = time.monotonic() - began
                return max(SHORTEST_PAUSE_SECONDS, sampler.config.interval_seconds - took)
        except SessionEndedError:
            pass
        except DriverLostError as error:
            sampler.driver_lost(self, str(error))
        except GpuLostError as error:
            return self._lose(str(error))
        except Exception as error:  # whatever one GPU does, it is tried again
            return self._lose(f"{type(error).__name__}: {error}")
        self._done = True
        self.settled.set()
        return None

    def _read(self) -> None:
        if self.device is None or not self._found:
            self.device = self._sampler.find(self)
            self._found = True
            self._sampler.crew.add(Listener(self._sampler, self, self.device))
        self._sampler.read(self, self.device)
        self.settled.set()

    def _lose(self, why: str) -> float:
        self._found = False
        self._sampler.lose(self, why)
        return self._sampler.config.retry_seconds


class Listener:
    """Counts a GPU's XIDs, also while its other calls hang: they matter most then.

    The GPU has an event set of its own: the driver answers for a set that one of the GPUs in it
    is lost, whatever comes from the others.
    """

    def __init__(self, sampler: Sampler, reader: Reader, device: Device) -> None:
        self._sampler = sampler
        self._reader = reader
        self._device = device
        self._events: Events | None = None

    def step(self) -> float | None:
        """Count what came; seconds to the next look, None once nothing comes any more."""
        try:
            with self._sampler.gate.inside(self, self._reader.session):
                codes = self._listen()
        except SessionEndedError:  # what was opened in it went with it
            return None
        if codes is None or self._reader.gpu is None:
            return None
        for code in codes:
            self._sampler.count_xid(self._reader.gpu, code)
        return EVENTS_SECONDS

    def _listen(self) -> list[int] | None:
        """The codes that came, None once nobody asks for them or the GPU has no events."""
        if self._events is None:
            self._events = Events(self._device)
            if self._events.registered and self._reader.gpu is not None:
                self._sampler.expect_xids(self._reader.gpu)
        if self._events.registered and self._speaks():
            return self._events.come()
        self._events.close()
        return None

    def _speaks(self) -> bool:
        return self._reader.device is self._device and self._sampler.owns(self._reader)
