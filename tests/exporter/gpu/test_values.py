"""A driver that says what cannot be, as seen on the page: nothing of it, and nothing for good."""

from __future__ import annotations

import pytest

from inferometer import catalogue as c
from tests.exporter.gpu.conftest import Start
from tests.exporter.gpu.drill import Drill, measured, up
from tests.exporter.support import Page

UINT, ULONG = 2**32 - 1, 2**64 - 1
# What the fake driver is set to, and the families that it must cost. Of NVML's types: percent,
# bytes, milliwatts, millijoules, degrees, MHz, nanoseconds and counts.
LIES = {
    "utilization": (UINT, {c.GPU_UTILIZATION, c.GPU_BUSY, c.GPU_OBSERVED}),
    "memory_utilization": (101 + 1, {c.GPU_MEMORY_UTILIZATION}),
    "memory_total": (0, {c.GPU_MEMORY_TOTAL, c.GPU_MEMORY_USED}),
    "memory_used": (81 * 2**30, {c.GPU_MEMORY_USED}),
    "power_mw": (2_100_001, {c.GPU_POWER}),
    "power_limit_mw": (0, {c.GPU_POWER_LIMIT}),
    "energy_mj": (ULONG, {c.GPU_ENERGY}),
    "temperature": (255, {c.GPU_TEMPERATURE}),
    "memory_temperature": (UINT, {c.GPU_MEMORY_TEMPERATURE}),
    "sm_clock": (3961, {c.GPU_CLOCK}),
    "throttle_power_ns": (ULONG, {c.GPU_THROTTLED}),
    "ecc_uncorrected": (ULONG, {c.GPU_ECC}),
    "remapped_correctable": (UINT, {c.GPU_REMAPPED}),
    "pcie_tx": (ULONG, {c.GPU_PCIE}),
    "nvlink_rx": (ULONG, {c.GPU_NVLINK}),
    "encoder": (UINT, {c.GPU_ENCODER_UTILIZATION}),
    "slowdown": (UINT, {c.GPU_SLOWDOWN}),
}
OURS = {c.GPU_BUSY, c.GPU_OBSERVED}  # made of another


def shown(page: Page, metric: c.Metric) -> list[tuple[tuple[str, str], ...]]:
    """The series of GPU 0 in this family."""
    return sorted(tuple(sorted(one.labels.items())) for one in page.find(metric.name, gpu="0"))


def refused(page: Page, metric: c.Metric) -> float:
    return page.value(c.VALUES_REFUSED.name, metric=metric.name) or 0.0


@pytest.fixture
def drill(start: Start) -> Drill:
    drill = start("gpus 2", interval_seconds=0.02)
    drill.until_up(0, 1)
    return drill


def test_a_value_that_cannot_be_costs_itself_alone_and_is_counted(drill: Drill) -> None:
    healthy = drill.until(lambda page: page.find(c.GPU_SLOWDOWN.name, gpu="0"))
    for key, (value, families) in LIES.items():
        before = {metric: refused(drill.scrape(), metric) for metric in families - OURS}
        drill.fake.write("gpus 2", f"set 0 {key} {value}")
        page = drill.until(lambda page, families=families: all(  # type: ignore[misc]
            len(shown(page, metric)) < len(shown(healthy, metric)) for metric in families))
        assert up(page) == {"0": True, "1": True}, key
        assert measured(page, 0) | {metric.name for metric in families} == measured(healthy, 0), key
        assert measured(page, 1) == measured(healthy, 1), key
        if key != "memory_total":  # of a memory without a size the use is not even read
            assert all(refused(page, metric) > count for metric, count in before.items()), key
        drill.fake.write("gpus 2")
        drill.until(lambda page: measured(page, 0) == measured(healthy, 0) and all(
            shown(page, metric) == shown(healthy, metric) for metric in c.GPU_METRICS))


def test_a_lie_once_told_poisons_no_counter(drill: Drill) -> None:
    counters = (c.GPU_BUSY, c.GPU_ENERGY, c.GPU_THROTTLED, c.GPU_ECC, c.GPU_PCIE, c.GPU_NVLINK)

    def total(page: Page, metric: c.Metric) -> float:
        return sum(one.value for one in page.find(metric.name, gpu="0"))

    before = drill.scrape()
    drill.fake.write(
        "gpus 2", f"set 0 utilization {UINT}", f"set 0 pcie_tx {2**60}", f"set 0 nvlink_tx {2**60}",
        *(f"set 0 {key} {2**40}" for key in ("energy_mj", "throttle_power_ns", "ecc_corrected")))
    lying = drill.until(lambda page: page.find(c.GPU_UTILIZATION.name, gpu="0") == [])
    drill.wait_for_calls("nvmlDeviceGetUtilizationRates 0", more=10)
    lying = drill.scrape()
    drill.fake.write("gpus 2")
    after = drill.until(lambda page: page.find(c.GPU_UTILIZATION.name, gpu="0"))
    for metric in counters:
        for page in (lying, after):
            assert total(page, metric) <= total(before, metric) + 60 * metric.pace, metric.name
    assert total(after, c.GPU_BUSY) <= total(after, c.GPU_OBSERVED)
