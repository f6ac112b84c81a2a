"""Threads that wait for a next job instead of ending: to start one costs more than to wake one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], object]


class Threads:
    """Runs each job at once in a thread of its own: an idle one, or a new one if none is idle.

    So a job that hangs keeps its thread and delays no other, and there are never more threads
    than jobs were under way at a time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[Job]] = []  # append and pop are atomic

    def run(self, job: Job) -> None:
        """Begin the job, which raises nothing."""
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = SimpleQueue()
            threading.Thread(target=self._work, args=(jobs,), name=self._name,
                             daemon=True).start()
        jobs.put(job)

    def _work(self, jobs: SimpleQueue[Job]) -> None:
        while True:
            jobs.get()()
            self._idle.append(jobs)
