"""The threads of one GPU: one reads it, one hears of its XIDs."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from inferometer.gpu.gate import SessionEndedError
from inferometer.gpu.nvml import Device, DriverLostError, Events, GpuLostError
from inferometer.gpu.state import Gpu

if TYPE_CHECKING:
    from inferometer.gpu.sampler import Sampler

EVENT_WAIT_SECONDS = 1.0  # at most: a new session waits for those who wait for events
EVENT_PAUSE_SECONDS = 0.5  # where waiting itself fails, as it does on a lost GPU


class Reader:
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
        """Begin to read."""
        self._thread.start()

    def stuck(self) -> bool:
        """Whether the thread has been in one step for longer than any value lives."""
        since = self._sampler.gate.since(self)
        if since is None:
            return False
        since = max(since, self.device.answered_at if self.device else since)
        return time.monotonic() - since > self._sampler.config.time_to_live_seconds

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
            Listener(self._sampler, self, self.device).start()
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


class Listener:
    """The thread that counts a GPU's XIDs: an event must not wait for the GPU's other calls."""

    def __init__(self, sampler: Sampler, reader: Reader, device: Device) -> None:
        self._sampler = sampler
        self._reader = reader
        self._device = device

    def start(self) -> None:
        """Begin to listen."""
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
