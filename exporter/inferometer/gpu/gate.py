"""Who may be in the driver: any thread while its session lasts, none while it is opened anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class SessionEndedError(Exception):
    """The caller's session is over, and with it every handle the caller has."""


class Gate:
    """Lets threads into the driver, and one thread close it once all are out."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside: dict[object, float] = {}
        self._closing = False
        self._begun = 0
        self.session = 0  # 0 while there is none

    def begin(self) -> None:
        """Start a new session."""
        self._begun += 1
        self.session = self._begun

    def end(self) -> None:
        """End the session: nobody comes in with it any more."""
        self.session = 0

    def since(self, who: object) -> float | None:
        """When `who` came in, on the monotonic clock; None if not inside."""
        with self._condition:
            return self._inside.get(who)

    @contextmanager
    def inside(self, who: object, session: int) -> Iterator[None]:
        """Be in the driver. Raises SessionEndedError."""
        with self._condition:
            while self._closing:
                self._condition.wait()
            if not session or session != self.session:
                raise SessionEndedError
            self._inside[who] = time.monotonic()
        try:
            yield
        finally:
            with self._condition:
                del self._inside[who]
                if self._closing:
                    self._condition.notify_all()

    @contextmanager
    def closed(self, seconds: float) -> Iterator[bool]:
        """Keep all out, waiting so long for those inside; says whether nobody is left there."""
        with self._condition:
            self._closing = True
            quiet = self._condition.wait_for(lambda: not self._inside, timeout=seconds)
        try:
            yield quiet
        finally:
            with self._condition:
                self._closing = False
                self._condition.notify_all()
