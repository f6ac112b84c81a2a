"""Threads that wait for a next task instead of ending: to start one costs more than to wake one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], object]


class Threads:
    """Runs each task at once in a thread of its own, one that has nothing to do if there is one.

    So a task that hangs keeps its thread and delays no other, and there are never more threads
    than tasks were under way at a time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[Task]] = []  # its two ends are used by one thread at a time

    def run(self, task: Task) -> None:
        """Begin the task, which raises nothing."""
        try:
            tasks = self._idle.pop()
        except IndexError:
            tasks = SimpleQueue()
            threading.Thread(target=self._work, args=(tasks,), name=self._name,
                             daemon=True).start()
        tasks.put(task)

    def _work(self, tasks: SimpleQueue[Task]) -> None:
        while True:
            tasks.get()()
            self._idle.append(tasks)
