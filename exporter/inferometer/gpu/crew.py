"""Few threads for many tasks: one thread does them in turn, and no task waits for one that hangs.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Protocol

PATIENCE_SECONDS = 0.1  # how late a task may be before another thread takes over


class Task(Protocol):
    """Something to do again and again."""

    def step(self) -> float | None:
        """Do it once. Seconds until the next time, None for never. Raises nothing."""
        ...


class Crew:
    """Does tasks when they are due.

    One thread, the leader, does the tasks that are due, one after the other. Another one, the
    deputy, stands by. Once a task is late, because the leader is slow or hangs, the deputy becomes
    the leader and a new deputy is hired. A former leader that comes back from its task becomes the
    deputy, or ends if there is one. So there are two threads, and one more for every task that
    hangs.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Task]] = []  # a heap; the number keeps the order
        self._number = itertools.count()
        self._leader: threading.Thread | None = None
        self._deputy: threading.Thread | None = None

    def add(self, task: Task, seconds: float = 0.0) -> None:
        """Do the task in so many seconds, and from then on as its `step` returns."""
        with self._condition:
            self._put(task, seconds)
            if self._leader is None:
                self._leader = self._hire()
                self._deputy = self._hire()

    def _put(self, task: Task, seconds: float) -> None:
        entry = (time.monotonic() + seconds, next(self._number), task)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:  # sooner than the threads expect
            self._condition.notify_all()

    def _hire(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="gpu-crew", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        task = self._next()
        while task is not None:
            seconds = task.step()
            with self._condition:
                if seconds is not None:
                    self._put(task, seconds)
                task = self._next()

    def _next(self) -> Task | None:
        """The next task, once this thread is to do it; None if the thread is not needed."""
        me = threading.current_thread()
        with self._condition:
            while True:
                if self._leader is not me:
                    self._deputy = self._deputy or me
                    if self._deputy is not me:
                        return None
                wait = self._wait(0.0 if self._leader is me else PATIENCE_SECONDS)
                if wait is not None and wait <= 0:
                    break
                self._condition.wait(wait)
            if self._leader is not me:
                self._leader, self._deputy = me, self._hire()
            return heapq.heappop(self._due)[2]

    def _wait(self, patience: float) -> float | None:
        """Seconds until the first task has been due for `patience`; None if there is no task."""
        return self._due[0][0] + patience - time.monotonic() if self._due else None
