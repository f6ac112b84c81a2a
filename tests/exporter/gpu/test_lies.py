"""Answers that cannot be, given with SUCCESS, and silence: what they cost, and what not."""

from __future__ import annotations

import time

import pytest

from inferometer import catalogue as c
from inferometer.gpu import nvml
from inferometer.gpu.driver import Device, Driver
from inferometer.gpu.nvml import EVENTS_AT_ONCE, Events, GpuLostError
from inferometer.gpu.readings import MOST_INSTANCES
from tests.exporter.gpu.conftest import Start
from tests.exporter.gpu.drill import up
from tests.exporter.gpu.fake_kubelet import FakeKubelet
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.gpu.lies import (
    ANSWERS,
    LIES,
    MISSING,
    NOT_SUPPORTED,
    OUTAGES,
    TIMEOUT,
    UNKNOWN,
    Lie,
    mislead,
    play,
    readings,
    suffer,
)
from tests.exporter.gpu.test_drills import uuid
from tests.exporter.gpu.test_driver import metrics, values
from tests.exporter.support import Page

NO_PERMISSION, NOT_FOUND, GPU_IS_LOST, RESET_REQUIRED = 4, 6, 15, 16


def rounds(device: Device, times: int = 7) -> list[bool]:
    """Whether the GPU answers, round by round."""
    return [device.read().answered for _ in range(times)]


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, MISSING, 21, 25, 26, 27])
def test_a_gpu_that_answers_everything_with_no_is_up_in_every_round(
        fake: FakeNvml, driver: Driver, code: int) -> None:
    fake.write(*readings(code, "0"))
    device = driver.device(0)
    assert rounds(device) == [True] * 7
    assert metrics(device.read()) <= {c.GPU_PEAK_FLOPS, c.GPU_PEAK_BANDWIDTH}


@pytest.mark.parametrize("code", [UNKNOWN, TIMEOUT, 2, 11, 20, 12345, -1])
def test_a_gpu_whose_every_reading_fails_is_silent_in_every_round(
        fake: FakeNvml, driver: Driver, code: int) -> None:
    fake.write(*readings(code, "0"))
    device = driver.device(0)
    assert rounds(device) == [False] * 7


@pytest.mark.parametrize("before", [(), readings(NOT_SUPPORTED, "0"), readings(MISSING, "0")])
def test_a_gpu_that_falls_silent_is_noticed_whatever_it_supported(
        fake: FakeNvml, driver: Driver, before: tuple[str, ...]) -> None:
    fake.write(*before)
    device = driver.device(0)
    assert rounds(device) == [True] * 7
    fake.write(f"error 0 * {UNKNOWN}")
    assert False in rounds(device)
    assert not device.read().answered
    fake.write(*before)
    assert rounds(device) == [True] * 7


@pytest.mark.parametrize("code", [GPU_IS_LOST, RESET_REQUIRED, 28])
def test_a_gpu_that_supports_nothing_can_still_be_lost(
        fake: FakeNvml, driver: Driver, code: int) -> None:
    fake.write(*readings(NOT_SUPPORTED, "0"))
    device = driver.device(0)
    device.read()
    fake.write(f"error 0 * {code}")
    with pytest.raises(GpuLostError):
        device.read()


@pytest.mark.parametrize("answering", [
    "nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetTemperatureThreshold", "nvmlDeviceGetMemoryInfo"])
@pytest.mark.parametrize("code", [0, NOT_SUPPORTED])
def test_one_call_that_answers_is_enough_for_every_round(
        fake: FakeNvml, driver: Driver, answering: str, code: int) -> None:
    fake.write(*readings(UNKNOWN, "0"), f"error 0 nvmlDeviceGetMemoryInfo_v2 {MISSING}",
               f"error 0 nvmlDeviceGetFieldValues {NOT_SUPPORTED}", f"error 0 {answering} {code}")
    assert rounds(driver.device(0)) == [True] * 7


def test_a_call_that_becomes_supported_is_read_where_nothing_was(
        fake: FakeNvml, driver: Driver) -> None:
    fake.write(*readings(NOT_SUPPORTED, "0"))
    device = driver.device(0)
    rounds(device)
    fake.write()
    assert rounds(device) == [True] * 7
    assert metrics(device.read()) - {c.GPU_PEAK_FLOPS, c.GPU_PEAK_BANDWIDTH}


def test_fields_that_are_all_silent_are_no_answer(fake: FakeNvml, driver: Driver) -> None:
    fake.write(*readings(UNKNOWN, "0"), "error 0 nvmlDeviceGetFieldValues 0",
               *(f"field_error 0 {field} {UNKNOWN}" for field in range(300)))
    assert rounds(driver.device(0)) == [False] * 7


@pytest.mark.parametrize(("line", "name", "bus"), [
    ("raw 0 name 4eff4e", "N\ufffdN", "00000000:01:00.0"),
    ("raw 0 bus ff3a", "NVIDIA H100 80GB HBM3", "\ufffd:"),
    ("raw 0 name 41*", "A" * 96, "00000000:01:00.0"),
    ("raw 0 bus 41*", "NVIDIA H100 80GB HBM3", "A" * 32),
])
def test_a_text_that_cannot_be_costs_itself_alone(
        fake: FakeNvml, driver: Driver, line: str, name: str, bus: str) -> None:
    fake.write(line)
    device = driver.device(0)
    assert c.GPU_UTILIZATION in metrics(device.read())
    assert (device.name, device.pci_bus_id, device.uuid) == (name, bus, uuid(0))


def test_a_version_that_is_not_utf_8_opens_the_driver_all_the_same(
        fake: FakeNvml, driver: Driver) -> None:
    fake.write("raw 0 driver 3537ff")
    driver.close(unload=False)
    assert driver.open() == "57\ufffd"


@pytest.mark.parametrize("line", [
    *(f"error 0 nvmlDeviceGetUUID {code}" for code in (2, 3, 4, 6, 7, 10, 13, 20, 999, 12345)),
    "set 0 uuid", "raw 0 uuid ff", "raw 0 uuid 470a", "raw 0 uuid 00"])
def test_a_gpu_without_a_uuid_is_read_and_given_it_once_the_driver_does(
        fake: FakeNvml, driver: Driver, line: str) -> None:
    fake.write(line)
    device = driver.device(0)
    assert c.GPU_UTILIZATION in metrics(device.read())
    assert device.uuid == ""
    fake.write()
    device.read()
    assert device.uuid == uuid(0)


def test_a_lost_gpu_says_so_when_asked_for_its_uuid(fake: FakeNvml, driver: Driver) -> None:
    fake.write(f"error 0 nvmlDeviceGetUUID {GPU_IS_LOST}")
    with pytest.raises(GpuLostError):
        driver.device(0)


def test_a_handle_of_nothing_is_no_gpu(fake: FakeNvml, driver: Driver) -> None:
    fake.write("null 0")
    with pytest.raises(GpuLostError, match="no handle"):
        driver.device(0)


def test_no_more_mig_instances_are_looked_for_than_there_can_be(
        fake: FakeNvml, device: Device) -> None:
    fake.write("mig_count 0 4294967295", *(f"mig 0 {number} 0 1g.10gb 10 1" for number in range(8)))
    assert len(values(device.read(), c.GPU_MIG_INFO)) == MOST_INSTANCES
    assert fake.calls().count("nvmlDeviceGetMigDeviceHandleByIndex 0") == MOST_INSTANCES


def test_two_mig_instances_of_one_number_are_one(fake: FakeNvml, device: Device) -> None:
    fake.write("mig 0 7 0 1g.10gb 10 1", "mig 0 7 0 2g.20gb 20 2")
    result = device.read()
    assert len(values(result, c.GPU_MIG_INFO)) == 1
    assert values(result, c.GPU_MEMORY_TOTAL)["7/0",] == 10.0


def test_mig_instances_without_a_handle_or_a_uuid_cost_no_gpu(
        fake: FakeNvml, device: Device) -> None:
    fake.write("mig 0 7 0 1g.10gb 10 1", "null 0")
    assert values(device.read(), c.GPU_MIG_INFO) == {}
    fake.write("mig 0 7 0 1g.10gb 10 1", "raw 0 uuid ff")
    assert list(values(device.read(), c.GPU_MIG_INFO)) == [("7/0", "", "1g.10gb")]


@pytest.mark.parametrize(("number", "filled", "shown"), [
    (4294967295, 4294967295, None), (1_000_000_000, 0, None), (nvml.MOST_PROCESSES + 1, 0, None),
    (3, 4294967295, 11.0), (3, 0, 0.0), (0, 0, 0.0), (nvml.MOST_PROCESSES, 1, 1.0)])
def test_a_list_of_processes_is_never_longer_than_can_be(
        fake: FakeNvml, driver: Driver, number: int, filled: int, shown: float | None) -> None:
    fake.write(f"process_count 0 {number} {filled}")
    began = time.process_time()
    result = driver.device(0).read()
    assert time.process_time() - began < 1.0
    assert values(result, c.GPU_PROCESSES).get(("", "compute")) == shown
    assert c.GPU_UTILIZATION in metrics(result)


@pytest.mark.parametrize("type_", [7, 99, -1, 2147483647])
def test_a_value_of_no_type_is_left_out_alone(fake: FakeNvml, device: Device, type_: int) -> None:
    everything = metrics(device.read())
    fake.write(f"field_type 0 82 {type_}")
    assert everything - metrics(device.read()) == {c.GPU_MEMORY_TEMPERATURE}


@pytest.mark.parametrize(("type_", "most"), [(8, EVENTS_AT_ONCE), (16, 0), (2147483647, 0)])
def test_events_without_end_are_taken_so_many_at_a_time(
        fake: FakeNvml, device: Device, type_: int, most: int) -> None:
    events = Events(device.handle)
    fake.write(f"flood 0 {type_}")
    assert len(events.take()) == most
    events.close()


def test_reasons_that_no_driver_has_yet_are_no_harm(fake: FakeNvml, device: Device) -> None:
    fake.write("set 0 clock_reasons 0xffffffffffffffff", f"field_error 0 74 {NOT_SUPPORTED}")
    assert set(device.read().throttling.values()) == {True}


def test_a_round_of_a_gpu_that_supports_nothing_makes_few_calls(
        fake: FakeNvml, driver: Driver) -> None:
    fake.write(*readings(NOT_SUPPORTED, "0"))
    device = driver.device(0)
    device.read()
    before = len(fake.calls())
    rounds(device, 10)
    assert len(fake.calls()) - before <= 20


def test_two_gpus_without_a_uuid_are_two_and_each_is_named_once_it_can_be(start: Start) -> None:
    drill = start("gpus 3", "set 1 uuid", f"error 2 nvmlDeviceGetUUID {UNKNOWN}",
                  "set 1 utilization 25", "set 2 utilization 75")
    page = drill.until_up(0, 1, 2)
    assert uuids(page) == {"0": [uuid(0)], "1": [""], "2": [""]}
    assert [page.value(c.GPU_UTILIZATION.name, gpu=gpu) for gpu in "12"] == [0.25, 0.75]
    assert [info.labels["name"] for info in page.find(c.GPU_INFO.name)] == [
        "NVIDIA H100 80GB HBM3"] * 3
    busy = page.value(c.GPU_BUSY.name, gpu="1")
    drill.fake.write("gpus 3")
    page = drill.until(lambda page: uuids(page) == {str(gpu): [uuid(gpu)] for gpu in range(3)})
    assert busy is not None
    assert (page.value(c.GPU_BUSY.name, gpu="1") or 0.0) >= busy
    drill.check_alive(0, 1, 2)


def test_a_gpu_that_no_longer_gives_its_uuid_is_the_same_gpu(start: Start) -> None:
    drill = start("gpus 2")
    drill.until_up(0, 1)
    drill.fake.add(f"error 1 nvmlDeviceGetUUID {UNKNOWN}", "all 18")
    drill.until_up()
    drill.fake.remove("all")
    assert uuids(drill.until_up(0, 1)) == {"0": [uuid(0)], "1": [uuid(1)]}


def test_two_gpus_with_one_uuid_are_not_taken_for_one(start: Start) -> None:
    drill = start("gpus 3", f"set 2 uuid {uuid(0)}", "set 2 utilization 75")
    page = drill.until_up(0, 1, 2)
    assert sorted(map(str, (uuids(page)["0"] + uuids(page)["2"]))) == ["", uuid(0)]
    assert page.value(c.GPU_UTILIZATION.name, gpu="2") == 0.75
    drill.check_alive(0, 1, 2)
    drill.fake.write("gpus 3", "all 18")  # a UUID is asked for once in a session
    drill.until_up()
    drill.fake.write("gpus 3")
    drill.until_up(0, 1, 2)
    drill.until(lambda page: uuids(page) == {str(gpu): [uuid(gpu)] for gpu in range(3)})


def test_two_handles_of_one_gpu_are_no_second_gpu_of_its_name(start: Start) -> None:
    drill = start("gpus 2", "twin 1 0")
    page = drill.until_up(0, 1)
    assert sorted(map(str, uuids(page)["0"] + uuids(page)["1"])) == ["", uuid(0)]


def test_a_jetson_is_up_and_measures_nothing(start: Start) -> None:
    drill = start("gpus 1", *readings(NOT_SUPPORTED, "0"), "set 0 name Orin (nvgpu)")
    drill.until_up(0)
    drill.check_alive(0)
    assert not drill.logged("GPU lost")
    drill.fake.add(f"error 0 * {GPU_IS_LOST}")
    drill.until_up()


def test_no_more_gpus_are_read_than_can_be_and_a_line_has_the_rest(start: Start) -> None:
    drill = start("gpus 2", "count 1000000000")
    page = drill.until(lambda page: sum(up(page).values()) == 2)
    assert len(up(page)) == c.GPUS
    (line,) = drill.wait_for_logged("GPUs", 1)
    assert line["state"].startswith("1000000000 GPUs")
    assert "the first 64 of them are read" in line["state"]
    drill.fake.write("gpus 2")
    drill.until(lambda page: set(up(page)) == {"0", "1"})


@pytest.mark.heavy
def test_every_lie_costs_what_it_is_about_and_passes(start: Start) -> None:
    drill = start("gpus 3")
    drill.until_up(0, 1, 2)
    for lie in LIES:
        play(drill, lie)


@pytest.mark.heavy
def test_every_outage_and_every_answer_of_a_kubelet_passes(
        start: Start, kubelet: FakeKubelet) -> None:
    drill = start("gpus 2", kubelet_socket=str(kubelet.socket), time_to_live=2.0)
    drill.until_up(0, 1)
    for reason in OUTAGES:
        suffer(drill, reason)
    for name in ANSWERS:
        mislead(drill, kubelet, name)


@pytest.mark.heavy
@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lie_that_was_there_from_the_start_passes(start: Start, lie: Lie) -> None:
    drill = start("gpus 3", *lie.lines)
    drill.until(lie.holds, 20.0)
    drill.fake.write("gpus 3")
    drill.until(lambda page: uuids(page) == {str(gpu): [uuid(gpu)] for gpu in range(3)}, 20.0)
    drill.until_up(0, 1, 2)


def uuids(page: Page) -> dict[str, list[str]]:
    """The UUIDs of each index."""
    by_index: dict[str, list[str]] = {}
    for series in page.find(c.GPU_UP.name):
        by_index.setdefault(series.labels["gpu"], []).append(series.labels.get("uuid", ""))
    return by_index
