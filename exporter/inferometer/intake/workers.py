"""Threads that work for the event loop, and how what they have done comes back to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from inferometer.threads import Job, Loop

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Deed(Protocol[T_co]):
    """What another thread does: a Future, or a Receipt."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Have it called once it is done."""
        ...

    def result(self) -> T_co:
        """What came of it. Raises what kept it from being done."""
        ...


class Crossing:
    """The way from other threads into the event loop: all that is ready crosses at once.

    To wake the loop takes a system call, which is dearer than what is to be done there.
    """

    def __init__(self) -> None:
        self._ready: deque[tuple[Deed[Any], asyncio.Future[Any]]] = deque()
        self._woken = False

    def result(self, done: Deed[T]) -> asyncio.Future[T]:
        """What another thread sets, or raises, for a task of the running loop to await."""
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(partial(self._cross, waiting))
        return waiting

    def _cross(self, waiting: asyncio.Future[T], done: Deed[T]) -> None:
        self._ready.append((done, waiting))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                waiting.get_loop().call_soon_threadsafe(self._land)

    def _land(self) -> None:
        self._woken = False  # first: what comes from now on wakes the loop again
        while self._ready:
            _copy(*self._ready.popleft())


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
        context = copy_context()  # it is done on behalf of the same request

        def work() -> None:
            try:
                done.set_result(context.run(job))
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


def _copy(done: Deed[T], waiting: asyncio.Future[T]) -> None:
    if waiting.done():  # its client is gone
        return
    try:
        result = done.result()
    except Exception as error:  # who waits for it gets it, whatever it is
        waiting.set_exception(error)
    else:
        waiting.set_result(result)
