"""Few threads for many tasks: one thread does them in turn, and no task waits for one that hangs.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from typing import Protocol

from inferometer.threads import Failures, NoThreadError, Start, is_alive, start_thread

PATIENCE_SECONDS = 0.1  # how late a task may be before another thread takes over
DEAD_SECONDS = 1.0  # how late a task may be for want of a thread before that is a failure
FAILED_SECONDS = 10.0  # until a task that raised is tried again


class Task(Protocol):
    """Something to do again and again."""

    def step(self) -> float | None:
        """Do it once. Seconds until the next time, None for never."""
        ...


class Crew:
    """Does tasks when they are due.

    One thread, the leader, does the tasks that are due, one after the other. Another one, the
    deputy, stands by. Once a task is late, because the leader is slow or hangs, the deputy becomes
    the leader and a new deputy is hired. A former leader that comes back from its task becomes the
    deputy, or ends if there is one. So there are two threads, and one more for every task that
    hangs. Where a thread cannot be had, those that are there go on, and `revive` tries again.
    """

    name = "gpu-crew"

    def __init__(self, start: Start = start_thread) -> None:
        self._start = start
        self._failures = Failures(self.name)
        self._begun = False
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Task]] = []  # a heap; the number keeps the order
        self._number = itertools.count()
        self._leader: threading.Thread | None = None
        self._deputy: threading.Thread | None = None

    def add(self, task: Task, seconds: float = 0.0) -> None:
        """Do the task in so many seconds, and from then on as its `step` returns."""
        with self._condition:
            self._put(task, seconds)
            if not self._begun:
                self._begun = True
                self._hire()

    @property
    def dead(self) -> bool:
        """Whether tasks are not done for want of a thread."""
        with self._condition:
            if not self._begun or is_alive(self._deputy):
                return False
            late = self._wait(DEAD_SECONDS)
            return not is_alive(self._leader) or (late is not None and late <= 0)

    def revive(self) -> None:
        """Hire whoever is missing."""
        with self._condition:
            if self._begun:
                self._hire()

    def _put(self, task: Task, seconds: float) -> None:
        entry = (time.monotonic() + seconds, next(self._number), task)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:  # sooner than the threads expect
            self._condition.notify_all()

    def _hire(self) -> None:
        """A leader and a deputy, where there is none and a thread can be had."""
        with contextlib.suppress(NoThreadError):
            if not is_alive(self._leader):
                self._leader = self._start(self._work, self.name)
            if not is_alive(self._deputy):
                self._deputy = self._start(self._work, self.name)

    def _work(self) -> None:
        task = self._next()
        while task is not None:
            seconds = self._do(task)
            with self._condition:
                if seconds is not None:
                    self._put(task, seconds)
                task = self._next()

    def _do(self, task: Task) -> float | None:
        try:
            return task.step()
        except Exception as error:  # of which a task has its own account; no thread ends by it
            self._failures.note(error)
            return FAILED_SECONDS

    def _next(self) -> Task | None:
        """The next task, once this thread is to do it; None if the thread is not needed."""
        me = threading.current_thread()
        with self._condition:
            while True:
                if self._leader is not me:
                    self._deputy = self._deputy if is_alive(self._deputy) else me
                    if self._deputy is not me:
                        return None
                wait = self._wait(0.0 if self._leader is me else PATIENCE_SECONDS)
                if wait is not None and wait <= 0:
                    break
                self._condition.wait(wait)
            if self._leader is not me:
                self._leader, self._deputy = me, None
                self._hire()
            return heapq.heappop(self._due)[2]

    def _wait(self, patience: float) -> float | None:
        """Seconds until the first task has been due for `patience`; None if there is no task."""
        return self._due[0][0] + patience - time.monotonic() if self._due else None
