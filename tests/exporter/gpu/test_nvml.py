"""NVML's library through the real pynvml: its events, its errors, how it is loaded and let go."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferometer.gpu import nvml
from inferometer.gpu.driver import Device, Driver
from inferometer.gpu.nvml import (
    CallError,
    DriverLostError,
    Events,
    GpuLostError,
    MissingError,
    RefusedError,
    UnsupportedError,
)
from tests.exporter.gpu.fake_nvml import DRIVER, FakeNvml


@pytest.mark.parametrize(("code", "kind"), [
    (3, UnsupportedError), (13, MissingError), (25, UnsupportedError), (26, UnsupportedError),
    (4, RefusedError), (6, RefusedError), (21, RefusedError), (2, CallError),
    (15, GpuLostError), (16, GpuLostError), (28, GpuLostError),
    (1, DriverLostError), (9, DriverLostError), (12, DriverLostError), (18, DriverLostError),
    (10, CallError), (999, CallError), (12345, CallError),
])
def test_a_return_code_is_an_error_by_what_it_means(
        fake: FakeNvml, device: Device, code: int, kind: type[Exception]) -> None:
    fake.write(f"error 0 nvmlDeviceGetPowerUsage {code}")
    with pytest.raises(kind) as raised:
        nvml.ask(("nvmlDeviceGetPowerUsage",), device.handle)
    assert type(raised.value) is kind


@pytest.mark.parametrize("function", [
    ("nvmlDeviceGetPhaseOfTheMoon",), ("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_MOON")])
def test_what_pynvml_lacks_is_unsupported(device: Device, function: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedError, match=function[-1]):
        nvml.ask(function, device.handle)


@pytest.mark.parametrize("code", [3, 10, 15, 18])
def test_a_text_that_the_driver_does_not_give_is_empty(
        fake: FakeNvml, device: Device, code: int) -> None:
    fake.write(f"error 0 * {code}")
    assert nvml.text(("nvmlDeviceGetName",), device.handle) == ""
    assert nvml.pci_bus_id(device.handle) == ""


def test_events_have_the_xids_of_their_gpu_and_wait_for_none(
        fake: FakeNvml, driver: Driver, device: Device) -> None:
    fake.write("gpus 2")
    events = Events(device.handle)
    assert events.registered
    assert events.take() == []
    fake.write("gpus 2", "xid 1 31 1", "xid 0 79 2", "xid 0 31 3")
    assert (events.take(), events.take()) == ([79, 31], [])
    fake.write("gpus 2", "lost 0")
    assert events.take() == []
    events.close()


def test_a_gpu_without_events_registers_for_none(fake: FakeNvml, device: Device) -> None:
    fake.write("error 0 nvmlDeviceRegisterEvents 3")
    events = Events(device.handle)
    assert not events.registered
    events.close()
    fake.write("error * nvmlEventSetCreate 23")
    events = Events(device.handle)
    assert not events.registered
    events.close()


def test_unloading_lets_go_of_the_library_and_opening_loads_what_is_there_now(
        fake: FakeNvml, driver: Driver) -> None:
    def loaded() -> bool:
        return str(fake.library) in Path("/proc/self/maps").read_text()

    assert loaded()
    driver.close(unload=False)
    assert loaded()
    driver.close(unload=True)
    assert not loaded()
    assert driver.open() == DRIVER
    assert driver.count() == 1


def test_closing_what_was_never_opened_is_no_error(driver: Driver) -> None:
    driver.close(unload=True)
    driver.close(unload=True)
    driver.close(unload=False)
