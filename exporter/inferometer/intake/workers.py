"""Threads that work for the event loop, and how what they have done comes back to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from inferometer.threads import Job, Loop

T = TypeVar("T")


class Crossing:
    """The way from other threads into the event loop: all that is ready crosses at once.

    To wake the loop takes a system call, which is dearer than what is to be done there.
    """

    def __init__(self) -> None:
        self._ready: deque[Job] = deque()
        self._woken = False

    async def result(self, done: Future[T]) -> T:
        """What another thread sets, or raises."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()
        done.add_done_callback(lambda _: self._cross(loop, lambda: _copy(done, waiting)))
        return await waiting

    def _cross(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        self._ready.append(job)
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(self._land)

    def _land(self) -> None:
        self._woken = False  # first: what comes from now on wakes the loop again
        while self._ready:
            self._ready.popleft()()


class Worker:
    """Does jobs in the order in which they come; `idle` is done after a while without any."""

    def __init__(self, name: str, idle: Job = lambda: None, idle_seconds: float = 60.0) -> None:
        self.name = name
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._idle = idle
        self._idle_seconds = idle_seconds
        self._loop = Loop(name, self._turn, lambda: 0.0)

    @property
    def dead(self) -> bool:
        """Whether it was started, and has no thread."""
        return self._loop.dead

    def revive(self) -> None:
        """Start it again if it is dead, and a thread can be had."""
        self._loop.revive()

    def start(self) -> None:
        """Begin: now, or as soon as a thread can be had."""
        self._loop.start()

    def stop(self) -> None:
        """End after the jobs that are there, and `idle`."""
        self._jobs.put(self._idle)
        self._jobs.put(self._loop.stop)

    @property
    def waiting(self) -> int:
        """How many jobs are to be done yet."""
        return self._jobs.qsize()

    def begin(self, job: Callable[[], T]) -> Future[T]:
        """What the job will return, or raise."""
        done: Future[T] = Future()

        def work() -> None:
            try:
                done.set_result(job())
            except Exception as error:  # who waits for it gets it, whatever it is
                done.set_exception(error)

        self._jobs.put(work)
        return done

    def _turn(self) -> None:
        try:
            job = self._jobs.get(timeout=self._idle_seconds)
        except Empty:
            job = self._idle
        job()


def _copy(done: Future[T], waiting: asyncio.Future[T]) -> None:
    if waiting.done():  # its client is gone
        return
    if error := done.exception():
        waiting.set_exception(error)
    else:
        waiting.set_result(done.result())
