"""Absurd answers that a driver gives with SUCCESS, and silence: what the page says meanwhile.

Each is a few lines for the fake driver's control file. `play` tells one to an exporter that runs on
at least three GPUs, and checks that its other GPUs never notice and that all is well afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inferometer import catalogue as c
from tests.exporter.gpu.drill import Drill, up
from tests.exporter.support import Page

NOT_SUPPORTED, MISSING, UNKNOWN, TIMEOUT = 3, 13, 999, 10
LIAR = "1"  # the GPU that lies
READINGS = (  # all that is asked of a GPU beside who it is
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetPowerManagementLimit", "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetRemappedRows", "nvmlDeviceGetEncoderUtilization",
    "nvmlDeviceGetDecoderUtilization", "nvmlDeviceGetTemperatureThreshold",
    "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v2",
    "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
    "nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMaxClockInfo",
)


def readings(code: int, gpu: str = LIAR) -> tuple[str, ...]:
    """Whatever is read of the GPU returns this code."""
    return tuple(f"error {gpu} {function} {code}" for function in READINGS)


@dataclass(frozen=True)
class Lie:
    """What the driver tells of GPU 1, and what the page says then."""

    name: str
    lines: tuple[str, ...]
    holds: Callable[[Page], bool]

    def __str__(self) -> str:
        return self.name


def is_up(page: Page) -> bool:
    """Whether the GPU that lies is up, and the only one of its index."""
    return page.values(c.GPU_UP.name, gpu=LIAR) == [1.0]


def is_down(page: Page) -> bool:
    """Whether it is known and down."""
    return page.values(c.GPU_UP.name, gpu=LIAR) == [0.0]


LIES = (
    Lie("nothing is supported", readings(NOT_SUPPORTED), is_up),
    Lie("the library lacks everything", readings(MISSING), is_up),
    Lie("one code of an error for everything", readings(UNKNOWN), is_down),
    Lie("every call is too late", readings(TIMEOUT), is_down),
    Lie("nothing is supported or answered", (*readings(UNKNOWN), f"error {LIAR} "
        f"nvmlDeviceGetTemperatureThreshold {NOT_SUPPORTED}"), is_up),
    Lie("a name that is not UTF-8", (f"raw {LIAR} name ff4eae",), is_up),
    Lie("a name without an end", (f"raw {LIAR} name 41*",), is_up),
    Lie("an address that is not UTF-8", (f"raw {LIAR} bus fffe",), is_up),
    Lie("a version that is not UTF-8", ("raw 0 driver fffe",), is_up),
    Lie("no UUID", (f"error {LIAR} nvmlDeviceGetUUID {NOT_SUPPORTED}",), is_up),
    Lie("a UUID that fails", (f"error {LIAR} nvmlDeviceGetUUID {UNKNOWN}",), is_up),
    Lie("an empty UUID", (f"set {LIAR} uuid",), is_up),
    Lie("a UUID that is not UTF-8", (f"raw {LIAR} uuid ff",), is_up),
    Lie("billions of MIG instances",
        (f"mig {LIAR} 7 0 1g.10gb 10 1", f"mig_count {LIAR} 4294967295"), is_up),
    Lie("billions of processes", (f"process_count {LIAR} 4294967295 4294967295",), is_up),
    Lie("a process list longer than it is", (f"process_count {LIAR} 3 4000000000",), is_up),
    Lie("a type of value that there is not", (f"field_type {LIAR} 82 -1",), is_up),
    Lie("every reason to slow down", (f"set {LIAR} clock_reasons 0xffffffffffffffff",), is_up),
    Lie("events without end", (f"flood {LIAR} 8",), is_up),
    Lie("events of no type", (f"flood {LIAR} 128",), is_up),
    Lie("a billion GPUs", ("count 1000000000",), lambda page: len(up(page)) == c.GPUS),
    Lie("4294967295 GPUs", ("count 4294967295",), lambda page: len(up(page)) == c.GPUS),
)


def play(drill: Drill, lie: Lie) -> None:
    """Tell the lie, see that the page is right and the other GPUs live, then that all is well."""
    honest = [int(gpu) for gpu, answers in up(drill.scrape()).items()
              if answers and gpu != LIAR]
    drill.fake.add(*lie.lines)
    drill.until(lie.holds, 20.0)
    drill.check_alive(*honest)
    assert lie.holds(drill.scrape())
    for line in lie.lines:
        drill.fake.remove(line)
    drill.until(lambda page: all(page.values(c.GPU_UP.name, gpu=str(gpu)).count(1.0) == 1
                                 for gpu in (*honest, LIAR)), 20.0)
    drill.check_alive(*honest, int(LIAR))
