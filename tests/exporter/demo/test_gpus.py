"""The demo's GPUs through the exporter's own reader, and through pynvml as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from inferometer import catalogue as c
from inferometer.config import GpuSection
from inferometer.demo.clock import StoryClock
from inferometer.demo.gpus import NAME, Ailment, DemoGpu
from inferometer.demo.library import Library
from inferometer.gpu.collector import GpuCollector
from inferometer.gpu.nvml import replace_library
from inferometer.gpu.sampler import Sampler
from tests.exporter.support import wait_for

BUSY = 0.7


@pytest.fixture
def gpus() -> list[DemoGpu]:
    clock = StoryClock(600)
    return [DemoGpu(0, clock, lambda: BUSY), DemoGpu(1, clock),
            DemoGpu(2, clock, lambda: BUSY, linked=True)]


@pytest.fixture
def sampler(gpus: list[DemoGpu]) -> Iterator[Sampler]:
    replace_library(Library(gpus))
    sampler = Sampler(GpuSection(interval_seconds=0.05, time_to_live_seconds=1,
                                 retry_seconds=0.2))
    sampler.start()
    wait_for(lambda: len(sampler.gpus()) == len(gpus) and all(map(sampler.fresh, sampler.gpus())))
    yield sampler
    sampler.stop()
    time.sleep(0.1)  # who is in a call leaves it
    replace_library(None)


def values(sampler: Sampler, gpu: int) -> dict[tuple[str, tuple[str, ...]], float]:
    fresh = sampler.fresh(sampler.gpus()[gpu])
    assert fresh is not None
    return {(metric.name, labels): value for (metric, labels), value in fresh.points.items()}


def test_every_figure_of_a_gpu_comes_through(sampler: Sampler) -> None:
    wait_for(lambda: values(sampler, 0).get((c.GPU_TEMPERATURE.name, ()), 0) > 50)
    read = values(sampler, 0)
    assert sampler.state == "3 GPUs, driver 570.00.01"
    assert sampler.gpus()[0].name == NAME
    assert read[c.GPU_UTILIZATION.name, ()] == pytest.approx(BUSY, abs=0.05)
    assert 300 < read[c.GPU_POWER.name, ()] < read[c.GPU_POWER_LIMIT.name, ()] == 700
    assert read[c.GPU_TEMPERATURE.name, ()] < read[c.GPU_SLOWDOWN.name, ()] == 89
    assert read[c.GPU_MEMORY_USED.name, ("",)] < read[c.GPU_MEMORY_TOTAL.name, ("",)]
    assert read[c.GPU_CLOCK.name, ("sm",)] < read[c.GPU_CLOCK_LIMIT.name, ("sm",)] == 1.98e9
    assert read[c.GPU_PROCESSES.name, ("", "compute")] == 1
    assert read[c.GPU_ENERGY.name, ()] > 0


def test_it_lacks_only_what_no_such_gpu_is_asked_for_here(sampler: Sampler) -> None:
    names = {name for name, _ in values(sampler, 0)}
    asked = {metric.name for metric in GpuCollector.metrics} if hasattr(
        GpuCollector, "metrics") else {metric.name for metric in c.GPU_METRICS}
    missing = {name for name in asked - names if "mig" not in name}
    assert missing == {
        "gpu_driver_up", "gpu_info", "gpu_pod_info", "gpu_unlisted_devices", "gpu_xid_errors_total",
        "gpu_xid_last_timestamp_seconds", "gpu_encoder_utilization_ratio",
        "gpu_decoder_utilization_ratio"}


def test_one_that_is_lost_has_told_its_xid_and_comes_back(
        sampler: Sampler, gpus: list[DemoGpu]) -> None:
    gpus[1].lose(79)
    gpu = sampler.gpus()[1]
    wait_for(lambda: gpu.lost)
    assert gpu.xids["79"] == 1
    assert "LOST" in gpu.lost
    assert sampler.fresh(sampler.gpus()[0])
    gpus[1].heal()
    wait_for(lambda: not gpu.lost)
    assert gpu.xids["79"] == 1


def test_one_that_is_too_hot_is_held_down(sampler: Sampler, gpus: list[DemoGpu]) -> None:
    gpus[2].ailment = Ailment(overheated=True, memory_full=True)
    wait_for(lambda: values(sampler, 2)[c.GPU_TEMPERATURE.name, ()] >= 89, 20)
    read = values(sampler, 2)
    assert read[c.GPU_THROTTLED.name, ("hw_thermal",)] > 0
    assert read[c.GPU_CLOCK.name, ("sm",)] < 1.2e9
    assert read[c.GPU_MEMORY_USED.name, ("",)] / read[c.GPU_MEMORY_TOTAL.name, ("",)] > 0.98


def test_what_the_library_lacks_is_a_missing_name() -> None:
    with pytest.raises(AttributeError, match="nvmlDeviceGetFanSpeed"):
        Library([]).nvmlDeviceGetFanSpeed  # noqa: B018 (that it is asked for is the test)
