"""The exporter upon a fake driver, as seen on its page; what every page must keep to, whatever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inferometer import catalogue as c
from tests.exporter.gpu.fake_nvml import FakeNvml
from tests.exporter.support import Exporter, Page, get, wait_for

DEADLINE = 2.0  # seconds a scrape may take
ALWAYS = (c.GPU_INFO, c.GPU_UP, c.GPU_LAST_SAMPLE, c.GPU_XID, c.GPU_XID_LAST)  # lost or not
MEASURED = ({metric.name for metric in c.GPU_METRICS if c.GPU in metric.labels}
            - {metric.name for metric in (*ALWAYS, c.GPU_POD_INFO)})  # that is the kubelet's word
UP, LAST_SAMPLE = "gpu_up", "gpu_last_sample_timestamp_seconds"


@dataclass
class Drill:
    """A running exporter and the driver it runs on."""

    fake: FakeNvml
    exporter: Exporter
    time_to_live: float
    for_gpus: bool = False  # its role is to read them: no driver is a failure

    def scrape(self) -> Page:
        """The page now; it is in time, and shows measured values only of what it calls fresh."""
        before, began = time.time(), time.monotonic()
        answer = get(self.exporter.port,
                     headers={"X-Prometheus-Scrape-Timeout-Seconds": f"{DEADLINE:g}"})
        assert time.monotonic() - began < DEADLINE
        assert answer.status == 200, answer.text
        page = Page(answer.text)
        fault = self.for_gpus and drivers(page).get("") is None
        assert page.value("inferometer_collector_success", collector="gpu") == float(not fault)
        for gpu, is_up in up(page).items():
            if is_up:
                assert last_sample(page, gpu) > before - self.time_to_live - 0.1
            else:
                assert measured(page, gpu) == set()
        return page

    def until(self, condition: Callable[[Page], Any], seconds: float = 10.0) -> Page:
        """The first page on which the condition holds."""
        latest: list[Page] = []

        def holds() -> bool:
            latest[:] = [self.scrape()]
            return bool(condition(latest[0]))

        wait_for(holds, seconds)
        return latest[0]

    def until_up(self, *expected: int) -> Page:
        """The first page on which these GPUs are up, and all others it knows are not."""
        names = {str(gpu) for gpu in expected}
        return self.until(lambda page: {gpu for gpu, is_up in up(page).items() if is_up} == names)

    def check_alive(self, *gpus: int) -> None:
        """Fail unless each of these is being read: its last sample moves on, twice."""
        names = [str(gpu) for gpu in gpus]
        for _ in range(2):
            page = self.until(lambda page: all(up(page).get(gpu) for gpu in names))
            before = {gpu: last_sample(page, gpu) for gpu in names}
            self.until(lambda page, before=before: all(  # type: ignore[misc]
                up(page).get(gpu) and last_sample(page, gpu) > then
                for gpu, then in before.items()))

    def logged(self, message: str, **fields: object) -> list[dict[str, Any]]:
        """The log lines with this message and these fields."""
        return [line for line in self.exporter.logged()
                if line["message"] == message and fields.items() <= line.items()]

    def wait_for_logged(self, message: str, times: int, **fields: object) -> list[dict[str, Any]]:
        """The same, once there are so many: lines may come after the page. Fails if there are more.
        """
        wait_for(lambda: len(self.logged(message, **fields)) >= times)
        lines = self.logged(message, **fields)
        assert len(lines) == times, lines
        return lines

    def calls(self, call: str) -> int:
        """How often the driver was called so: "FUNCTION GPU" or "field FIELD GPU"."""
        return self.fake.calls().count(call)

    def wait_for_calls(self, call: str, more: int = 3) -> None:
        """Let so many more of these calls happen."""
        before = self.calls(call)
        wait_for(lambda: self.calls(call) >= before + more)


def drivers(page: Page) -> dict[str, float]:
    """Whether the driver is up, by the reason: one series, as nobody looks before the first look.
    """
    states = {s.labels.get("reason", ""): s.value for s in page.find(c.GPU_DRIVER_UP.name)}
    assert len(page.find(c.GPU_DRIVER_UP.name)) == 1
    assert states in ({"": 1.0}, *({reason: 0.0} for reason in c.DRIVER_FAULT.values))
    return states


def up(page: Page) -> dict[str, bool]:
    return {series.labels["gpu"]: series.value == 1.0 for series in page.find(UP)}


def measured(page: Page, gpu: int | str) -> set[str]:
    """The names of what the page says was measured on a GPU."""
    return {series.name for series in page.series
            if series.name in MEASURED and series.labels["gpu"] == str(gpu)}


def last_sample(page: Page, gpu: int | str) -> float:
    value = page.value(LAST_SAMPLE, gpu=str(gpu))
    assert value is not None
    return value
