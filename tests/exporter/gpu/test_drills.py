"""The exporter through everything a driver and its GPUs do to it, as seen on its page.

What holds on every page, Drill.scrape checks on every page: HTTP 200 in time, the collector
succeeds, and measured values are of GPUs that are up, and fresh.
"""

from __future__ import annotations

import ctypes.util
import time
from pathlib import Path

import pytest

from inferometer import catalogue as c
from tests.exporter.gpu.conftest import Start
from tests.exporter.gpu.drill import Drill, drivers, last_sample, measured, up
from tests.exporter.gpu.fake_nvml import DRIVER, FakeNvml, build
from tests.exporter.support import Page, wait_for

NOT_SUPPORTED, TIMEOUT, FUNCTION_NOT_FOUND = 3, 10, 13
RESET_REQUIRED, VERSION_MISMATCH, UNKNOWN = 16, 18, 999
THROTTLE_FIELDS = (74, 76, 269, 270, 271)
EIGHT = tuple(range(8))
ROUNDED = 2e-6  # seconds are shown in whole microseconds, of either page

no_driver_here = pytest.mark.skipif(
    ctypes.util.find_library("nvidia-ml") is not None,
    reason="the machine's own driver would be found instead of none")


def uuid(gpu: int) -> str:
    return f"GPU-00000000-0000-0000-0000-{gpu:012x}"


def of(page: Page, metric: c.Metric, gpu: int = 0, /, **labels: str) -> float | None:
    return page.value(metric.name, gpu=str(gpu), **labels)


def test_a_gpu_lost_while_running_is_down_alone_and_comes_back(start: Start) -> None:
    drill = start("gpus 8")
    drill.until_up(*EIGHT)
    others = [gpu for gpu in EIGHT if gpu != 3]

    drill.fake.add("lost 3")
    page = drill.until_up(*others)
    assert of(page, c.GPU_UP, 3) == 0.0
    assert measured(page, 3) == set()
    assert of(page, c.GPU_INFO, 3, uuid=uuid(3)) == 1.0
    drill.check_alive(*others)

    drill.fake.remove("lost 3")
    drill.until_up(*EIGHT)
    drill.check_alive(*EIGHT)
    drill.wait_for_logged("GPU is back", 1, gpu=3)
    drill.wait_for_logged("GPU lost", 1, gpu=3, why="GPU_IS_LOST")
    drill.wait_for_logged("GPU lost", 1)


def test_gpus_lost_from_the_very_start_are_down_and_the_others_live(start: Start) -> None:
    drill = start("gpus 4", "lost 0", "lost 2")
    page = drill.until_up(1, 3)
    assert up(page) == {"0": False, "1": True, "2": False, "3": True}
    drill.check_alive(1, 3)

    drill.fake.remove("lost 0")
    page = drill.until_up(0, 1, 3)
    assert [s.labels["uuid"] for s in page.find("gpu_up", gpu="0")] == [uuid(0)]
    drill.check_alive(0, 1, 3)
    drill.wait_for_logged("GPU lost", 2)


def test_a_gpu_that_is_listed_but_cannot_be_read_is_tried_now_and_then_and_logged_once(
        start: Start) -> None:
    drill = start("gpus 2", f"error 1 nvmlDeviceGetTemperatureV {RESET_REQUIRED}")
    drill.until_up(0)
    drill.wait_for_calls("nvmlDeviceGetHandleByIndex_v2 1", more=2)
    began, before = time.monotonic(), drill.calls("nvmlDeviceGetHandleByIndex_v2 1")
    while time.monotonic() - began < 1.5:
        assert not up(drill.scrape())["1"]
    tries = drill.calls("nvmlDeviceGetHandleByIndex_v2 1") - before
    assert tries <= 1.5 / 0.3 + 2
    drill.wait_for_logged("GPU lost", 1, gpu=1, why="RESET_REQUIRED")
    assert drill.logged("GPU is back") == []
    drill.check_alive(0)


def test_a_gpu_of_which_no_call_answers_is_down(start: Start) -> None:
    drill = start("gpus 2")
    drill.until_up(0, 1)
    drill.fake.add(f"error 1 * {UNKNOWN}")
    drill.until_up(0)
    drill.fake.remove("error 1")
    drill.until_up(0, 1)


@pytest.mark.parametrize("function", [
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetFieldValues", "nvmlDeviceGetDecoderUtilization",
    "*"])
def test_a_call_that_never_returns_stops_only_its_own_gpu(start: Start, function: str) -> None:
    drill = start("gpus 4")
    drill.until_up(0, 1, 2, 3)

    drill.fake.add(f"hang 1 {function}")
    page = drill.until_up(0, 2, 3)
    assert of(page, c.GPU_UP, 1) == 0.0
    drill.check_alive(0, 2, 3)
    assert last_sample(drill.scrape(), 1) == last_sample(page, 1)
    wait_for(lambda: drill.logged("GPU lost", gpu=1, why="a call does not return"))

    drill.fake.remove("hang")
    drill.until_up(0, 1, 2, 3)
    drill.check_alive(0, 1, 2, 3)
    assert len(drill.logged("GPU lost")) == 1


@pytest.mark.parametrize("function", ["nvmlDeviceGetUUID", "nvmlDeviceGetUtilizationRates", "*"])
def test_a_gpu_that_hangs_from_the_start_is_down_and_the_others_live(
        start: Start, function: str) -> None:
    drill = start("gpus 3", f"hang 1 {function}")
    drill.until(lambda page: up(page) == {"0": True, "1": False, "2": True})
    drill.check_alive(0, 2)

    drill.fake.add("gpus 4")
    drill.until_up(0, 2, 3)
    drill.fake.remove("hang")
    page = drill.until_up(0, 1, 2, 3)
    assert [s.labels["uuid"] for s in page.find("gpu_up", gpu="1")] == [uuid(1)]


def test_what_was_read_before_a_call_hung_is_not_shown_after_it(start: Start) -> None:
    drill = start("gpus 1", "set 0 utilization 50")
    drill.until_up(0)
    drill.fake.add("hang 0 nvmlDeviceGetFieldValues")  # among the last of a round
    wait_for(lambda: drill.logged("GPU lost"))  # longer than any value lives
    drill.fake.add("set 0 utilization 90", "delay 0 nvmlDeviceGetUtilizationRates 400")
    drill.fake.remove("hang")  # the round that hung ends now, the next not before 400 ms
    page = drill.until_up(0)
    assert of(page, c.GPU_UTILIZATION) == pytest.approx(0.9)


def test_a_hung_driver_is_waited_for_and_then_read(start: Start) -> None:
    drill = start("gpus 2", "hang * nvmlDeviceGetCount_v2", "init 9")
    assert up(drill.scrape()) == {}
    drill.fake.remove("init")
    drill.wait_for_calls("nvmlDeviceGetCount_v2 -", more=1)
    assert up(drill.scrape()) == {}
    drill.fake.remove("hang")
    drill.until_up(0, 1)


def test_slow_calls_slow_no_page_and_values_stay_fresh(start: Start) -> None:
    drill = start("gpus 8", "delay * * 50", time_to_live=3.0)
    drill.until_up(*EIGHT)
    drill.check_alive(*EIGHT)
    took = []
    for _ in range(10):
        began = time.monotonic()
        page = drill.scrape()
        took.append(time.monotonic() - began)
        assert up(page) == dict.fromkeys(map(str, EIGHT), True)
    assert min(took) < 0.3  # one round of one GPU alone takes longer


def test_a_driver_that_does_one_call_at_a_time_still_reads_all_gpus_soon(start: Start) -> None:
    drill = start("gpus 8", "hold * * 10", time_to_live=3.0)
    drill.time_to_live *= 4  # values of slow rounds live for three rounds, four such times at most
    page = drill.until_up(*EIGHT)
    began = time.monotonic()
    for _ in range(3):  # rounds of all GPUs, of some 70 calls each
        before = {gpu: last_sample(page, gpu) for gpu in EIGHT}
        # The default binds this round's `before`; mypy infers no type of one.
        page = drill.until(lambda page, before=before: all(  # type: ignore[misc]
            last_sample(page, gpu) > then for gpu, then in before.items()))
    assert time.monotonic() - began < 3 * 1.2 + 1.0
    assert not drill.logged("GPU lost")


def test_a_round_longer_than_a_values_life_is_slow_and_no_hang(start: Start) -> None:
    drill = start("gpus 2", "delay * * 150", time_to_live=0.8)  # some 7 calls a round
    wait_for(lambda: drill.exporter.scrape().values("gpu_up") == [1, 1], 15)
    for _ in range(10):
        assert drill.exporter.scrape().values("gpu_up") == [1, 1]
        time.sleep(0.3)
    assert not drill.logged("GPU lost")


def test_what_a_gpu_does_not_support_is_absent_for_that_gpu_only_and_asked_once(
        start: Start) -> None:
    absent = {
        "nvmlDeviceGetPowerUsage": ("gpu_power_watts", NOT_SUPPORTED),
        "nvmlDeviceGetTotalEnergyConsumption": ("gpu_energy_joules_total", FUNCTION_NOT_FOUND),
        "nvmlDeviceGetEncoderUtilization": ("gpu_encoder_utilization_ratio", NOT_SUPPORTED),
        "nvmlDeviceGetUtilizationRates": ("gpu_utilization_ratio", NOT_SUPPORTED),
        "nvmlDeviceGetRemappedRows": ("gpu_remapped_rows_total", NOT_SUPPORTED),
        "nvmlDeviceGetTotalEccErrors": ("gpu_ecc_errors_total", NOT_SUPPORTED),
    }
    fields = [f"field_error 0 {field} {NOT_SUPPORTED}"
              for field in (5, 6, 83, 142, 143, 144, 145, 185)]
    drill = start("gpus 2", *fields,
                  *(f"error 0 {call} {code}" for call, (_, code) in absent.items()))
    page = drill.until_up(0, 1)
    assert measured(page, 0).isdisjoint(name for name, _ in absent.values())
    assert measured(page, 1) >= {name for name, _ in absent.values()}
    assert {"gpu_busy_seconds_total", "gpu_observed_seconds_total",
            "gpu_remapped_rows_pending", "gpu_remapped_rows_failed"}.isdisjoint(measured(page, 0))
    drill.wait_for_calls("nvmlDeviceGetTemperatureV 0")
    asked = {call: drill.calls(f"{call} 0") for call in absent}
    assert asked == {**dict.fromkeys(absent, 1), "nvmlDeviceGetTotalEccErrors": 2}  # of two kinds


def test_a_field_a_gpu_does_not_have_is_absent_for_that_gpu_only_and_asked_once(
        start: Start) -> None:
    drill = start("gpus 2", f"field_error 0 82 {NOT_SUPPORTED}", "field_error 0 197 2",
                  f"field_error 0 198 {NOT_SUPPORTED}")
    page = drill.until_up(0, 1)
    assert {"gpu_memory_temperature_celsius", "gpu_pcie_bytes_total"}.isdisjoint(measured(page, 0))
    assert {"gpu_memory_temperature_celsius", "gpu_pcie_bytes_total"} <= measured(page, 1)
    assert "gpu_nvlink_bytes_total" in measured(page, 0)
    drill.wait_for_calls("field 82 1")
    assert [drill.calls(f"field {number} 0") for number in (82, 197, 198)] == [1, 1, 1]
    assert drill.calls("field 138 0") > 3


def test_a_driver_without_field_values_is_asked_once_and_all_else_is_there(start: Start) -> None:
    drill = start("gpus 1", "missing nvmlDeviceGetFieldValues")
    page = drill.until_up(0)
    assert {"gpu_pcie_bytes_total", "gpu_nvlink_bytes_total"}.isdisjoint(measured(page, 0))
    assert {"gpu_power_watts", "gpu_energy_joules_total", "gpu_ecc_errors_total",
            "gpu_remapped_rows_total", "gpu_throttled_seconds_total"} <= measured(page, 0)
    drill.wait_for_calls("nvmlDeviceGetPowerUsage 0")
    assert drill.calls("nvmlDeviceGetFieldValues 0") == 1


def test_an_old_driver_is_asked_in_its_own_words(start: Start) -> None:
    drill = start(
        "gpus 1", "missing nvmlDeviceGetTemperatureV", "missing nvmlDeviceGetMemoryInfo_v2",
        "missing nvmlDeviceGetEnforcedPowerLimit", "field_error 0 185 2", "field_error 0 190 2",
        "set 0 temperature 61", "set 0 power_mw 123000",
        "set 0 memory_total 80000", "set 0 memory_used 1000", "set 0 memory_reserved 500",
        "set 0 power_limit_mw 250000")
    page = drill.until_up(0)
    assert of(page, c.GPU_TEMPERATURE) == 61.0
    assert (of(page, c.GPU_MEMORY_TOTAL), of(page, c.GPU_MEMORY_USED)) == (80000.0, 1500.0)
    assert (of(page, c.GPU_POWER), of(page, c.GPU_POWER_LIMIT)) == (123.0, 250.0)


def test_a_call_that_fails_now_costs_only_its_value_now_and_is_asked_again(start: Start) -> None:
    drill = start("gpus 1")
    everything = measured(drill.until_up(0), 0)

    drill.fake.add(f"error 0 nvmlDeviceGetMemoryInfo_v2 {TIMEOUT}",
                   f"error 0 nvmlDeviceGetTemperatureV {UNKNOWN}", f"field_error 0 82 {UNKNOWN}")
    lacking = everything - {"gpu_memory_used_bytes", "gpu_memory_total_bytes",
                            "gpu_temperature_celsius", "gpu_memory_temperature_celsius"}
    drill.until(lambda page: measured(page, 0) == lacking)
    for call in ("nvmlDeviceGetMemoryInfo_v2 0", "nvmlDeviceGetTemperatureV 0", "field 82 0"):
        drill.wait_for_calls(call)
    for other_way in ("nvmlDeviceGetTemperature 0", "nvmlDeviceGetMemoryInfo 0"):
        assert drill.calls(other_way) == 0  # none is tried meanwhile

    drill.fake.remove("error 0")
    drill.fake.remove("field_error 0")
    drill.until(lambda page: measured(page, 0) == everything)


def test_a_driver_that_will_not_count_its_gpus_now_loses_none(start: Start) -> None:
    drill = start("gpus 2", time_to_live=10.0)
    drill.until_up(0, 1)
    drill.fake.add(f"error * nvmlDeviceGetCount_v2 {UNKNOWN}")
    before = drill.calls("nvmlDeviceGetCount_v2 -")
    while drill.calls("nvmlDeviceGetCount_v2 -") < before + 3:
        assert up(drill.scrape()) == {"0": True, "1": True}
    drill.check_alive(0, 1)


@no_driver_here
def test_a_driver_installed_later_is_found_without_a_restart(start: Start, fake: FakeNvml) -> None:
    fake.uninstall()
    drill = start("gpus 2")
    page = drill.scrape()
    assert [name for name in page.names() if name.startswith("gpu_")] == [c.GPU_DRIVER_UP.name]
    assert drivers(page) == {"no_library": 0.0}
    fake.install()
    drill.until_up(0, 1)
    drill.check_alive(0, 1)
    drill.wait_for_logged("GPUs", 2)
    drill.wait_for_logged("GPUs", 1, state="no driver: libnvidia-ml.so.1 not found")


def test_a_driver_that_does_not_fit_its_library_is_tried_until_it_does(start: Start) -> None:
    drill = start("gpus 2", f"init {VERSION_MISMATCH}")
    assert up(drill.scrape()) == {}
    drill.wait_for_calls("nvmlInitWithFlags -")
    drill.wait_for_logged("GPUs", 1, state="no driver: LIB_RM_VERSION_MISMATCH")
    drill.fake.remove("init")
    drill.until_up(0, 1)


def test_a_driver_upgraded_underneath_takes_everything_away_at_once_and_brings_it_back(
        start: Start) -> None:
    drill = start("gpus 8", "driver 570.1", time_to_live=60.0)  # so that nothing goes by its age
    page = drill.until_up(*EIGHT)
    assert driver_versions(page) == {"570.1"}

    drill.fake.add(f"all {VERSION_MISMATCH}", f"init {VERSION_MISMATCH}")
    page = drill.until_up()
    assert len(up(page)) == 8

    drill.fake.write("gpus 8", "driver 580.2")
    page = drill.until_up(*EIGHT)
    assert driver_versions(page) == {"580.2"}
    assert len(page.find("gpu_info")) == 8
    drill.check_alive(*EIGHT)


def test_a_library_replaced_by_the_upgrade_is_loaded_anew(
        start: Start, fake: FakeNvml, library: Path, tmp_path: Path) -> None:
    builds = {DRIVER: library, "580.2": build(tmp_path / "580.2", "580.2")}
    drill = start("gpus 4", f"kernel {DRIVER}")
    drill.until_up(0, 1, 2, 3)
    for version in ("580.2", DRIVER, "580.2"):  # again and again: no old handle may be used
        fake.write("gpus 4", f"kernel {version}")
        drill.until_up()
        fake.install(builds[version])
        assert driver_versions(drill.until_up(0, 1, 2, 3)) == {version}
    drill.check_alive(0, 1, 2, 3)


def test_a_driver_restarted_underneath_is_opened_anew(start: Start) -> None:
    drill = start("gpus 2")
    drill.until_up(0, 1)
    drill.fake.add("all 1")  # UNINITIALIZED
    drill.until_up()
    drill.fake.remove("all")
    drill.until_up(0, 1)
    drill.check_alive(0, 1)


def test_a_gpu_hung_while_the_driver_goes_away_is_read_again_after_both(start: Start) -> None:
    drill = start("gpus 2", "hang 1 nvmlDeviceGetTemperatureV")
    drill.until(lambda page: up(page) == {"0": True, "1": False})
    drill.fake.add(f"all {VERSION_MISMATCH}")
    drill.until_up()
    drill.fake.remove("all")
    drill.until_up(0)
    drill.check_alive(0)
    drill.fake.remove("hang")
    drill.until_up(0, 1)
    drill.check_alive(0, 1)


def driver_versions(page: Page) -> set[str]:
    return {series.labels["driver_version"] for series in page.find("gpu_info")}


def test_gpus_that_are_added_and_taken_away_appear_and_are_down(start: Start) -> None:
    drill = start("gpus 2")
    assert set(up(drill.until_up(0, 1))) == {"0", "1"}
    drill.fake.write("gpus 4")
    drill.until_up(0, 1, 2, 3)
    drill.check_alive(0, 1, 2, 3)

    drill.fake.write("gpus 2")
    page = drill.until_up(0, 1)
    assert up(page) == {"0": True, "1": True, "2": False, "3": False}
    drill.check_alive(0, 1)

    drill.fake.write("gpus 4")
    drill.until_up(0, 1, 2, 3)
    drill.wait_for_logged("GPU is back", 1, gpu=2)
    drill.wait_for_logged("GPU lost", 1, gpu=2)


def test_an_exporter_that_is_ready_shows_all_gpus(start: Start) -> None:
    drill = start("gpus 8", "delay * nvmlDeviceGetUtilizationRates 300", time_to_live=10.0)
    assert up(drill.scrape()) == dict.fromkeys(map(str, EIGHT), True)


def test_a_driver_without_gpus_is_no_failure_and_logged_once(start: Start) -> None:
    drill = start("gpus 0")
    drill.wait_for_calls("nvmlDeviceGetCount_v2 -", more=4)
    page = drill.scrape()  # which checks the collector's success
    assert [name for name in page.names() if name.startswith("gpu_")] == [c.GPU_DRIVER_UP.name]
    assert drivers(page) == {"": 1.0}
    assert [line["state"] for line in drill.wait_for_logged("GPUs", 1)] == [
        f"0 GPUs, driver {DRIVER}"]
    assert not drill.logged("GPU lost")


def test_busy_seconds_grow_by_utilization_times_time(start: Start) -> None:
    drill = start("gpus 1", "set 0 utilization 50", time_to_live=20.0)
    first = drill.until_up(0)
    second = after(drill, first, 1.0)
    assert busy(second) - busy(first) == pytest.approx(
        0.5 * (observed(second) - observed(first)), abs=ROUNDED)
    assert observed(second) - observed(first) == pytest.approx(
        last_sample(second, 0) - last_sample(first, 0), abs=0.05)

    drill.fake.add("set 0 utilization 100")
    third = drill.until(lambda page: of(page, c.GPU_UTILIZATION) == 1.0)
    fourth = after(drill, third, 1.0)
    assert busy(fourth) - busy(third) == pytest.approx(
        observed(fourth) - observed(third), abs=ROUNDED)
    assert busy(fourth) - busy(third) >= 0.95


def test_busy_seconds_never_go_down_and_leave_out_the_time_nothing_was_read(start: Start) -> None:
    drill = start("gpus 1", "set 0 utilization 100")
    before = after(drill, drill.until_up(0), 0.3)
    drill.fake.add("hang 0 nvmlDeviceGetUtilizationRates")
    drill.until_up()
    time.sleep(1.5)
    drill.fake.remove("hang")
    page = drill.until_up(0)
    later = after(drill, page, 0.5)
    hung_for = last_sample(page, 0) - last_sample(before, 0)
    assert hung_for > 2.0
    assert 0.0 <= observed(page) - observed(before) < hung_for - 1.5
    assert busy(before) < busy(later)
    assert busy(later) - busy(before) < last_sample(later, 0) - last_sample(before, 0) - 1.5


def test_busy_seconds_go_on_after_the_gpu_and_the_driver_were_lost(start: Start) -> None:
    drill = start("gpus 1", "set 0 utilization 100")
    first = after(drill, drill.until_up(0), 0.5)
    for trouble in ("lost 0", f"all {VERSION_MISMATCH}"):
        drill.fake.add(trouble)
        drill.until_up()
        drill.fake.remove(trouble)
        assert busy(drill.until_up(0)) >= busy(first)


def test_throttled_seconds_are_the_drivers_own_count(start: Start) -> None:
    drill = start("gpus 1", "set 0 throttle_power_ns 1500000000",
                  "set 0 throttle_sync_boost_ns 250000000", "set 0 throttle_sw_thermal_ns 3000000",
                  "set 0 throttle_hw_thermal_ns 7000000000", "set 0 clock_reasons 0xff")
    page = drill.until_up(0)
    drill.wait_for_calls("nvmlDeviceGetFieldValues 0")
    assert throttled(page) == throttled(drill.scrape()) == pytest.approx(
        {"power_cap": 1.5, "sync_boost": 0.25, "sw_thermal": 0.003, "hw_thermal": 7.0,
         "hw_power_brake": 0.0})
    assert drill.calls("nvmlDeviceGetCurrentClocksEventReasons 0") == 0


def test_throttled_seconds_are_integrated_where_the_driver_does_not_count(start: Start) -> None:
    uncounted = [f"field_error 0 {field} {NOT_SUPPORTED}" for field in THROTTLE_FIELDS]
    drill = start("gpus 1", "set 0 clock_reasons 0x44", *uncounted, time_to_live=20.0)
    first = drill.until_up(0)
    second = after(drill, first, 1.0)
    passed = observed(second) - observed(first)
    grown = {reason: seconds - throttled(first)[reason]
             for reason, seconds in throttled(second).items()}
    assert grown == pytest.approx({"power_cap": passed, "hw_thermal": passed, "sync_boost": 0.0,
                                   "sw_thermal": 0.0, "hw_power_brake": 0.0})

    drill.fake.add("set 0 clock_reasons 0x20")
    third = drill.until(lambda page: throttled(page)["sw_thermal"] > 0.0)
    fourth = after(drill, third, 0.5)
    assert throttled(fourth)["power_cap"] == throttled(third)["power_cap"]
    assert throttled(fourth)["sw_thermal"] > throttled(third)["sw_thermal"]


def test_only_the_reasons_the_driver_does_not_count_are_integrated(start: Start) -> None:
    drill = start("gpus 1", "set 0 clock_reasons 0xff", "set 0 throttle_power_ns 9000000000",
                  f"field_error 0 269 {NOT_SUPPORTED}")
    page = after(drill, drill.until_up(0), 0.5)
    assert throttled(page)["power_cap"] == 9.0
    assert throttled(page)["hw_thermal"] == 0.0
    assert 0.0 < throttled(page)["sw_thermal"] < 9.0


def test_counted_throttled_seconds_are_never_shown_from_anywhere_else(start: Start) -> None:
    drill = start("gpus 1", "set 0 throttle_power_ns 9000000000", "set 0 clock_reasons 0x4")
    drill.until_up(0)
    drill.fake.add(f"error 0 nvmlDeviceGetFieldValues {TIMEOUT}")
    drill.until(lambda page: throttled(page) == {})
    drill.wait_for_calls("nvmlDeviceGetFieldValues 0")
    assert throttled(drill.scrape()) == {}
    drill.fake.remove("error 0")
    page = drill.until(throttled)
    assert throttled(page)["power_cap"] == 9.0


def busy(page: Page) -> float:
    value = of(page, c.GPU_BUSY)
    assert value is not None
    return value


def observed(page: Page) -> float:
    value = of(page, c.GPU_OBSERVED)
    assert value is not None
    return value


def throttled(page: Page) -> dict[str, float]:
    return {s.labels["reason"]: s.value for s in page.find(c.GPU_THROTTLED.name, gpu="0")}


def after(drill: Drill, page: Page, seconds: float) -> Page:
    """The first page on which the GPU's last sample is so much younger."""
    then = last_sample(page, 0)
    return drill.until(
        lambda now: up(now).get("0") and last_sample(now, 0) >= then + seconds)


def test_xids_are_counted_by_code_and_the_grave_ones_from_zero(start: Start) -> None:
    drill = start("gpus 2")
    drill.until_up(0, 1)
    drain = dict.fromkeys(c.XIDS_DRAIN, 0.0)
    page = drill.until(lambda page: xids(page, 0) == xids(page, 1) == drain)
    assert page.find(c.GPU_XID_LAST.name) == []

    before = time.time()
    drill.fake.add("xid 1 79 1", "xid 1 31 2", "xid 1 31 3", "xid 1 999 4")
    page = drill.until(lambda page: xids(page, 1) == {**drain, "79": 1, "31": 2, "other": 1})
    assert xids(page, 0) == drain
    last = of(page, c.GPU_XID_LAST, 1)
    assert last is not None
    assert before - 0.1 <= last <= time.time()
    assert of(page, c.GPU_XID_LAST, 0) is None
    assert [line["xid"] for line in drill.wait_for_logged("XID event", 3, gpu=1)] == [79, 31, 999]


def test_xids_survive_the_loss_of_their_gpu_and_are_counted_while_it_is_lost(
        start: Start) -> None:
    drill = start("gpus 2")
    drill.until(lambda page: xids(page, 0) and xids(page, 1))
    drill.fake.add("xid 1 79 1", "lost 1")
    page = drill.until(lambda page: of(page, c.GPU_XID, 1, xid="79") == 1.0 and not up(page)["1"])
    assert up(page)["0"]
    drill.fake.add("xid 0 31 2", "xid 1 154 3")
    page = drill.until(lambda page: of(page, c.GPU_XID, 0, xid="31") == 1.0
                       and of(page, c.GPU_XID, 1, xid="154") == 1.0)
    assert of(page, c.GPU_XID, 1, xid="79") == 1.0

    drill.fake.remove("lost 1")
    drill.until_up(0, 1)
    drill.fake.add("xid 1 79 4")
    drill.until(lambda page: of(page, c.GPU_XID, 1, xid="79") == 2.0)


def test_xids_are_counted_on_once_each_after_the_driver_was_gone(start: Start) -> None:
    drill = start("gpus 2", "xid 1 31 1")
    drill.until(lambda page: of(page, c.GPU_XID, 1, xid="31") == 1.0)
    drill.fake.write("gpus 2", f"all {VERSION_MISMATCH}")
    page = drill.until_up()
    assert of(page, c.GPU_XID, 1, xid="31") == 1.0
    drill.fake.remove("all")
    drill.until_up(0, 1)
    drill.fake.add("xid 1 31 2")
    drill.until(lambda page: of(page, c.GPU_XID, 1, xid="31") == 2.0)


def test_waiting_for_the_events_of_a_lost_gpu_keeps_no_processor_busy(start: Start) -> None:
    drill = start("gpus 1")
    drill.until(lambda page: xids(page, 0))
    drill.fake.add("lost 0")
    drill.until_up()
    before = drill.calls("nvmlEventSetWait_v2 -")
    time.sleep(1.5)
    assert drill.calls("nvmlEventSetWait_v2 -") - before < 15


def test_a_gpu_without_events_has_no_xid_series(start: Start) -> None:
    drill = start("gpus 2", f"error 0 nvmlDeviceRegisterEvents {NOT_SUPPORTED}")
    page = drill.until(lambda page: xids(page, 1))
    drill.until_up(0, 1)
    assert xids(page, 0) == {}


def xids(page: Page, gpu: int) -> dict[str, float]:
    return {s.labels["xid"]: s.value for s in page.find(c.GPU_XID.name, gpu=str(gpu))}


def test_every_plain_value_is_shown_in_its_unit(start: Start) -> None:
    drill = start(
        "gpus 1", "driver 571.2", "set 0 name NVIDIA Test 9000", "set 0 uuid GPU-abc",
        "set 0 utilization 37", "set 0 memory_utilization 21", "set 0 encoder 5",
        "set 0 decoder 100", "set 0 memory_used 3000000001", "set 0 memory_total 85899345920",
        "set 0 power_mw 312345", "set 0 power_limit_mw 700500", "set 0 energy_mj 123456789",
        "set 0 temperature 66", "set 0 memory_temperature 77", "set 0 slowdown 89",
        "set 0 sm_clock 1755", "set 0 memory_clock 2619", "set 0 graphics_clock 1700",
        "set 0 video_clock 1365", "set 0 ecc_corrected 11", "set 0 ecc_uncorrected 12",
        "set 0 remapped_correctable 3", "set 0 remapped_uncorrectable 4",
        "set 0 remapped_pending 1", "set 0 remapped_failure 0", "set 0 pcie_tx 111111111111",
        "set 0 pcie_rx 222222222222", "set 0 nvlink_tx 1000", "set 0 nvlink_rx 2000")
    page = drill.until_up(0)
    identity = {"gpu": "0", "uuid": "GPU-abc"}
    plain = {
        c.GPU_UTILIZATION: 0.37, c.GPU_MEMORY_UTILIZATION: 0.21, c.GPU_ENCODER_UTILIZATION: 0.05,
        c.GPU_DECODER_UTILIZATION: 1.0, c.GPU_MEMORY_USED: 3000000001.0,
        c.GPU_MEMORY_TOTAL: 85899345920.0, c.GPU_POWER: 312.345, c.GPU_POWER_LIMIT: 700.5,
        c.GPU_ENERGY: 123456.789, c.GPU_TEMPERATURE: 66.0, c.GPU_MEMORY_TEMPERATURE: 77.0,
        c.GPU_SLOWDOWN: 89.0, c.GPU_REMAP_PENDING: 1.0, c.GPU_REMAP_FAILED: 0.0,
    }
    by_label = {
        (c.GPU_CLOCK, "clock"): {"sm": 1.755e9, "memory": 2.619e9, "graphics": 1.7e9,
                                 "video": 1.365e9},
        (c.GPU_CLOCK_LIMIT, "clock"): {"sm": 1.98e9, "memory": 2.619e9, "graphics": 1.98e9,
                                       "video": 1.545e9},
        (c.GPU_ECC, "kind"): {"corrected": 11.0, "uncorrected": 12.0},
        (c.GPU_REMAPPED, "kind"): {"correctable": 3.0, "uncorrectable": 4.0},
        (c.GPU_PCIE, "direction"): {"transmit": 111111111111.0, "receive": 222222222222.0},
        (c.GPU_NVLINK, "direction"): {"transmit": 1024000.0, "receive": 2048000.0},
    }
    for metric, value in plain.items():
        assert page.value(metric.name, **identity) == pytest.approx(value, rel=1e-12), metric.name
    for (metric, label), values in by_label.items():
        shown = {s.labels[label]: s.value for s in page.find(metric.name, **identity)}
        assert shown == pytest.approx(values, rel=1e-12), metric.name
    info, = page.find(c.GPU_INFO.name)
    assert (info.labels, info.value) == ({**identity, "name": "NVIDIA Test 9000",
                                          "driver_version": "571.2",
                                          "pci_bus_id": "00000000:01:00.0"}, 1.0)
    checked = {m.name for m in plain} | {m.name for m, _ in by_label}
    elsewhere = {m.name for m in (c.GPU_BUSY, c.GPU_OBSERVED, c.GPU_THROTTLED, c.GPU_PROCESSES,
                                  c.GPU_PROCESS_MEMORY)}
    assert measured(page, 0) == checked | elsewhere


def test_pcie_and_nvlink_bytes_are_counters_and_the_slow_sampling_call_is_never_made(
        start: Start) -> None:
    drill = start("gpus 1", "set 0 pcie_tx 5000", "set 0 nvlink_rx 7")
    page = drill.until_up(0)
    assert of(page, c.GPU_PCIE, direction="transmit") == 5000.0
    assert of(page, c.GPU_NVLINK, direction="receive") == 7168.0
    drill.fake.add("set 0 pcie_tx 6000")
    drill.until(lambda page: of(page, c.GPU_PCIE, direction="transmit") == 6000.0)
    assert not [call for call in drill.fake.calls()
                if "PcieThroughput" in call or "pcie_throughput" in call]


def test_memory_is_by_class_of_process_and_no_process_is_named(start: Start) -> None:
    drill = start("gpus 2", "process 0 compute 4242001 1000", "process 0 compute 4242002 2000",
                  "process 0 graphics 4242003 500", "process 0 mps 4242004 -1")
    page = drill.until_up(0, 1)
    shown = {kind: (of(page, c.GPU_PROCESSES, **{"class": kind}),
                    of(page, c.GPU_PROCESS_MEMORY, **{"class": kind}))
             for kind in ("compute", "graphics", "mps")}
    assert shown == {"compute": (2.0, 3000.0), "graphics": (1.0, 500.0), "mps": (1.0, None)}
    assert of(page, c.GPU_PROCESSES, 1, **{"class": "compute"}) == 0.0
    assert "424200" not in page.text
    assert not [s for s in page.series if "pid" in s.labels]


FIRST = "mig 0 1 0 1g.10gb 10000 100"
SECOND = "mig 0 2 0 3g.40gb 40000 400"


def test_mig_instances_have_labels_and_memory_of_their_own(start: Start) -> None:
    drill = start("gpus 2", FIRST, SECOND, "process 0 compute 4242 70 2 0")
    page = drill.until_up(0, 1)
    for mig, profile, total, used, by_processes in (("1/0", "1g.10gb", 10000.0, 100.0, 0.0),
                                            ("2/0", "3g.40gb", 40000.0, 400.0, 70.0)):
        info, = page.find(c.GPU_MIG_INFO.name, gpu="0", mig=mig)
        assert info.labels["profile"] == profile
        assert info.labels["mig_uuid"].startswith("MIG-")
        assert info.labels["uuid"] == uuid(0)
        assert of(page, c.GPU_MEMORY_TOTAL, mig=mig) == total
        assert of(page, c.GPU_MEMORY_USED, mig=mig) == used
        assert of(page, c.GPU_PROCESS_MEMORY, mig=mig, **{"class": "compute"}) == by_processes
    boards = [s for s in page.find(c.GPU_MEMORY_TOTAL.name, gpu="0") if "mig" not in s.labels]
    assert [s.value for s in boards] == [80.0 * 2**30]
    assert len(page.find(c.GPU_MIG_INFO.name)) == 2


def test_a_gpu_whose_data_sheet_is_familiar_has_peaks_unless_it_is_cut_into_instances(
        start: Start) -> None:
    drill = start("gpus 3", FIRST, "set 2 name NVIDIA Test 9000")
    page = drill.until_up(0, 1, 2)
    for metric, peak in ((c.GPU_PEAK_FLOPS, 989.5e12), (c.GPU_PEAK_BANDWIDTH, 3.35e12)):
        assert [(s.labels["gpu"], s.value) for s in page.find(metric.name)] == [("1", peak)]


def test_a_gpu_cut_into_instances_has_no_utilization(start: Start) -> None:
    drill = start("gpus 2", FIRST)
    page = drill.until_up(0, 1)
    utilization = {"gpu_utilization_ratio", "gpu_memory_bandwidth_utilization_ratio",
                   "gpu_encoder_utilization_ratio", "gpu_decoder_utilization_ratio",
                   "gpu_busy_seconds_total", "gpu_observed_seconds_total"}
    assert utilization.isdisjoint(measured(page, 0))
    assert utilization <= measured(page, 1)
    assert "gpu_power_watts" in measured(page, 0)


def test_an_instance_that_is_removed_disappears_and_its_neighbour_stays(start: Start) -> None:
    drill = start("gpus 1", FIRST, SECOND)
    drill.until(lambda page: len(page.find(c.GPU_MIG_INFO.name)) == 2)
    drill.fake.remove("mig 0 1 0")
    page = drill.until(lambda page: not page.find(c.GPU_MIG_INFO.name, mig="1/0")
                       and page.find(c.GPU_MIG_INFO.name))
    assert {s.labels["mig"] for s in page.series if "mig" in s.labels} == {"2/0"}
    assert of(page, c.GPU_MEMORY_USED, mig="2/0") == 400.0


def test_a_gpu_no_longer_cut_into_instances_has_utilization_again(start: Start) -> None:
    drill = start("gpus 1", FIRST)
    drill.until(lambda page: page.find(c.GPU_MIG_INFO.name))
    drill.fake.remove("mig")
    page = drill.until(lambda page: of(page, c.GPU_UTILIZATION) == 0.5)
    assert not [s for s in page.series if "mig" in s.labels]
