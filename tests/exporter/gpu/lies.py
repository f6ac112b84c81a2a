"""Absurd answers that a driver or a kubelet gives, and silence: what the page says meanwhile.

What a driver does is a few lines for the fake one's control file. `play` tells one of LIES to an
exporter that runs on at least three GPUs, and checks that its other GPUs never notice and that all
is well afterwards; `suffer` does so with one of OUTAGES, which all GPUs notice. `mislead` has a
FakeKubelet give one of ANSWERS to an exporter that asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.gpu import kubelet as k
from tests.exporter.gpu.drill import Drill, drivers, up
from tests.exporter.gpu.fake_kubelet import FakeKubelet
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


# All that takes the driver away, and the reason that the page has then.
OUTAGES = {reason: (f"all {code}", f"init {code}") for reason, code in (
    ("no_driver", 9), ("version_mismatch", 18), ("other", 1), ("no_library", 12))}

_CHUNK = 2**21


def _sized(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + _sized(size >> 7)


def inside(number: int, message: bytes) -> bytes:
    """A message as a field of another."""
    return bytes([number << 3 | 2]) + _sized(len(message)) + message


def holder(*devices: str, resource: str = "nvidia.com/gpu", pod: str = "chat-0",
           namespace: str = "llm") -> bytes:
    """A pod of a kubelet's answer, whose one container has these."""
    some = inside(k.DEVICES_RESOURCE, resource.encode()) + b"".join(
        inside(k.DEVICES_IDS, device.encode()) for device in devices)
    container = inside(k.CONTAINER_NAME, b"engine") + inside(k.CONTAINER_DEVICES, some)
    return inside(k.POD_RESOURCES, inside(k.POD_NAME, pod.encode())
                   + inside(k.POD_NAMESPACE, namespace.encode())
                   + inside(k.POD_CONTAINERS, container))


# Answers of a kubelet, and whether they are a list of pods at all.
ANSWERS: Mapping[str, tuple[Callable[[], bytes], bool]] = {
    "nothing": (lambda: b"", True),
    "16 MiB of pods without a name": (lambda: b"\x0a\x00" * (4 * _CHUNK), True),
    "16 MiB of numbers": (lambda: b"\x10\x00" * (4 * _CHUNK), True),
    "16 MiB of one pod's containers": (
        lambda: inside(k.POD_RESOURCES, b"\x1a\x00" * (4 * _CHUNK - 8)), True),
    "50,000 devices": (lambda: holder(*(f"GPU-{number}" for number in range(50_000))), True),
    "50,000 pods": (lambda: b"".join(
        holder(f"GPU-{number}", pod=f"pod-{number}") for number in range(50_000)), True),
    "names of a mebibyte": (lambda: holder("x" * 2**20, pod="p" * 2**20, namespace="n" * 2**20),
                            True),
    "names that end lines": (lambda: holder("GPU-\n\x1b[2J", pod='"} 1\n# '), True),
    "no text": (lambda: holder("GPU-0").replace(b"chat-0", b"\xff\xfe\xfd\xfc\xfb\xfa"), False),
    "no message": (lambda: b"<!doctype html>", False),
    "more than 16 MiB": (lambda: bytes(k.LONGEST_ANSWER + 1), False),
}
MOST_LOGGED = 10_000  # characters for one such answer, however often it is asked for


def mislead(drill: Drill, kubelet: FakeKubelet, name: str) -> None:
    """Give the answer for some scrapes: the page is whole, the log short, and it passes."""
    make, is_list = ANSWERS[name]
    answer, before = make(), sum(map(len, drill.exporter.lines))
    works = "inferometer_collector_success"
    with kubelet.answering(lambda _: answer):
        drill.until(lambda page: page.value(works, collector="pods") == float(is_list))
        for _ in range(3):
            assert up(drill.scrape())
    drill.until(lambda page: page.value(works, collector="pods") == 1.0)
    assert sum(map(len, drill.exporter.lines)) - before < MOST_LOGGED


def suffer(drill: Drill, reason: str) -> None:
    """Take the driver away and give it back."""
    gpus = [int(gpu) for gpu, answers in up(drill.scrape()).items() if answers]
    drill.fake.add(*OUTAGES[reason])
    page = drill.until(lambda page: drivers(page) == {reason: 0.0}, 20.0)
    assert not any(up(page).values())
    for line in OUTAGES[reason]:
        drill.fake.remove(line)
    drill.until(lambda page: drivers(page) == {"": 1.0}, 20.0)
    drill.check_alive(*gpus)


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
