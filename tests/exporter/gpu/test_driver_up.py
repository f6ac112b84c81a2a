"""A driver that does not answer: what the page says of it, of its GPUs and of the collector."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from inferometer import catalogue as c
from inferometer.collector import Deadline, IncompleteError
from inferometer.config import Config
from inferometer.gpu import nvml
from inferometer.gpu import sampler as module
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.nvml import DriverLostError
from inferometer.gpu.part import GpuPart
from inferometer.gpu.sampler import Sampler
from inferometer.roles import NODE
from inferometer.sieve import Refusals
from tests.exporter.gpu.conftest import Start
from tests.exporter.gpu.drill import Drill, drivers, measured, up
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.gpu.test_drills import no_driver_here, of
from tests.exporter.gpu.test_sampler import FAST, Scripted, are_up, begin, driver, wait_for_ever
from tests.exporter.support import wait_for

__all__ = ["begin", "driver"]  # fixtures

REASONS = {9: "no_driver", 18: "version_mismatch", 4: "no_permission", 17: "no_permission",
           10: "no_answer", 12: "no_library", 999: "other", 3: "other", 12345: "other"}


def failures(drill: Drill) -> list[str]:
    return [line["why"] for line in drill.logged("collector failed", collector="gpu")]


def test_the_reasons_are_a_closed_set_and_each_code_has_one() -> None:
    assert {*nvml.FAULTS.values(), nvml.OTHER, module.NO_ANSWER} == {*c.DRIVER_FAULT.values}


@pytest.mark.parametrize("role", [NODE, ""])
def test_a_driver_that_cannot_be_opened_says_why_and_fails_a_node_alone(
        start: Start, role: str) -> None:
    drill = start("gpus 2", "init 9", role=role)
    assert drivers(drill.scrape()) == {"no_driver": 0.0}  # on the first page
    for code, reason in REASONS.items():
        drill.fake.write("gpus 2", f"init {code}")
        drill.until(lambda page, reason=reason: drivers(page) == {  # type: ignore[misc]
            reason: 0.0})
    drill.fake.write("gpus 2")
    page = drill.until_up(0, 1)
    assert drivers(page) == {"": 1.0}
    assert any("no_driver: no driver: DRIVER_NOT_LOADED" in why
               for why in failures(drill)) == (role == NODE)


@pytest.mark.parametrize("role", [NODE, ""])
@pytest.mark.parametrize(("code", "reason"), [(9, "no_driver"), (18, "version_mismatch"),
                                              (1, "other")])
def test_a_driver_that_goes_away_takes_its_values_and_leaves_what_lasts(
        start: Start, role: str, code: int, reason: str) -> None:
    drill = start("gpus 2", role=role)
    drill.until_up(0, 1)
    drill.fake.add(f"all {code}", f"init {code}")
    page = drill.until(lambda page: drivers(page) == {reason: 0.0})
    assert up(page) == {"0": False, "1": False}
    assert measured(page, 0) == set()
    assert of(page, c.GPU_INFO) == 1.0
    drill.fake.write("gpus 2")
    drill.until_up(0, 1)
    drill.check_alive(0, 1)


@no_driver_here
@pytest.mark.parametrize("role", [NODE, ""])
def test_no_library_at_all_is_a_failure_of_a_node_alone(
        start: Start, fake: FakeNvml, role: str) -> None:
    fake.uninstall()
    drill = start("gpus 1", role=role)
    assert drivers(drill.scrape()) == {"no_library": 0.0}
    if role == NODE:
        drill.wait_for_logged("collector failed", 1, collector="gpu")
    else:
        assert failures(drill) == []


@no_driver_here
def test_a_library_that_is_there_and_cannot_be_loaded_is_not_none(
        start: Start, fake: FakeNvml) -> None:
    fake.library.write_text("no library")
    drill = start("gpus 1")
    assert drivers(drill.scrape()) == {"other": 0.0}
    (line,) = drill.logged("GPUs")
    assert "cannot be loaded" in line["state"]
    fake.install()
    drill.until_up(0)


def test_a_driver_that_will_not_count_its_gpus_is_not_up(start: Start) -> None:
    drill = start("gpus 2")
    drill.until_up(0, 1)
    drill.fake.add("error * nvmlDeviceGetCount_v2 999")
    page = drill.until(lambda page: drivers(page) == {"other": 0.0})
    assert up(page) == {"0": True, "1": True}
    drill.fake.write("gpus 2")
    drill.until(lambda page: drivers(page) == {"": 1.0})


def shown(sampler: Sampler, required: bool = False) -> tuple[dict[str, float], bool]:
    """What the collector says of the driver, by reason, and whether it succeeds."""
    succeeds = True
    try:
        families = list(GpuCollector(sampler, required).collect(Deadline(1.0)))
    except IncompleteError as error:
        families, succeeds = list(error.families), False
    points = {key[0]: value for family in families if family.metric is c.GPU_DRIVER_UP
              for key, value in family.items() if isinstance(value, float)}
    return points, succeeds


@pytest.mark.parametrize("hanging", ["open", "count", "device"])
def test_a_first_look_that_hangs_is_no_answer_once_patience_is_over(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch,
        hanging: str) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.2)
    release = threading.Event()
    real = getattr(driver, hanging)

    def hang(*arguments: object) -> object:
        release.wait(20)
        return real(*arguments)

    monkeypatch.setattr(driver, hanging, hang)
    sampler = begin()
    if hanging == "device":  # that is one GPU, and the driver answers
        wait_for(lambda: shown(sampler, True) == ({"": 1.0}, True))
    else:
        assert shown(sampler, True) == ({}, True)
        wait_for(lambda: shown(sampler, True) == ({"no_answer": 0.0}, False))
        assert shown(sampler) == ({"no_answer": 0.0}, True)
        assert "does not answer" in sampler.state
    release.set()
    wait_for(lambda: are_up(sampler) == [0, 1])
    assert shown(sampler, True) == ({"": 1.0}, True)


@pytest.mark.parametrize("hanging", ["count", "open"])
def test_a_later_look_that_hangs_is_no_answer_while_gpus_that_answer_are_up(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch,
        hanging: str) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.2)
    sampler = begin()
    wait_for(lambda: are_up(sampler) == [0, 1])
    release = threading.Event()
    real = getattr(driver, hanging)

    def hang() -> object:
        wait_for_ever(release)
        return real()

    monkeypatch.setattr(driver, hanging, hang)
    if hanging == "open":

        def lost(index: int) -> None:
            driver.on_read = lambda index: None
            raise DriverLostError("again", "no_driver")

        driver.on_read = lost
        wait_for(lambda: shown(sampler) == ({"no_driver": 0.0}, True))
    wait_for(lambda: shown(sampler, True) == ({"no_answer": 0.0}, False))
    assert are_up(sampler) == ([0, 1] if hanging == "count" else [])
    release.set()
    wait_for(lambda: are_up(sampler) == [0, 1] and shown(sampler) == ({"": 1.0}, True))


def test_whatever_else_a_look_raises_is_another_reason_and_one_line(
        driver: Scripted, begin: Callable[[], Sampler], caplog: pytest.LogCaptureFixture) -> None:
    def odd() -> None:
        raise ValueError("odd")

    driver.on_open = odd
    sampler = begin()
    assert sampler.looked.wait(5)
    time.sleep(5 * FAST.retry_seconds)
    assert shown(sampler, True) == ({"other": 0.0}, False)
    assert len([record for record in caplog.records if "odd" in record.__dict__["state"]]) == 1


def test_the_page_for_a_person_says_it_with_and_without_gpus(
        driver: Scripted, begin: Callable[[], Sampler], monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise DriverLostError("DRIVER_NOT_LOADED", "no_driver")

    driver.on_open = none
    part = GpuPart(Config(), Refusals())
    sampler = part.sampler = begin()
    assert sampler.looked.wait(5)
    assert "DRIVER_NOT_LOADED" in str(part.watch().when_empty)
    driver.on_open = lambda: None
    wait_for(lambda: are_up(sampler) == [0, 1])
    assert not part.watch().footnote
    monkeypatch.setattr(driver, "count", lambda: None)
    wait_for(lambda: "does not say how many" in str(part.watch().footnote))
