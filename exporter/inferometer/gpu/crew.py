"""Few threads for many tasks: one does them all in turn, and none waits for one that hangs."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Protocol

PATIENCE_SECONDS = 0.1  # how late a task may be before another thread takes over


class Task(Protocol):
    """What is done again and again."""

    def step(self) -> float | None:
        """Do it once. Seconds until the next time, None for never. Raises nothing."""
        ...


class Crew:
    """Does tasks when they are due.

    One thread leads: it does what is due, one task after the other. Another stands by. Once a
    task is late, be it that the leader is slow, be it that it hangs, the one that stands by leads
    and a new one stands by. A leader that comes back from its task stands by, or goes home where
    somebody does already. So there are two threads, and one more for every task that hangs.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Task]] = []  # a heap; the number keeps the order
        self._number = itertools.count()
        self._leader: threading.Thread | None = None
        self._deputy: threading.Thread | None = None

    def add(self, task: Task, seconds: float = 0.0) -> None:
        """Do the task in so many seconds, and from then on as it says."""
        with self._condition:
            self._put(task, seconds)
            if self._leader is None:
                self._leader = self._hire()
                self._deputy = self._hire()

    def _put(self, task: Task, seconds: float) -> None:
        entry = (time.monotonic() + seconds, next(self._number), task)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:  # sooner than what is waited for
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
        """The next task once it is this thread's to do; None if the thread is not needed."""
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
        """Seconds until the first task has been due for as long; None if there is no task."""
        return self._due[0][0] + patience - time.monotonic() if self._due else None
