"""Rounds of one GPU through the real pynvml: by return code, MIG mode and age of the driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pynvml
import pytest

from inferometer import catalogue as c
from inferometer.gpu.driver import Device, Driver, Round
from inferometer.gpu.nvml import DriverLostError, GpuLostError
from inferometer.gpu.readings import SELDOM_ROUNDS
from inferometer.values import Key
from tests.exporter.gpu.fake_nvml import FakeNvml

UTILIZATION = "nvmlDeviceGetUtilizationRates"
MIG_ON = ("mig 0 1 0 1g.10gb 10000 100", "mig 0 2 0 3g.40gb 40000 400")


def metrics(result: Round) -> set[c.Metric]:
    return {metric for metric, _ in result.points}


def values(result: Round, of: c.Metric) -> dict[Key, float]:
    """A metric's values by their labels, without those that name the GPU."""
    return {labels: value for (metric, labels), value in result.points.items() if metric is of}


def throttling(result: Round) -> dict[str, bool]:
    """Whether each reason holds, of those that the driver does not count."""
    return {reason: holds for (_, (reason,)), holds in result.throttling.items()}


@pytest.mark.parametrize("code", [3, 13, 25, 26])
def test_a_code_that_is_final_is_asked_once(fake: FakeNvml, device: Device, code: int) -> None:
    fake.write(f"error 0 {UTILIZATION} {code}")
    for _ in range(3):
        assert c.GPU_UTILIZATION not in metrics(device.read())
    assert fake.calls().count(f"{UTILIZATION} 0") == 1


@pytest.mark.parametrize("code", [2, 4, 6, 7, 8, 10, 11, 17, 19, 20, 23, 24, 27, 29, 999, 12345])
def test_any_other_code_is_asked_again(fake: FakeNvml, device: Device, code: int) -> None:
    fake.write(f"error 0 {UTILIZATION} {code}")
    assert c.GPU_UTILIZATION not in metrics(device.read())
    assert c.GPU_TEMPERATURE in metrics(device.read())
    fake.write()
    assert c.GPU_UTILIZATION in metrics(device.read())
    assert fake.calls().count(f"{UTILIZATION} 0") == 3


@pytest.mark.parametrize("code", [15, 16, 28])
def test_a_code_of_a_lost_gpu_ends_the_round(fake: FakeNvml, device: Device, code: int) -> None:
    fake.write(f"error 0 {UTILIZATION} {code}")
    with pytest.raises(GpuLostError):
        device.read()


@pytest.mark.parametrize("code", [1, 9, 12, 18])
@pytest.mark.parametrize(
    "function", [UTILIZATION, "nvmlDeviceGetFieldValues", "nvmlDeviceGetMigMode"])
def test_a_code_of_a_lost_driver_ends_the_round(
        fake: FakeNvml, device: Device, function: str, code: int) -> None:
    fake.write(f"error 0 {function} {code}")
    with pytest.raises(DriverLostError):
        device.read()


def test_every_point_is_of_the_catalogue_and_has_its_labels(
        fake: FakeNvml, device: Device) -> None:
    fake.write(*MIG_ON, "process 0 compute 1 2 1 0", "field_error 0 74 3")
    result = device.read()
    for metric, labels in result.points:
        assert metric in c.GPU_METRICS
        assert len(labels) == len(metric.labels) - 2, metric.name  # all but gpu and uuid
    assert set(result.throttling) == {(c.GPU_THROTTLED, ("power_cap",))}


def test_the_count_of_gpus_is_none_if_it_fails_now_and_an_error_if_the_driver_is_lost(
        fake: FakeNvml, driver: Driver) -> None:
    fake.write("gpus 3")
    assert driver.count() == 3
    for code in (10, 15, 999):
        fake.write(f"error * nvmlDeviceGetCount_v2 {code}")
        assert driver.count() is None
    fake.write("all 18")
    with pytest.raises(DriverLostError, match="LIB_RM_VERSION_MISMATCH"):
        driver.count()


@pytest.mark.parametrize("code", [4, 10, 15, 999])
def test_a_gpu_whose_handle_cannot_be_had_is_lost_with_the_reason(
        fake: FakeNvml, driver: Driver, code: int) -> None:
    fake.write(f"error 0 nvmlDeviceGetHandleByIndex_v2 {code}")
    with pytest.raises(GpuLostError):
        driver.device(0)


def test_a_name_that_the_driver_did_not_give_at_first_is_learned_later(
        fake: FakeNvml, driver: Driver) -> None:
    fake.write("error 0 nvmlDeviceGetName 10")
    device = driver.device(0)
    assert (device.name, device.pci_bus_id) == ("", "00000000:01:00.0")
    fake.write("set 0 name NVIDIA Late")
    device.read()
    assert device.name == "NVIDIA Late"


def test_the_number_of_its_device_file_is_not_its_index(fake: FakeNvml, driver: Driver) -> None:
    fake.write("gpus 2", "set 0 minor_number 1", "set 1 minor_number 0")
    devices = [driver.device(0), driver.device(1)]
    for device in devices:
        device.read()
    assert [device.minor for device in devices] == ["1", "0"]


def test_a_pynvml_that_lacks_a_function_counts_as_a_driver_that_does(
        device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pynvml, "nvmlDeviceGetTemperatureV")
    assert values(device.read(), c.GPU_TEMPERATURE) == {(): 45.0}


def test_a_field_value_of_a_type_unknown_here_is_left_out(fake: FakeNvml, device: Device) -> None:
    fake.write("field_type 0 82 99")
    result = device.read()
    assert c.GPU_MEMORY_TEMPERATURE not in metrics(result)
    assert c.GPU_PCIE in metrics(result)


def test_fields_and_the_calls_instead_of_them_have_the_same_values(
        fake: FakeNvml, driver: Driver) -> None:
    settings = ("set 0 power_mw 312345", "set 0 power_limit_mw 700500",
                "set 0 energy_mj 123456789", "set 0 remapped_correctable 3",
                "set 0 ecc_corrected 11", "set 0 ecc_uncorrected 12",
                "set 0 remapped_uncorrectable 4", "set 0 remapped_pending 1",
                "set 0 remapped_failure 1")
    both = (c.GPU_POWER, c.GPU_POWER_LIMIT, c.GPU_ENERGY, c.GPU_ECC, c.GPU_REMAPPED,
            c.GPU_REMAP_PENDING, c.GPU_REMAP_FAILED)
    fake.write(*settings)
    in_fields = driver.device(0).read()
    assert "nvmlDeviceGetPowerUsage 0" not in fake.calls()
    fake.write(*settings, *(f"field_error 0 {field} 2" for field in (185, 190, 83, 5, 6, 142)))
    in_part = driver.device(0).read()
    fake.write(*settings, "missing nvmlDeviceGetFieldValues")
    in_calls = driver.device(0).read()
    for metric in both:
        assert values(in_fields, metric) == values(in_part, metric) == values(in_calls, metric)
        assert values(in_fields, metric)


def test_a_field_that_has_no_value_now_is_not_looked_for_elsewhere(
        fake: FakeNvml, device: Device) -> None:
    fake.write("field_error 0 185 999")
    assert c.GPU_POWER not in metrics(device.read())
    assert "nvmlDeviceGetPowerUsage 0" not in fake.calls()
    fake.write()
    assert c.GPU_POWER in metrics(device.read())


def test_what_hardly_changes_is_asked_in_every_fifth_round_and_shown_in_all(
        fake: FakeNvml, device: Device) -> None:
    slowdown = [values(device.read(), c.GPU_SLOWDOWN) for _ in range(10)]
    assert slowdown == [{(): 87.0}] * 10
    assert fake.calls().count("nvmlDeviceGetTemperatureThreshold 0") == 2 + 1  # the first has all
    fake.write("set 0 slowdown 90")
    assert {(): 90.0} in [values(device.read(), c.GPU_SLOWDOWN) for _ in range(5)]


def test_what_hardly_changes_is_asked_at_once_while_it_has_no_answer(
        fake: FakeNvml, device: Device) -> None:
    device.read()
    fake.write("error 0 nvmlDeviceGetTemperatureThreshold 999")
    asked = [c.GPU_SLOWDOWN in metrics(device.read()) for _ in range(5)]
    assert False in asked
    fake.write()
    assert c.GPU_SLOWDOWN in metrics(device.read())


def test_a_round_makes_few_calls(fake: FakeNvml, device: Device) -> None:
    device.read()
    before = len(calls(fake))
    for _ in range(10):
        device.read()
    assert len(calls(fake)) - before <= 80


def calls(fake: FakeNvml) -> list[str]:
    return [line for line in fake.calls() if not line.startswith("field ")]


def test_instances_are_found_behind_a_gap(
        fake: FakeNvml, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write(*MIG_ON)
    real: Callable[[Any, int], Any] = pynvml.nvmlDeviceGetMigDeviceHandleByIndex

    def behind_a_gap(handle: Any, index: int) -> Any:
        if index < 3:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return real(handle, index - 3)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigDeviceHandleByIndex", behind_a_gap)
    assert {labels[0] for labels in values(device.read(), c.GPU_MIG_INFO)} == {"1/0", "2/0"}


def test_an_instance_destroyed_during_the_round_leaves_its_neighbours_in_it(
        fake: FakeNvml, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write(*MIG_ON)
    real: Callable[[Any], int] = pynvml.nvmlDeviceGetComputeInstanceId
    asked = []

    def first_is_going(handle: Any) -> int:
        asked.append(handle)
        if len(asked) == 1:  # destroyed between two calls
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return real(handle)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeInstanceId", first_is_going)
    assert {labels[0] for labels in values(device.read(), c.GPU_MIG_INFO)} == {"2/0"}


def test_a_mig_mode_that_cannot_be_read_now_is_the_one_before(
        fake: FakeNvml, device: Device) -> None:
    fake.write(*MIG_ON)
    assert c.GPU_UTILIZATION not in metrics(device.read())
    fake.write(*MIG_ON, "error 0 nvmlDeviceGetMigMode 999")
    for _ in range(SELDOM_ROUNDS):
        device.read()
    assert fake.calls().count("nvmlDeviceGetMigMode 0") == 2
    assert fake.calls().count("nvmlDeviceGetUtilizationRates 0") == 1


def test_only_reasons_that_the_driver_does_not_count_are_looked_up(
        fake: FakeNvml, device: Device) -> None:
    fake.write("set 0 clock_reasons 0x60")
    assert device.read().throttling == {}
    fake.write("set 0 clock_reasons 0x60", "field_error 0 269 3", "field_error 0 74 3")
    assert throttling(device.read()) == {"power_cap": False, "sw_thermal": True}
    fake.write("field_error 0 270 10")  # not now is not never
    assert set(throttling(device.read())) == {"power_cap", "sw_thermal"}


def test_old_drivers_have_the_clock_reasons_under_an_old_name(
        fake: FakeNvml, device: Device) -> None:
    fake.write("set 0 clock_reasons 0x80", "missing nvmlDeviceGetFieldValues",
               "missing nvmlDeviceGetCurrentClocksEventReasons")
    assert throttling(device.read())["hw_power_brake"]


@pytest.mark.parametrize(("line", "placements"), [
    ("mig 0 7 0 1g.10gb 10 1 19 4", {"7/0": (19, 4)}), ("mig 0 7 0 1g.10gb 10 1", {})])
def test_where_an_instance_lies_is_asked_once_in_its_life(
        fake: FakeNvml, device: Device, line: str, placements: dict[str, tuple[int, int]]) -> None:
    fake.write(line)
    assert [device.read().placements for _ in range(3)] == [placements] * 3
    assert fake.calls().count("nvmlDeviceGetGpuInstanceById 0") == 1
    fake.write("mig 0 8 0 1g.10gb 10 1 19 5")
    assert device.read().placements == {"8/0": (19, 5)}
    fake.write("mig 0 8 0 1g.10gb 10 1 19 5", "lost 0")
    with pytest.raises(GpuLostError):
        device.read()
