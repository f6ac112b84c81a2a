"""Isolation: what a collector does to itself it does to nobody else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.collector import Collector, Deadline, IncompleteError, Scrape
from inferometer.families import Family
from inferometer.guard import Guard
from inferometer.values import Value

SECONDS = 0.5  # a scrape's deadline


def power() -> list[Family]:
    return [Family(c.GPU_POWER, {("0", "GPU-0"): 300.0})]


def tokens(count: float, models: int = 1) -> list[Family]:
    return [Family(c.SERVER_OUTPUT, {("t", "vllm", f"m{n}", ""): count for n in range(models)})]


class Fake:
    """A collector that does what it is told."""

    def __init__(self, name: str, act: Callable[[Deadline], Iterable[Family]],
                 punctual: bool = False) -> None:
        self.name = name
        self.punctual = punctual
        self.act = act
        self.calls = 0

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        self.calls += 1
        return self.act(deadline)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging collectors wait for; opened at the end."""
    event = threading.Event()
    yield event
    event.set()


def scraped(scrape: Scrape, seconds: float = SECONDS) -> dict[Metric, dict[tuple[str, ...], Value]]:
    return {family.metric: family.points for family in scrape.families(Deadline(seconds))}


@pytest.mark.parametrize("punctual", [True, False])
def test_a_collector_may_have_families_and_fail_all_the_same(
        punctual: bool, caplog: pytest.LogCaptureFixture) -> None:
    def act(_: Deadline) -> list[Family]:
        raise IncompleteError("the rest is missing", power())

    scrape = scrape_of(Fake("gpu", act, punctual))
    for _ in range(2):
        page = scraped(scrape)
        assert page[c.GPU_POWER] == {("0", "GPU-0"): 300.0}
        assert page[c.COLLECTOR_SUCCESS] == {("gpu",): 0.0}
    (line,) = caplog.records
    assert line.__dict__["why"] == "the rest is missing"


def scrape_of(*collectors: Collector) -> Scrape:
    return Scrape(collectors, Guard())


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, Any]]:
    return [(record.levelname, record.getMessage(), getattr(record, "why", None))
            for record in caplog.records]


def raising(_: Deadline) -> Iterable[Family]:
    raise OSError(5, "the driver is gone")


def raising_half_way(_: Deadline) -> Iterable[Family]:
    yield from tokens(1.0)
    raise ValueError("half way")


def saying_nonsense(_: Deadline) -> Iterable[Family]:
    return [Family(c.SERVER_OUTPUT, {("too", "short"): 1.0})]


@pytest.mark.parametrize("punctual", [False, True])
@pytest.mark.parametrize("act", [raising, raising_half_way, saying_nonsense])
def test_a_collector_that_fails_costs_its_own_families_only(
        act: Callable[[Deadline], Iterable[Family]], punctual: bool) -> None:
    page = scraped(scrape_of(Fake("gpu", lambda _: power(), punctual),
                             Fake("engines", act, punctual)))
    assert page[c.GPU_POWER] == {("0", "GPU-0"): 300.0}
    assert c.SERVER_OUTPUT not in page
    assert page[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0, ("engines",): 0.0}
    assert set(page[c.COLLECTOR_DURATION]) == {("gpu",), ("engines",)}


def test_a_collector_that_hangs_costs_its_own_families_only_and_not_the_deadline(
        gate: threading.Event) -> None:
    def hang(_: Deadline) -> list[Family]:
        gate.wait()
        return tokens(1.0)

    scrape = scrape_of(Fake("engines", hang), Fake("gpu", lambda _: power()))
    for _ in range(3):
        began = time.monotonic()
        page = scraped(scrape)
        assert SECONDS - 0.1 < time.monotonic() - began < SECONDS + 1.0
        assert page[c.GPU_POWER] == {("0", "GPU-0"): 300.0}
        assert c.SERVER_OUTPUT not in page
        assert page[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0, ("engines",): 0.0}
        durations = page[c.COLLECTOR_DURATION]
        assert durations["gpu",] < durations["engines",]  # type: ignore[operator]
        assert durations["engines",] >= SECONDS - 0.1  # type: ignore[operator]


def test_all_that_hang_together_cost_one_deadline(gate: threading.Event) -> None:
    hanging = [Fake(name, lambda _: power() if gate.wait() else [])
               for name in ("gpu", "engines", "cost")]
    began = time.monotonic()
    assert set(scraped(scrape_of(*hanging))[c.COLLECTOR_SUCCESS].values()) == {0.0}
    assert time.monotonic() - began < SECONDS + 1.0


def test_a_hanging_collector_is_not_started_again_until_it_has_ended(
        gate: threading.Event) -> None:
    collector = Fake("gpu", lambda _: power() if gate.wait() else [])
    scrape = scrape_of(collector)
    for _ in range(4):
        scraped(scrape, 0.05)
    assert collector.calls == 1
    gate.set()
    time.sleep(0.1)
    assert scraped(scrape)[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0}
    assert collector.calls == 2


def test_a_collector_is_told_a_deadline_before_the_scrapes_own() -> None:
    left: list[float] = []

    def look(deadline: Deadline) -> list[Family]:
        left.append(deadline.left())
        return []

    scraped(scrape_of(Fake("gpu", look)), 10.0)
    assert 8.0 < left[0] < 9.5


def test_a_deadline_never_has_less_than_zero_left() -> None:
    now = [100.0]
    deadline = Deadline(2.0, lambda: now[0])
    assert deadline.left() == 2.0
    now[0] = 200.0
    assert deadline.left() == 0.0


def test_a_failure_is_logged_once_and_so_is_the_return(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    failing = [False]
    scrape = scrape_of(Fake("gpu", lambda d: raising(d) if failing[0] else power()))
    for state in (False, False, True, True, True, False, False):
        failing[0] = state
        scraped(scrape)
    why = "the driver is gone"
    assert logged(caplog) == [("INFO", "collector works", None),
                              ("ERROR", "collector failed", why),
                              ("INFO", "collector works", None)]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True, False]


def test_hanging_is_logged_once_and_so_is_the_return(caplog: pytest.LogCaptureFixture,
                                                     gate: threading.Event) -> None:
    caplog.set_level(logging.INFO)
    scrape = scrape_of(Fake("gpu", lambda _: power() if gate.wait() else []))
    for _ in range(3):
        scraped(scrape, 0.05)
    gate.set()
    for _ in range(2):
        scraped(scrape)
    why = "did not answer within the scrape's deadline"
    assert logged(caplog) == [("ERROR", "collector failed", why), ("INFO", "collector works", None)]


def test_scrapes_at_the_same_time_share_one_run() -> None:
    begun = threading.Barrier(8)

    def slowly(_: Deadline) -> list[Family]:
        time.sleep(0.3)
        return power()

    collector = Fake("gpu", slowly)
    scrape = scrape_of(collector)

    def once(_: int) -> dict[Metric, dict[tuple[str, ...], Value]]:
        begun.wait(5)
        return scraped(scrape, 5.0)

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(once, range(8)))
    assert collector.calls == 1
    for page in pages:
        assert page[c.GPU_POWER] == {("0", "GPU-0"): 300.0}
        assert page[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0}


def test_a_shared_run_is_folded_and_counted_once(gate: threading.Event) -> None:
    scrape = scrape_of(Fake("engines", lambda _: tokens(1.0, 1000) if gate.wait() else []))
    with ThreadPoolExecutor(4) as pool:
        pages = pool.map(lambda _: scraped(scrape, 5.0), range(4))
        time.sleep(0.2)
        gate.set()
        first, *others = [page[c.SERVER_OUTPUT] for page in pages]
    assert all(points == first for points in others)
    (count,) = [dict(family.items())[c.SERVER_OUTPUT.name, "model"]
                for family in scrape.families(Deadline(1.0), [])
                if family.metric is c.LABELS_FOLDED]
    assert count == 1000 - (len(first) - 1)


def test_an_answer_that_waits_for_a_hanging_neighbour_is_not_taken_for_a_reset(
        gate: threading.Event) -> None:
    """Two Prometheus with different patience: the older reading is given out last."""
    counts = iter([10.0, 20.0, 30.0])
    scrape = scrape_of(Fake("gpu", lambda _: power() if gate.wait() else []),
                       Fake("engines", lambda _: tokens(next(counts), 500)))
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(scraped, scrape, 5.0)
        time.sleep(0.5)
        hasty = scraped(scrape, 1.5)[c.SERVER_OUTPUT]
        late = patient.result()[c.SERVER_OUTPUT]
    other = ("t", "vllm", c.OTHER, "")
    folded = 500 - (len(late) - 1)
    assert late[other] == 10.0 * folded
    assert hasty[other] == 20.0 * folded
    gate.set()
    assert scraped(scrape)[c.SERVER_OUTPUT][other] == 30.0 * folded


def test_only_the_chosen_collectors_are_asked() -> None:
    chosen, other = Fake("gpu", lambda _: power()), Fake("cost", lambda _: [])
    scrape = scrape_of(chosen, other)
    assert scrape.names == ["gpu", "cost"]
    points = {family.metric: family.points for family in scrape.families(Deadline(1.0), ["gpu"])}
    assert points[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0}
    assert (chosen.calls, other.calls) == (1, 0)


def test_a_scrape_in_a_hurry_is_not_bound_to_one_that_is_patient() -> None:
    def as_late_as_it_may(deadline: Deadline) -> list[Family]:
        time.sleep(0.7 * deadline.left())
        return tokens(1.0)

    scrape = scrape_of(Fake("engines", as_late_as_it_may))
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(scraped, scrape, 6.0)
        time.sleep(0.3)
        assert scraped(scrape, 2.0)[c.COLLECTOR_SUCCESS] == {("engines",): 1.0}
        assert patient.result()[c.COLLECTOR_SUCCESS] == {("engines",): 1.0}


def test_a_patient_scrape_is_not_bound_to_one_in_a_hurry() -> None:
    def as_soon_as_it_can(deadline: Deadline) -> list[Family]:
        time.sleep(min(1.0, deadline.left()))
        return tokens(1.0) if deadline.left() else []

    scrape = scrape_of(Fake("engines", as_soon_as_it_can))
    with ThreadPoolExecutor(1) as pool:
        hasty = pool.submit(scraped, scrape, 0.5)
        time.sleep(0.1)
        assert c.SERVER_OUTPUT in scraped(scrape, 5.0)
        assert c.SERVER_OUTPUT not in hasty.result()


def test_a_run_that_is_overdue_is_joined_rather_than_made_again(gate: threading.Event) -> None:
    def hang(_: Deadline) -> list[Family]:
        gate.wait()
        return []

    hung = Fake("gpu", hang)
    scrape = scrape_of(hung)
    for _ in range(5):
        scraped(scrape, 0.1)
    assert hung.calls == 1


def test_collectors_run_in_the_same_few_threads_again_and_again() -> None:
    threads: set[threading.Thread] = set()

    def look(_: Deadline) -> list[Family]:
        threads.add(threading.current_thread())
        return []

    scrape = scrape_of(Fake("gpu", look), Fake("engines", look))
    for _ in range(20):
        scraped(scrape)
        time.sleep(0.01)  # a thread is idle only once it is done with telling so
    assert len(threads) == 2
    assert threading.current_thread() not in threads


def test_a_thread_that_hangs_is_replaced_and_works_again_when_it_is_free(
        gate: threading.Event) -> None:
    patient: list[threading.Thread] = []

    def hang(_: Deadline) -> list[Family]:
        patient.append(threading.current_thread())
        if len(patient) == 1:
            gate.wait()
        return power()

    scrape = scrape_of(Fake("gpu", hang))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scraped, scrape, 30.0)
        time.sleep(0.1)
        assert scraped(scrape)[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0}  # in a hurry: not joined
        gate.set()
        assert waiting.result()[c.COLLECTOR_SUCCESS] == {("gpu",): 1.0}
    time.sleep(0.1)
    for _ in range(5):
        scraped(scrape)
    assert len(set(patient)) == 2


def test_a_punctual_collector_runs_in_the_scrapes_own_thread_while_the_others_work() -> None:
    slow_works = threading.Event()
    seen: list[object] = []

    def slow(_: Deadline) -> list[Family]:
        slow_works.set()
        return []

    def punctual(_: Deadline) -> list[Family]:
        seen.extend([slow_works.wait(5), threading.current_thread()])
        return power()

    page = scraped(scrape_of(Fake("gpu", punctual, punctual=True), Fake("engines", slow)))
    assert seen == [True, threading.current_thread()]
    assert page[c.GPU_POWER] == {("0", "GPU-0"): 300.0}
    assert list(page[c.COLLECTOR_SUCCESS]) == [("gpu",), ("engines",)]
