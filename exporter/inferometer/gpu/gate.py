"""The gate to the driver: open to all threads of a session, shut while a session ends or begins."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class SessionEndedError(Exception):
    """The caller's session is over, and with it every handle the caller has."""


class Gate:
    """Lets threads into the driver, and lets one thread close the driver once all are out."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside: dict[object, float] = {}
        self._closing = False
        self._begun = 0
        self.session = 0  # number of the present session; 0 while there is none

    def begin(self) -> None:
        """Start a new session."""
        self._begun += 1
        self.session = self._begun

    def end(self) -> None:
        """End the session: nobody comes in with it any more."""
        self.session = 0

    def since(self, caller: object) -> float | None:
        """When the caller came in, on the monotonic clock; None if it is not inside."""
        with self._condition:
            return self._inside.get(caller)

    @contextmanager
    def inside(self, caller: object, session: int) -> Iterator[None]:
        """Let the caller be in the driver. Waits while it is shut. Raises SessionEndedError."""
        with self._condition:
            while self._closing:
                self._condition.wait()
            if not session or session != self.session:
                raise SessionEndedError
            self._inside[caller] = time.monotonic()
        try:
            yield
        finally:
            with self._condition:
                del self._inside[caller]
                if self._closing:
                    self._condition.notify_all()

    @contextmanager
    def closed(self, seconds: float) -> Iterator[bool]:
        """Keep all threads out. Waits `seconds` for those inside; yields whether all have left."""
        with self._condition:
            self._closing = True
            quiet = self._condition.wait_for(lambda: not self._inside, timeout=seconds)
        try:
            yield quiet
        finally:
            with self._condition:
                self._closing = False
                self._condition.notify_all()
