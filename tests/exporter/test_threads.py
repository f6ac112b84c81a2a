"""What goes on where no thread can be had, and that all is well again once one can."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus

import pytest

from inferometer import catalogue as c
from inferometer import threads as module
from inferometer.collector import Deadline, Scrape
from inferometer.engines.discovery import Discovery
from inferometer.engines.fetch import Access
from inferometer.engines.tables import TABLES
from inferometer.engines.target import Target
from inferometer.families import Family
from inferometer.gpu.crew import Crew
from inferometer.gpu.sampler import Sampler
from inferometer.guard import Guard
from inferometer.home.history import History, Recorder
from inferometer.serve.connection import Connection, Limits
from inferometer.serve.connections import Connections
from inferometer.serve.lanes import Lane
from inferometer.serve.request import Request
from inferometer.serve.routes import Route, text_response
from inferometer.serve.server import Server
from inferometer.threads import (
    Errand,
    Failures,
    Loop,
    NoThreadError,
    Standing,
    Start,
    Threads,
    TimedEvent,
    start_thread,
)
from tests.exporter.engines.test_discovery import VLLM
from tests.exporter.gpu.test_crew import Job
from tests.exporter.gpu.test_sampler import FAST, Scripted, are_up
from tests.exporter.starvation import Starved
from tests.exporter.support import Engine, get, wait_for
from tests.exporter.test_collector import Fake, power, scraped, tokens


@pytest.fixture
def starved() -> Starved:
    return Starved()


def end(loop: Loop) -> None:
    loop.stop()
    wait_for(lambda: not any(thread.name == loop.name for thread in threading.enumerate()))


def test_a_start_that_the_system_refuses_is_a_failure_of_its_own_kind(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    caplog.set_level(logging.WARNING, module.log.name)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(module, "_REFUSALS", type(module._REFUSALS)())
    for _ in range(3):
        with pytest.raises(NoThreadError, match="no thread can be had"):
            start_thread(int, "some")
    (line,) = caplog.records  # not one for every try
    assert line.levelname == "WARNING"


def test_a_job_that_could_not_be_begun_leaves_nothing_behind(starved: Starved) -> None:
    done: list[int] = []
    threads = Threads("job", starved)
    with pytest.raises(NoThreadError):
        threads.run(lambda: done.append(1))
    starved.refuse = False
    threads.run(lambda: done.append(2))
    wait_for(lambda: done == [2])
    starved.refuse = True
    time.sleep(0.05)
    threads.run(lambda: done.append(3))  # the idle one does it
    wait_for(lambda: done == [2, 3])


def test_a_thread_outlives_a_job_that_fails(starved: Starved,
                                            caplog: pytest.LogCaptureFixture) -> None:
    starved.refuse = False
    threads, done = Threads("job", starved), threading.Event()
    threads.run(lambda: 1 // 0)
    wait_for(lambda: caplog.records)
    time.sleep(0.05)
    starved.refuse = True
    threads.run(done.set)
    assert done.wait(5)


def test_a_loop_without_a_thread_is_dead_until_one_can_be_had(starved: Starved) -> None:
    turns: list[int] = []
    loop = Loop("loop", lambda: turns.append(1), lambda: 0.01, starved)
    assert not loop.dead
    loop.start()
    assert (loop.dead, turns) == (True, [])
    loop.revive()
    assert loop.dead
    starved.refuse = False
    loop.revive()
    wait_for(lambda: len(turns) > 2)
    assert not loop.dead
    loop.revive()
    assert sum(thread.name == "loop" for thread in threading.enumerate()) == 1
    end(loop)
    loop.revive()
    assert not loop.dead
    assert not any(thread.name == "loop" for thread in threading.enumerate())


def test_a_thread_that_ended_at_once_counts_as_dead() -> None:
    """As one that finds no memory at its very beginning."""
    turns: list[int] = []
    begin: list[Callable[[], object]] = [lambda: None, lambda: loop.run()]

    def start(job: module.Job, name: str) -> threading.Thread:
        thread = start_thread(begin.pop(0), name)
        if begin:
            thread.join(5)
        return thread

    loop = Loop("loop", lambda: turns.append(1), lambda: 0.01, start)
    loop.start()
    assert loop.dead
    loop.revive()
    assert not loop.dead
    wait_for(lambda: turns)
    end(loop)


def test_a_turn_that_fails_costs_that_turn_and_is_logged_once_in_a_row(
        caplog: pytest.LogCaptureFixture) -> None:
    whys = ["one", "one", "one", "", "one", "two"]
    turns: list[str] = []

    def turn() -> None:
        turns.append(whys[min(len(turns), len(whys) - 1)])
        if turns[-1]:
            raise ValueError(turns[-1])

    loop = Loop("loop", turn, lambda: 0.0)
    loop.start()
    wait_for(lambda: len(turns) > 10)
    assert not loop.dead
    end(loop)
    assert [vars(record)["why"] for record in caplog.records] == [
        *(f"unforeseen value error: {text}" for text in ("one", "one", "two"))]


def test_a_failure_that_comes_again_and_again_is_logged_seldom_and_with_how_often(
        caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    failures = Failures("intake", lambda: now)
    for _ in range(3000):  # one each second, of two kinds in turn
        failures.note(OSError(28, "No space left on device"))
        failures.note(LookupError("too much is pending"))
        now += 1.0
    lines = [(vars(record).get("times"), record.exc_info is not None) for record in caplog.records]
    assert len(lines) == 2 * 5
    assert lines[:2] == [(None, True)] * 2
    assert set(lines[2:]) == {(600, False)}


def test_a_loop_that_is_to_hurry_takes_its_next_turn_at_once() -> None:
    turns: list[int] = []
    loop = Loop("loop", lambda: turns.append(1), lambda: 60.0)
    loop.start()
    wait_for(lambda: turns == [1])
    loop.hurry()
    wait_for(lambda: turns == [1, 1])
    end(loop)


def test_wishes_that_come_while_an_errand_is_under_way_are_one(starved: Starved) -> None:
    release, done = threading.Semaphore(0), list[int]()

    def job() -> None:
        release.acquire(timeout=10)
        done.append(1)

    errand = Errand("errand", job, starved)
    errand.revive()
    assert starved.refused == []  # nobody wished
    for _ in range(2000):
        errand.wish()
        errand.revive()
    assert len(starved.refused) == 2000
    starved.refuse = False
    for _ in range(2000):
        errand.wish()
        errand.revive()
    assert sum(thread.name == "errand" for thread in threading.enumerate()) == 1
    release.release(9)
    wait_for(lambda: not any(thread.name == "errand" for thread in threading.enumerate()))
    assert 1 <= len(done) <= 2


def test_an_event_counts_as_set_after_its_time_even_if_nobody_set_it() -> None:
    now = [0.0]
    event = TimedEvent(lambda: now[0])
    assert not event.is_set()
    event.begin(10.0)
    now[0] = 9.9
    assert not event.is_set()
    assert not event.wait(0.01)
    now[0] = 10.0
    assert event.is_set()
    assert event.wait(60.0)
    early = TimedEvent(lambda: now[0])
    early.begin(10.0)
    early.set()
    assert early.is_set()


def test_a_scrape_that_has_no_thread_costs_that_collector_and_that_scrape(
        starved: Starved, caplog: pytest.LogCaptureFixture) -> None:
    scrape = Scrape([Fake("engines", lambda _: tokens(1.0)), Fake("gpu", lambda _: power(), True)],
                    Guard(), start=starved)
    for _ in range(3):
        page = scraped(scrape)
        assert page[c.COLLECTOR_SUCCESS] == {("engines",): 0.0, ("gpu",): 1.0}
        assert (c.SERVER_OUTPUT in page, c.GPU_POWER in page) == (False, True)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "collector failed"]
    starved.refuse = False
    page = scraped(scrape)
    assert page[c.COLLECTOR_SUCCESS] == {("engines",): 1.0, ("gpu",): 1.0}
    assert c.SERVER_OUTPUT in page


def test_a_target_that_cannot_be_asked_is_down_for_that_scrape(starved: Starved) -> None:
    with Engine(VLLM) as engine:
        target = Target("t", engine.url, TABLES, Access(), 5.0, threads=Threads("ask", starved))
        for _ in range(2):
            state = target.state(target.ask(), 5.0)
            assert (state.up, state.why) == (False, "no thread can be had")
            assert target.last is state
        starved.refuse = False
        assert target.state(target.ask(), 5.0).up


def test_gpus_are_read_as_soon_as_threads_can_be_had(starved: Starved) -> None:
    sampler = Sampler(FAST, Scripted(8), start=starved)
    sampler.start()
    assert dead(sampler.loops()) == ["gpu-watch"]
    starved.refuse = False
    wait_for(lambda: _revived(sampler.loops()) and are_up(sampler) == list(range(8)))
    assert dead(sampler.loops()) == []
    sampler.stop()


def test_who_never_had_a_thread_counts_as_having_looked_after_a_while(
        starved: Starved, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("gpu.sampler", "engines.discovery"):
        monkeypatch.setattr(f"inferometer.{room}.FIRST_LOOK_SECONDS", 0.2)
    sampler = Sampler(FAST, Scripted(), start=starved)
    discovery = Discovery([], TABLES, 60.0, lambda name, url: pytest.fail(url), starved)
    for look in (sampler, discovery):
        look.start()
        assert not look.looked.is_set()
        assert look.looked.wait(5)
        look.stop()


def test_a_gpu_that_hangs_takes_no_other_where_no_deputy_can_be_hired(starved: Starved) -> None:
    starved.refuse = False
    release, driver = threading.Event(), Scripted(8)
    sampler = Sampler(FAST, driver, start=starved)
    sampler.start()
    wait_for(lambda: are_up(sampler) == list(range(8)))
    starved.refuse = True
    hanging = {3}

    def read(index: int) -> None:
        if index in hanging:
            release.wait(20)

    driver.on_read = read
    wait_for(lambda: are_up(sampler) == [0, 1, 2, 4, 5, 6, 7])
    time.sleep(0.3)
    assert are_up(sampler) == [0, 1, 2, 4, 5, 6, 7]
    assert dead(sampler.loops()) == []  # all that can be read is
    hanging.add(5)
    wait_for(lambda: are_up(sampler) == [])  # nobody is left
    wait_for(lambda: dead(sampler.loops()) == ["gpu-crew"])
    sampler.loops()[1].revive()
    assert dead(sampler.loops()) == ["gpu-crew"]
    starved.refuse = False
    sampler.loops()[1].revive()
    wait_for(lambda: are_up(sampler) == [0, 1, 2, 4, 6, 7])
    assert dead(sampler.loops()) == []
    release.set()
    wait_for(lambda: are_up(sampler) == list(range(8)))
    sampler.stop()


def test_a_crew_without_threads_keeps_its_tasks_until_it_has_them(starved: Starved) -> None:
    jobs = [Job(0.02) for _ in range(8)]
    crew = Crew(starved)
    crew.revive()
    assert (crew.dead, starved.refused) == (False, [])  # nothing is to be done
    for job in jobs:
        crew.add(job)
    assert crew.dead
    assert not any(job.done for job in jobs)
    starved.refuse = False
    crew.revive()
    wait_for(lambda: all(len(job.done) > 3 for job in jobs))
    assert not crew.dead
    for job in jobs:
        job.pause = None


def test_a_task_that_raises_costs_no_thread_of_the_crew(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("inferometer.gpu.crew.FAILED_SECONDS", 0.02)
    crew, failing, good = Crew(), Job(0.02, lambda: 1 // 0), Job(0.02)
    crew.add(failing)
    crew.add(good)
    wait_for(lambda: len(failing.done) > 3 and len(good.done) > 3)
    assert {thread for _, thread in failing.done} <= {*threading.enumerate()}
    assert [record.message for record in caplog.records] == ["failed, and goes on"]
    failing.work, failing.pause, good.pause = int, None, None


def test_engines_are_looked_for_as_soon_as_a_thread_can_be_had(starved: Starved) -> None:
    with Engine(VLLM) as engine:
        looking = Discovery([engine.port], TABLES, 60.0,
                            lambda name, url: Target(name, url, TABLES, Access(), 2.0), starved)
        looking.start()
        assert looking.loop.dead
        assert not looking.looked.is_set()
        starved.refuse = False
        looking.loop.revive()
        wait_for(looking.targets)
        looking.search([engine.port], 60.0)  # needs no thread
        starved.refuse = True
        wait_for(looking.targets)
        end(looking.loop)


def test_a_port_on_which_looking_fails_keeps_no_other_from_being_tried(
        caplog: pytest.LogCaptureFixture) -> None:
    def make(name: str, url: str) -> Target:
        if bad.url in url:
            raise ValueError("odd")
        return Target(name, url, TABLES, Access(), 2.0)

    with Engine(VLLM) as bad, Engine(VLLM) as good:
        looking = Discovery([bad.port, good.port], TABLES, 0.02, make)
        looking.start()
        wait_for(looking.targets)
        assert looking.looked.is_set()
        wait_for(lambda: len(bad.asked) > 3)
        end(looking.loop)
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert f"port {bad.port}: unforeseen value error: odd" in vars(line)["why"]


def test_the_recorder_begins_once_a_thread_can_be_had_and_with_the_present_step(
        starved: Starved) -> None:
    history, now = History(10.0), [0.0]
    read_at: list[float] = []

    def take(_: Deadline) -> list[Family]:
        read_at.append(now[0])
        return []

    recorder = Recorder(history, take, lambda: now[0], start=starved)
    recorder.loop.start()
    assert recorder.loop.dead
    starved.refuse, now[0] = False, 3605.0  # an hour later
    recorder.loop.revive()

    def is_recorded() -> bool:
        recorder.take_up([], 3605.0)
        return history.recordings > 0

    wait_for(is_recorded)
    assert read_at == []  # the step that began an hour ago is not made up for
    recorder.loop.stop()


class Odd(Server):
    """A service that fails before it answers, for as long as it is to."""

    failing = False

    def lane(self, request: Request) -> Lane[Connection] | None:
        if self.failing:
            raise ValueError("odd")
        return super().lane(request)


@contextlib.contextmanager
def served(service: Server, start: Start, tend: module.Job) -> Iterator[tuple[Connections, int]]:
    """Connections that serve in this process, and their port."""
    with socket.socket() as listener, service:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        connections = Connections(listener, service, Limits(threads=3), start)
        serving = threading.Thread(target=lambda: connections.serve(tend))
        serving.start()
        yield connections, listener.getsockname()[1]
        connections.stop()
        serving.join(5)
        assert not serving.is_alive()
        connections.close()


@pytest.fixture
def service() -> Odd:
    return Odd("127.0.0.1", 0, [Route("/", lambda _: text_response(HTTPStatus.OK, "page"))])


def test_a_server_without_threads_serves_by_itself_and_hires_them_later(
        service: Odd, starved: Starved) -> None:
    tended: list[int] = []
    with served(service, starved, lambda: tended.append(1)) as (connections, port):
        for _ in range(3):
            assert get(port, "/").status == 200
        assert connections.alone
        starved.refuse = False
        wait_for(lambda: not connections.alone)
        starved.refuse = True
        assert get(port, "/").status == 200
        wait_for(lambda: len(tended) > 2)
        before = len(tended)
        connections.wake()
        wait_for(lambda: len(tended) > before, 0.5)


def test_whatever_tending_or_a_connection_raises_the_server_goes_on(
        service: Odd, caplog: pytest.LogCaptureFixture) -> None:
    with served(service, start_thread, lambda: 1 // 0) as (_, port):
        service.failing = True
        for _ in range(9):  # more than it has threads
            with pytest.raises(OSError, match="closed connection"):
                get(port, "/", seconds=5)
        service.failing = False
        assert get(port, "/").status == 200
    whys = {vars(record)["why"] for record in caplog.records}
    assert {"unforeseen value error: odd",
            "unforeseen zero division error: integer division or modulo by zero"} <= whys


def dead(loops: Sequence[Standing]) -> list[str]:
    return [loop.name for loop in loops if loop.dead]


def _revived(loops: Sequence[Standing]) -> bool:
    for loop in loops:
        loop.revive()
    return dead(loops) == []
