"""Threads: the one place where one is started, and what goes on where none can be had.

A process may be refused a new thread for a while: a pod's limit of process ids is shared by all
its containers. Then whoever asked is left as it was before, and what is to go on for ever is tried
again: by `revive`, which the server's own thread calls every second and which needs no new one.
"""

from __future__ import annotations

import _thread
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from inferometer.reasons import reason_of

REFUSED_LOG_SECONDS = 60.0  # between two lines about threads that could not be had
REPEATED_LOG_SECONDS = 600.0  # between two lines about the same failure
MOST_REASONS = 16  # of failures that are remembered

log = logging.getLogger(__name__)
Job = Callable[[], object]


class NoThreadError(RuntimeError):
    """No thread can be had now; one may be had later."""


class Start(Protocol):
    """Has a thread of this name do the job. Raises NoThreadError, with nothing begun."""

    def __call__(self, job: Job, name: str) -> threading.Thread:
        """The thread, which has started."""
        ...


class Standing(Protocol):
    """What is to go on until the exporter stops, in threads of its own."""

    @property
    def name(self) -> str:
        """What logs and `/-/healthy` call it."""
        ...

    @property
    def dead(self) -> bool:
        """Whether it was started, and goes on no more for want of a thread."""
        ...

    def revive(self) -> None:
        """Start the threads that it lacks, if they can be had. Raises nothing."""
        ...


class _RefusalLog:
    """Logs that no thread can be had, once in a while."""

    def __init__(self) -> None:
        self._logged_at = -math.inf

    def log(self, name: str, error: Exception) -> None:
        if time.monotonic() - self._logged_at >= REFUSED_LOG_SECONDS:
            self._logged_at = time.monotonic()
            log.warning("no thread can be had: what needs one fails, or waits and is tried again",
                        extra={"job": name, "why": reason_of(error)})


_REFUSALS = _RefusalLog()


def start_thread(job: Job, name: str) -> threading.Thread:
    """Have a new thread do the job. Raises NoThreadError if none can be had."""
    try:
        thread = threading.Thread(target=job, name=name, daemon=True)
        thread.start()
    except (RuntimeError, MemoryError) as error:
        _REFUSALS.log(name, error)
        raise NoThreadError("no thread can be had") from None
    return thread


def require_threads(count: int) -> None:
    """Raise NoThreadError unless so many threads can be had at once.

    For a library that ends the process, or hangs, where it cannot start its own.
    """
    gate = _thread.allocate_lock()

    def wait() -> None:
        with gate:
            pass

    with gate:  # so that all are there at the same time
        try:
            for _ in range(count):
                _thread.start_new_thread(wait, ())  # half the cost of threading's
        except (RuntimeError, MemoryError) as error:
            _REFUSALS.log("library", error)
            raise NoThreadError("no thread can be had") from None


class Failures:
    """Logs what fails in something that goes on: a reason at once, and again seldom, with a count.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._reasons: dict[str, tuple[float, int]] = {}  # when logged, and how often since

    def contain(self, job: Job) -> bool:
        """Do the job; whether it ended without a failure."""
        try:
            job()
        except Exception as error:  # whatever it is, what goes on must outlive it
            self.note(error)
            return False
        self._reasons.clear()
        return True

    def note(self, error: Exception) -> None:
        """Log the failure, unless the same one was logged not long ago."""
        why = reason_of(error)
        logged_at, since = self._reasons.get(why, (-math.inf, 0))
        if self._clock() - logged_at < REPEATED_LOG_SECONDS:
            self._reasons[why] = logged_at, since + 1
            return
        if len(self._reasons) >= MOST_REASONS:
            self._reasons.clear()
        self._reasons[why] = self._clock(), 0
        log.error("failed, and goes on", exc_info=None if since else error,
                  extra={"loop": self._name, "why": why, **({"times": since + 1} if since else {})})


class Threads:
    """Runs each job at once in a thread of its own: an idle one, or a new one if none is idle.

    So a job that hangs keeps its thread and delays no other, and there are never more threads
    than jobs were under way at a time.
    """

    def __init__(self, name: str, start: Start = start_thread) -> None:
        self._name = name
        self._start = start
        self._failures = Failures(name)
        self._idle: list[SimpleQueue[Job]] = []  # append and pop are atomic

    def run(self, job: Job) -> None:
        """Begin the job. Raises NoThreadError, and it is not begun."""
        self._idle_jobs().put(job)

    def _idle_jobs(self) -> SimpleQueue[Job]:
        """The jobs of an idle thread. Raises NoThreadError."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        jobs: SimpleQueue[Job] = SimpleQueue()
        self._start(lambda: self._work(jobs), self._name)
        return jobs

    def _work(self, jobs: SimpleQueue[Job]) -> None:
        while True:
            self._failures.contain(jobs.get())
            self._idle.append(jobs)


class Loop:
    """Takes a turn again and again in a thread of its own, until stopped.

    `pause` says after each turn how many seconds there are until the next. A turn that raises is
    logged, and the next one comes in its time. Without a thread it waits for `revive`.
    """

    def __init__(self, name: str, turn: Job, pause: Callable[[], float],
                 start: Start = start_thread, wait: Callable[[float], object] | None = None
                 ) -> None:
        self.name = name
        self._turn = turn
        self._pause = pause
        self._start_thread = start
        self._bell = threading.Event()
        self._wait = wait or self._bell.wait
        self._failures = Failures(name)
        self._lock = threading.Lock()  # over starts
        self._thread: threading.Thread | None = None
        self._begun = False
        self._stopped = False

    @property
    def dead(self) -> bool:
        """Whether it was started and not stopped, and has no thread."""
        return self._begun and not self._stopped and not is_alive(self._thread)

    def start(self) -> None:
        """Begin: now, or as soon as a thread can be had."""
        self._begun = True
        self.revive()

    def revive(self) -> None:
        """Start it again if it is dead, and a thread can be had."""
        with self._lock, contextlib.suppress(NoThreadError):
            if self.dead:
                self._thread = self._start_thread(self.run, self.name)

    def hurry(self) -> None:
        """Take the next turn at once."""
        self._bell.set()

    def stop(self) -> None:
        """Take no further turn."""
        self._stopped = True
        self._bell.set()

    def run(self) -> None:
        """Take turns in this thread."""
        while True:
            self._bell.clear()
            if self._stopped:
                return
            self._failures.contain(self._turn)
            self._wait(self._pause())


class Errand:
    """A job that is done in a thread of its own once it is wished for, never twice at a time.

    All wishes that come while it is under way, or while no thread can be had, are one.
    """

    dead = False  # nothing goes on that it could keep from going on

    def __init__(self, name: str, job: Job, start: Start = start_thread) -> None:
        self.name = name
        self._job = job
        self._start = start
        self._failures = Failures(name)
        self._thread: threading.Thread | None = None
        self._wished = False

    def wish(self) -> None:
        """Have it done at the next `revive`. May be called by a signal's handler."""
        self._wished = True

    def revive(self) -> None:
        """Begin it if it is wished for, not under way, and a thread can be had."""
        if self._wished and not is_alive(self._thread):
            with contextlib.suppress(NoThreadError):
                self._thread = self._start(self._do, self.name)

    def _do(self) -> None:
        while self._wished:
            self._wished = False  # first: what is wished for from now on is to be done again
            self._failures.contain(self._job)


class TimedEvent:
    """An event that counts as set, too, once there was time enough for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._event = threading.Event()
        self._end = math.inf

    def begin(self, seconds: float) -> None:
        """Wait for it so many seconds from now on."""
        self._end = self._clock() + seconds

    def set(self) -> None:
        """It has happened."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether it has happened, or is waited for no more."""
        return self._event.is_set() or self._clock() >= self._end

    def wait(self, seconds: float) -> bool:
        """The same, after waiting for it at most so many seconds."""
        self._event.wait(max(0.0, min(seconds, self._end - self._clock())))
        return self.is_set()


def is_alive(thread: threading.Thread | None) -> bool:
    """Whether there is a thread, and it has not ended."""
    return thread is not None and thread.is_alive()
