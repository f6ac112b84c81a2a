"""What becomes of something that another thread keeps: waited for once, and made often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

Listener: TypeAlias = "Callable[[Receipt], object]"


class Receipt:
    """Open until it is kept, or cannot be. A Future that has no lock and cannot be cancelled.

    A concurrent.futures.Future costs ten times as much, and there is one for each body.
    """

    __slots__ = ("_done", "_error", "_listeners")

    def __init__(self) -> None:
        self._done = False
        self._error: Exception | None = None
        self._listeners: list[Listener] = []

    def set_result(self, _: None) -> None:
        """It is kept."""
        self._done = True
        self._call()

    def set_exception(self, error: Exception) -> None:
        """It is not, for this reason."""
        self._error = error
        self.set_result(None)

    def add_done_callback(self, listener: Listener) -> None:
        """Have it called once with this receipt: by who keeps, or here if that is over."""
        self._listeners.append(listener)
        if self._done:
            self._call()

    def done(self) -> bool:
        """Whether it is known what became of it."""
        return self._done

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Why it is not kept, if it is not. Raises TimeoutError after so many seconds."""
        if not self._done:
            over = threading.Event()
            self.add_done_callback(lambda _: over.set())
            if not over.wait(timeout):
                raise TimeoutError
        return self._error

    def result(self, timeout: float | None = None) -> None:
        """Raises why it is not kept, and TimeoutError after so many seconds."""
        if not self._done:
            self.exception(timeout)
        if self._error is not None:
            raise self._error

    def _call(self) -> None:
        """Call each listener; if two threads do so at once each is still called once."""
        while self._listeners:
            try:
                listener = self._listeners.pop()
            except IndexError:  # the other thread has it
                return
            listener(self)
