"""Which thread does a task: one does all while all goes well, more do while tasks hang."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from inferometer.gpu.crew import PATIENCE_SECONDS, Crew
from tests.exporter.support import wait_for


class Job:
    """A task that does what a test says, and notes when it was done and by which thread."""

    def __init__(self, pause: float | None = 0.01, work: Callable[[], object] = int) -> None:
        self.pause = pause
        self.work = work
        self.done: list[tuple[float, threading.Thread]] = []

    def step(self) -> float | None:
        self.done.append((time.monotonic(), threading.current_thread()))
        self.work()
        return self.pause

    def times(self) -> list[float]:
        return [time for time, _ in self.done]


def threads() -> int:
    return sum(thread.name == "gpu-crew" for thread in threading.enumerate())


def test_tasks_are_done_again_after_the_pause_they_return() -> None:
    often, seldom, once = Job(0.02), Job(0.2), Job(None)
    crew = Crew()
    for job in (often, seldom, once):
        crew.add(job)
    wait_for(lambda: len(seldom.done) == 4)
    pauses = [later - earlier for earlier, later in itertools.pairwise(seldom.times())]
    assert min(pauses) >= 0.2
    assert len(often.done) > 15
    assert len(once.done) == 1
    often.pause = seldom.pause = None


def test_a_task_that_is_added_for_later_is_done_then_and_one_for_now_at_once() -> None:
    later, now = Job(None), Job(None)
    crew = Crew()
    began = time.monotonic()
    crew.add(later, 2)
    crew.add(now)
    wait_for(lambda: later.done)
    assert now.times()[0] - began < 2
    assert later.times()[0] - began >= 2


def test_one_thread_does_all_while_nothing_is_late() -> None:
    before = threads()
    jobs = [Job(0.02) for _ in range(20)]
    crew = Crew()
    for job in jobs:
        crew.add(job)
    wait_for(lambda: all(len(job.done) > 10 for job in jobs))
    wait_for(lambda: threads() == before + 2)  # one leads, one stands by
    for job in jobs:
        job.pause = None


def test_a_task_that_hangs_holds_up_no_other_for_longer_than_the_patience() -> None:
    release = threading.Event()
    hanging = Job(0.01, lambda: release.wait(20))
    others = [Job(0.02) for _ in range(5)]
    crew = Crew()
    for job in (*others[:2], hanging, *others[2:]):
        crew.add(job)
    wait_for(lambda: all(len(job.done) > 20 for job in others))
    for job in others:
        gaps = [later - earlier for earlier, later in itertools.pairwise(job.times())]
        assert max(gaps) < 0.02 + PATIENCE_SECONDS + 0.3
    assert len(hanging.done) == 1
    release.set()
    wait_for(lambda: len(hanging.done) > 3)
    for job in (*others, hanging):
        job.pause = None


def test_as_many_tasks_may_hang_as_there_are_and_the_threads_for_it_go_home() -> None:
    before = threads()
    release = threading.Event()
    hanging = [Job(0.05, lambda: release.wait(20)) for _ in range(8)]
    free = Job(0.01)
    crew = Crew()
    for job in (*hanging, free):
        crew.add(job)
    wait_for(lambda: all(job.done for job in hanging) and len(free.done) > 20)
    wait_for(lambda: threads() == before + len(hanging) + 2)
    release.set()
    wait_for(lambda: threads() == before + 2)
    wait_for(lambda: all(len(job.done) > 3 for job in hanging))
    for job in (*hanging, free):
        job.pause = None


def test_slow_tasks_are_done_side_by_side() -> None:
    slow = [Job(0.01, lambda: time.sleep(0.3)) for _ in range(6)]
    crew = Crew()
    began = time.monotonic()
    for job in slow:
        crew.add(job)
    wait_for(lambda: all(len(job.done) >= 4 for job in slow))
    assert time.monotonic() - began < 6 * 4 * 0.3 / 2
    for job in slow:
        job.pause = None
