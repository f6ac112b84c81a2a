"""The sampler's threads and sessions, on drivers that misbehave as the fake library cannot."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from inferometer import catalogue as c
from inferometer.config import GpuSection
from inferometer.gpu import sampler as module
from inferometer.gpu.driver import Device, Driver, Round
from inferometer.gpu.nvml import DriverLostError, GpuLostError
from inferometer.gpu.sampler import Sampler
from tests.exporter.support import wait_for

FAST = GpuSection(interval_seconds=0.01, time_to_live_seconds=1.0, retry_seconds=0.02)
REST = dataclasses.replace(FAST, retry_seconds=3600.0)


class Board(Device):
    """A GPU of a session of `Scripted`."""

    def __init__(self, driver: Scripted, index: int) -> None:
        self.index, self.uuid = index, f"GPU-{index}"
        self.name, self.pci_bus_id, self.minor, self.handle = "Board", f"{index}", "", None
        self._driver, self._session = driver, driver.session

    def read(self) -> Round:
        if self._session != self._driver.session:
            self._driver.misused.append(self.index)
        self._driver.on_read(self.index)
        return Round({(c.GPU_UTILIZATION, ()): 0.5})


class Scripted(Driver):
    """A driver whose calls are a test's own. It notes which handles outlive their session."""

    def __init__(self, count: int = 2) -> None:
        self.session = 0
        self.misused: list[int] = []
        self.gpus = count
        self.on_open: Callable[[], None] = lambda: None
        self.on_device: Callable[[int], None] = lambda index: None
        self.on_read: Callable[[int], None] = lambda index: None

    def open(self) -> str:
        self.on_open()
        self.session += 1
        return f"session {self.session}"

    def close(self, unload: bool) -> None:
        self.session += 1

    def count(self) -> int | None:
        return self.gpus

    def device(self, index: int) -> Device:
        self.on_device(index)
        return Board(self, index)


@pytest.fixture
def driver() -> Scripted:
    return Scripted()


@pytest.fixture
def begin(driver: Scripted) -> Iterator[Callable[[], Sampler]]:
    begun: list[Sampler] = []

    def start(config: GpuSection = FAST) -> Sampler:
        sampler = Sampler(config, driver)
        begun.append(sampler)
        sampler.start()
        return sampler

    yield start

    def refuse(*_: object) -> None:
        raise DriverLostError("the test is over")

    driver.on_open = driver.on_device = driver.on_read = refuse
    for sampler in begun:
        sampler.configure(REST)


def are_up(sampler: Sampler) -> list[int]:
    return [gpu.index for gpu in sampler.gpus() if sampler.fresh(gpu)]


def test_no_handle_is_used_once_its_session_has_ended(
        driver: Scripted, begin: Callable[[], Sampler]) -> None:
    driver.gpus = 8
    reads = [0]

    def lost_now_and_then(index: int) -> None:
        reads[0] += 1
        time.sleep(0.001)
        if reads[0] % 50 == 0:
            raise DriverLostError("again")

    driver.on_read = lost_now_and_then
    sampler = begin()
    wait_for(lambda: driver.session > 20, 20)
    driver.on_read = lambda index: None
    wait_for(lambda: are_up(sampler) == list(range(8)))
    assert driver.misused == []


def test_a_lost_gpu_is_tried_in_a_new_session_too(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_SECONDS", (0.1, 0.2))

    def back_in_a_later_session(index: int) -> None:
        if index == 1 and driver.session < 4:
            raise GpuLostError("RESET_REQUIRED")

    driver.on_device = back_in_a_later_session
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0])
    wait_for(lambda: are_up(sampler) == [0, 1])
    assert driver.misused == []
    assert {gpu.driver_version for gpu in sampler.gpus()} == {sampler.state.split("driver ")[1]}


def test_new_sessions_for_a_lost_gpu_become_rare(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_SECONDS", (0.1, 0.8))
    opened: list[float] = []
    driver.on_open = lambda: opened.append(time.monotonic())

    def lost(index: int) -> None:
        if index == 1:
            raise GpuLostError("GPU_IS_LOST")

    driver.on_device = lost
    begin()
    wait_for(lambda: len(opened) == 5)
    waits = [later - earlier for earlier, later in itertools.pairwise(opened)]
    assert waits[1] > 0.15
    assert waits[2] > 0.35
    assert waits[3] > 0.75


def test_while_a_gpu_hangs_no_new_session_is_begun_nor_the_others_held_up_for_one(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_SECONDS", (0.1, 0.1))
    release = threading.Event()
    driver.on_read = lambda index: None if index == 0 else wait_for_ever(release)
    sampler = begin()
    wait_for(lambda: any(gpu.lost == module.HUNG for gpu in sampler.gpus()))
    session, reads = driver.session, []
    driver.on_read = lambda index: reads.append(time.monotonic())
    wait_for(lambda: len(reads) > 50)
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(reads))
    assert gaps[-5] < 0.4  # a new session would hold them up each time; a busy machine now and then
    assert driver.session == session
    assert are_up(sampler) == [0]
    release.set()
    wait_for(lambda: are_up(sampler) == [0, 1])


def test_a_driver_that_hangs_when_opened_does_not_keep_the_exporter_from_being_ready(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK_SECONDS", 0.1)
    release = threading.Event()
    driver.on_open = lambda: wait_for_ever(release)
    sampler = begin()
    assert sampler.looked.wait(5)
    assert (sampler.gpus(), sampler.state) == ([], "")
    release.set()
    wait_for(lambda: are_up(sampler) == [0, 1])


def test_whatever_reading_one_gpu_raises_the_others_and_later_rounds_go_on(
        driver: Scripted, begin: Callable[[], Sampler], caplog: pytest.LogCaptureFixture) -> None:
    def odd(index: int) -> None:
        if index == 1:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")

    driver.on_read = odd
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0])
    wait_for(lambda: any(gpu.lost == "it is not UTF-8" for gpu in sampler.gpus()))
    driver.on_read = lambda index: None
    wait_for(lambda: are_up(sampler) == [0, 1])
    assert [r.message for r in caplog.records if "GPU lost" in r.message] == ["GPU lost"]


def test_whatever_looking_for_gpus_raises_it_goes_on(
        driver: Scripted, begin: Callable[[], Sampler], caplog: pytest.LogCaptureFixture) -> None:
    def odd() -> None:
        raise ValueError("odd")

    driver.on_open = odd
    sampler = begin()
    assert sampler.looked.wait(5)
    driver.on_open = lambda: None
    wait_for(lambda: are_up(sampler) == [0, 1])


def test_a_gpu_that_moves_to_another_index_stays_the_same_gpu(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0, 1])
    first, second = sampler.gpus()
    monkeypatch.setattr(driver, "device", lambda index: Board(driver, 1))  # GPU 0 fell off
    driver.gpus = 1

    def end_session(index: int) -> None:
        driver.on_read = lambda index: None
        raise DriverLostError("again")

    driver.on_read = end_session
    wait_for(lambda: first.gone and second.index == 0 and sampler.fresh(second))
    assert first.lost == "no longer there"
    assert sampler.gpus() == [first, second]


def test_a_gpu_the_driver_no_longer_lists_is_gone_until_it_lists_it_again(
        driver: Scripted, begin: Callable[[], Sampler]) -> None:
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0, 1])
    driver.gpus = 1
    wait_for(lambda: sampler.gpus()[1].gone)
    assert are_up(sampler) == [0]
    driver.gpus = 2
    wait_for(lambda: are_up(sampler) == [0, 1])
    assert not sampler.gpus()[1].gone


def test_new_intervals_hold_from_the_next_round_on(
        driver: Scripted, begin: Callable[[], Sampler]) -> None:
    reads = [0]

    def count(index: int) -> None:
        reads[0] += 1

    driver.on_read = count
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0, 1])
    sampler.configure(dataclasses.replace(FAST, interval_seconds=3600.0))
    time.sleep(0.1)
    before = reads[0]
    time.sleep(0.2)
    assert reads[0] == before


def wait_for_ever(release: threading.Event) -> None:
    release.wait(20)
