"""What all collectors share: isolation, the deadline, the label guard and self-metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from inferometer.catalogue import COLLECTOR_DURATION, COLLECTOR_SUCCESS
from inferometer.families import Family
from inferometer.guard import Guard
from inferometer.reasons import reason_of
from inferometer.sieve import Refusals
from inferometer.threads import NoThreadError, Start, Threads, start_thread

JOINED_SHARE = 0.5  # of a scrape's time that a run must have left which it joins
SHARE = 0.9  # of the scrape's time is the collectors'; the rest is for rendering

log = logging.getLogger(__name__)


class IncompleteError(Exception):
    """A collector's failure beside which it has families: they are shown, and it failed."""

    def __init__(self, why: str, families: Sequence[Family]) -> None:
        super().__init__(why)
        self.families = families


class Collector(Protocol):
    """Makes the families of one subject in a scrape."""

    name: str
    punctual: bool  # never overruns its deadline: the scrape's own thread may run it

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """The subject's families as they are now, within the deadline. May raise anything.

        An IncompleteError has families that are shown all the same.
        """
        ...


class Deadline:
    """The point in time by which an answer must be ready."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - self._clock())


class Scrape:
    """Runs collectors side by side; a failing or hanging one costs its own families only.

    `log_state`: whether to log the collectors' states; one of all that run the same ones should.
    `start` starts the threads.
    """

    def __init__(self, collectors: Sequence[Collector], guard: Guard,
                 refusals: Refusals | None = None, log_state: bool = True,
                 start: Start = start_thread) -> None:
        self._runners = [_Runner(collector, guard, start) for collector in collectors]
        self._guard = guard
        self._refusals = refusals or Refusals()
        self._log_state = log_state

    @property
    def names(self) -> list[str]:
        """The collectors' names, as `collect[]` takes them."""
        return [runner.collector.name for runner in self._runners]

    def families(self, deadline: Deadline, chosen: Iterable[str] | None = None) -> list[Family]:
        """The families of the chosen collectors, by default all, and the self-metrics."""
        names = set(self.names if chosen is None else chosen)
        runners = [runner for runner in self._runners if runner.collector.name in names]
        success, duration = Family(COLLECTOR_SUCCESS), Family(COLLECTOR_DURATION)
        collected: list[Family] = []
        early = Deadline(deadline.left() * SHARE)
        unsure_first = sorted(runners, key=lambda runner: runner.collector.punctual)
        runs = {runner: runner.start(early) for runner in unsure_first}
        for runner in runners:
            run, name = runs[runner], runner.collector.name
            run.done.wait(deadline.left())
            families, took = run.result, run.seconds()
            if self._log_state:
                runner.report(run)
            collected.extend(families or ())
            success.add(0.0 if families is None or run.error else 1.0, collector=name)
            duration.add(took, collector=name)
        return [*collected, success, duration, self._guard.folded(),
                self._refusals.family(self._guard.live())]


class _Run:
    """One call of one collector; its result is None until, and unless, it ends well."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.done = threading.Event()
        self.result: list[Family] | None = None
        self.error: Exception | None = None
        self._began = time.monotonic()
        self._ended: float | None = None

    def fill(self, collector: Collector, guard: Guard) -> None:
        """Run the collector. Its families pass the guard once, even if scrapes share the run."""
        try:
            began = guard.now()
            self.result = guard.admit(self._collected(collector), began)
        except Exception as error:  # the one place where any failure is contained
            self.error = error
        finally:
            self._end()

    def fail(self, error: Exception) -> None:
        """End it before it began."""
        self.error = error
        self._end()

    def _end(self) -> None:
        self._ended = time.monotonic()
        self.done.set()

    def _collected(self, collector: Collector) -> list[Family]:
        try:
            return list(collector.collect(self.deadline))
        except IncompleteError as error:
            self.error = error
            return list(error.families)

    def seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._began


class _Runner:
    """Runs one collector, at most once at a time, and logs when its state changes."""

    def __init__(self, collector: Collector, guard: Guard, start: Start) -> None:
        self.collector = collector
        self._guard = guard
        self._threads = Threads(f"collect-{collector.name}", start)
        self._lock = threading.Lock()
        self._current: _Run | None = None
        self._state = ""

    def start(self, deadline: Deadline) -> _Run:
        """Begin a run, or join the one under way if its deadline is as good as this one."""
        with self._lock:
            current = self._current
            if current is not None and not current.done.is_set() and _may_join(
                    current.deadline.left(), deadline.left()):
                return current
            run = _Run(deadline)
            self._current = run
        if self.collector.punctual:
            run.fill(self.collector, self._guard)
            return run
        try:
            self._threads.run(lambda: run.fill(self.collector, self._guard))
        except NoThreadError as error:
            run.fail(error)  # for whoever has joined it meanwhile, too; the next scrape tries again
        return run

    def report(self, run: _Run) -> None:
        """Log the collector's state if it is another than before."""
        state = "ok"
        if run.error is not None:
            state = reason_of(run.error)
        elif run.result is None:
            state = "did not answer within the scrape's deadline"
        with self._lock:
            changed, self._state = self._state != state, state
        if changed and state != "ok":
            log.error("collector failed", extra={"collector": self.collector.name, "why": state},
                      exc_info=run.error)
        elif changed:
            log.info("collector works", extra={"collector": self.collector.name})


def _may_join(left: float, patience: float) -> bool:
    """Whether a run with so many seconds left is as good as one with so many.

    One that ends later is not, nor one in a much greater hurry; one that is overdue hangs, and
    another would as well.
    """
    return not left or JOINED_SHARE * patience <= left <= patience
