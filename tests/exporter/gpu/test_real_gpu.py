"""The page on a machine with an NVIDIA GPU, held against what nvidia-smi says there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from inferometer import catalogue as c
from inferometer.gpu.driver import Driver
from tests.exporter.support import Exporter, Page, exporter, wait_for

MIB, MEGA = 2.0**20, 1e6
NO_VALUE = ("[N/A]", "[Not Supported]", "N/A")

pytestmark = pytest.mark.gpu


def smi(*keys: str) -> list[dict[str, str]]:
    """What nvidia-smi says of each GPU; nothing without it, a driver or a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    done = subprocess.run([program, f"--query-gpu={','.join(keys)}",
                           "--format=csv,noheader,nounits"],
                          capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        return []
    return [dict(zip(keys, line.split(", "), strict=True)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    if not smi("index"):
        pytest.skip("no NVIDIA GPU here")
    config = tmp_path_factory.mktemp("real") / "inferometer.yml"
    config.write_text("gpu: {interval_seconds: 0.5}\nengines: {discover_ports: []}\n")
    with exporter(config=config) as started:
        wait_for(lambda: started.scrape().values(c.GPU_UP.name), 20)
        yield started


def test_every_gpu_is_up_and_is_the_one_nvidia_smi_names(running: Exporter) -> None:
    page = running.scrape()
    listed = smi("index", "uuid", "name", "driver_version", "pci.bus_id")
    assert page.values(c.GPU_UP.name) == [1.0] * len(listed)
    shown = [info.labels for info in page.find(c.GPU_INFO.name)]
    assert shown == [{"gpu": gpu["index"], "uuid": gpu["uuid"], "name": gpu["name"],
                      "driver_version": gpu["driver_version"], "pci_bus_id": gpu["pci.bus_id"]}
                     for gpu in listed]


# Value of nvidia-smi, our family with its labels, factor to our unit, and how far they may differ.
@pytest.mark.parametrize(("key", "metric", "labels", "factor", "tolerance"), [
    ("memory.total", c.GPU_MEMORY_TOTAL, {}, MIB, MIB),
    ("memory.used", c.GPU_MEMORY_USED, {}, MIB, 64 * MIB),
    ("enforced.power.limit", c.GPU_POWER_LIMIT, {}, 1.0, 0.01),
    ("power.draw.instant", c.GPU_POWER, {}, 1.0, 30.0),
    ("temperature.gpu", c.GPU_TEMPERATURE, {}, 1.0, 3.0),
    ("clocks.sm", c.GPU_CLOCK, {"clock": "sm"}, MEGA, 60 * MEGA),
    ("clocks.mem", c.GPU_CLOCK, {"clock": "memory"}, MEGA, 60 * MEGA),
    ("utilization.gpu", c.GPU_UTILIZATION, {}, 0.01, 0.1),
    ("ecc.errors.uncorrected.aggregate.total", c.GPU_ECC, {"kind": "uncorrected"}, 1.0, 0.0),
])
def test_a_value_is_what_nvidia_smi_says(
        running: Exporter, key: str, metric: c.Metric, labels: dict[str, str], factor: float,
        tolerance: float) -> None:
    def agree() -> bool:  # asked again: the two are not read at the same moment
        listed, page = smi("index", key), running.scrape()
        return bool(listed) and all(
            _matches(page, gpu["index"], metric, labels, gpu[key], factor, tolerance)
            for gpu in listed)

    if not smi("index", key):
        pytest.skip(f"this nvidia-smi does not know {key}")
    wait_for(agree, 20, every=0.3)


def test_what_nvidia_smi_calls_unknown_we_leave_out(running: Exporter) -> None:
    page = running.scrape()
    for gpu in smi("index", "temperature.memory"):
        if gpu["temperature.memory"] in NO_VALUE:
            assert page.find(c.GPU_MEMORY_TEMPERATURE.name, gpu=gpu["index"]) == []


@pytest.mark.parametrize("metric", [c.GPU_LAST_SAMPLE, c.GPU_OBSERVED, c.GPU_ENERGY])
def test_what_must_grow_grows(running: Exporter, metric: c.Metric) -> None:
    before = running.scrape().values(metric.name)
    if not before:
        pytest.skip(f"this GPU has no {metric.name}")
    wait_for(lambda: all(then < now for then, now in zip(
        before, running.scrape().values(metric.name), strict=True)))


def test_nothing_goes_wrong_in_the_log(running: Exporter) -> None:
    running.scrape()
    assert [line for line in running.logged() if line["level"] in ("warning", "error")] == []


def test_fields_and_the_calls_instead_of_them_have_the_same_values(running: Exporter) -> None:
    driver = Driver()
    driver.open()
    device = driver.device(0)
    in_fields = device.read().points
    device._lack(device._batch.fields)
    in_calls = device.read().points
    driver.close(unload=False)
    both = in_fields.keys() & in_calls.keys()
    assert {metric for metric, _ in both} >= {c.GPU_POWER, c.GPU_ENERGY, c.GPU_POWER_LIMIT}
    for metric in (c.GPU_POWER_LIMIT, c.GPU_ECC, c.GPU_REMAPPED, c.GPU_REMAP_PENDING,
                   c.GPU_REMAP_FAILED):
        assert {series: in_fields[series] for series in both if series[0] is metric} == {
            series: in_calls[series] for series in both if series[0] is metric}
    assert in_fields[c.GPU_POWER, ()] == pytest.approx(in_calls[c.GPU_POWER, ()], abs=30.0)
    assert 0 <= in_calls[c.GPU_ENERGY, ()] - in_fields[c.GPU_ENERGY, ()] < 1000.0


def _matches(page: Page, index: str, metric: c.Metric, labels: dict[str, str], expected: str,
             factor: float, tolerance: float) -> bool:
    values = [s.value for s in page.find(metric.name, gpu=index, **labels)
              if "mig" not in s.labels]
    if expected in NO_VALUE:
        return values == []
    return len(values) == 1 and abs(values[0] - float(expected) * factor) <= tolerance
