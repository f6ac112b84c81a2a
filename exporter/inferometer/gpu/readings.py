"""What is read of a GPU: NVML's functions and fields, and the metrics their answers give.

To read something more, add a line to FIELDS, EVERY_ROUND, SELDOM or ONCE. This is data: `nvml.py`
makes the calls. Functions, constants and fields are named as in pynvml; a field may be given by its
number instead. Source: NVML API reference, and nvml.h of API 12 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Series

SELDOM_ROUNDS = 5  # at the default interval no value is then older than the default time to live
MOST_INSTANCES = c.MIG.budget  # of MIG on a GPU; a driver that says more is not believed
BOARD = ""  # value of the label `mig` for the GPU as a whole
ALL_LINKS = 0xFFFFFFFF  # scope of a field that is summed over all NVLinks
# How many of the driver's units make one of ours. Dividing by them keeps numbers short.
NANO, MILLI, PERCENT, KIBI, MEGA = 1e9, 1e3, 100.0, 1 / 1024, 1e-6

Function = tuple[str, ...]  # a function, then the constants to call it with after the handle


@dataclass(frozen=True, eq=False, slots=True)
class GpuValue:
    """One number of an answer: the series it belongs to, and how to get it.

    `per`: how many of the driver's units make one of ours.
    `pick`: takes the number out of an answer that is not the number itself. It returns None if the
    driver did not give the number.
    """

    series: Series
    per: float = 1.0
    pick: Callable[[Any], float | None] | None = None

    def of_instance(self, mig: str) -> Series:
        """The same series of a MIG instance."""
        metric, (_, *labels) = self.series
        return metric, (mig, *labels)


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """A call with the values that it brings. The first function that is supported answers."""

    functions: tuple[Function, ...]
    values: tuple[GpuValue, ...]


@dataclass(frozen=True, eq=False, slots=True)
class NvmlField:
    """A field of nvmlDeviceGetFieldValues, which brings many of them in one call.

    `instead`: the call to make where the driver or GPU lacks the field.
    `clock_reason`: for throttled seconds, the bit of CLOCK_REASONS that says whether the reason
    holds now. The seconds are integrated from it where the driver lacks the field.
    """

    id: int | str
    value: GpuValue
    scope: int = 0
    instead: Call | None = None
    clock_reason: int = 0


def _call(metric: Metric, *functions: Function, labels: tuple[str, ...] = (), per: float = 1.0,
          pick: Callable[[Any], float | None] | None = None) -> Call:
    return Call(functions, (GpuValue((metric, labels), per, pick),))


def _field(id_: int | str, metric: Metric, *labels: str, per: float = 1.0, scope: int = 0,
           instead: tuple[Function, ...] = (), clock_reason: int = 0) -> NvmlField:
    value = GpuValue((metric, labels), per)
    return NvmlField(id_, value, scope, Call(instead, (value,)) if instead else None, clock_reason)


def _processes(kind: str, *functions: str) -> Call:
    return Call(tuple((function,) for function in functions), (
        GpuValue((c.GPU_PROCESSES, (BOARD, kind)), pick=len),
        GpuValue((c.GPU_PROCESS_MEMORY, (BOARD, kind)), pick=_process_memory)))


def _process_memory(sizes: Iterable[int | None]) -> float | None:
    """Bytes of all processes; None if the driver does not give the memory of each."""
    numbers = [size for size in sizes if size is not None]
    return None if None in sizes else sum(numbers)


# nvmlDeviceGetRemappedRows answers (correctable, uncorrectable, pending, failed).
REMAPPED_ROWS = Call((("nvmlDeviceGetRemappedRows",),), (
    GpuValue((c.GPU_REMAPPED, ("correctable",)), pick=itemgetter(0)),
    GpuValue((c.GPU_REMAPPED, ("uncorrectable",)), pick=itemgetter(1)),
    GpuValue((c.GPU_REMAP_PENDING, ()), pick=lambda answer: answer[2] != 0),
    GpuValue((c.GPU_REMAP_FAILED, ()), pick=lambda answer: answer[3] != 0)))

# In every round, all in one call.
FIELDS: tuple[NvmlField, ...] = (
    _field(185, c.GPU_POWER, per=MILLI,  # the average of a second, as the call's from Ampere on
           instead=(("nvmlDeviceGetPowerUsage",),)),
    _field(190, c.GPU_POWER_LIMIT, per=MILLI,
           instead=(("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetPowerManagementLimit",))),
    _field("NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION", c.GPU_ENERGY, per=MILLI,
           instead=(("nvmlDeviceGetTotalEnergyConsumption",),)),
    _field("NVML_FI_DEV_MEMORY_TEMP", c.GPU_MEMORY_TEMPERATURE),
    _field("NVML_FI_DEV_PERF_POLICY_POWER", c.GPU_THROTTLED, "power_cap", per=NANO,
           clock_reason=0x4),
    _field("NVML_FI_DEV_PERF_POLICY_SYNC_BOOST", c.GPU_THROTTLED, "sync_boost", per=NANO,
           clock_reason=0x10),
    _field(269, c.GPU_THROTTLED, "sw_thermal", per=NANO, clock_reason=0x20),
    _field(270, c.GPU_THROTTLED, "hw_thermal", per=NANO, clock_reason=0x40),
    _field(271, c.GPU_THROTTLED, "hw_power_brake", per=NANO, clock_reason=0x80),
    _field("NVML_FI_DEV_ECC_SBE_AGG_TOTAL", c.GPU_ECC, "corrected", instead=((
        "nvmlDeviceGetTotalEccErrors", "NVML_MEMORY_ERROR_TYPE_CORRECTED", "NVML_AGGREGATE_ECC"),)),
    _field("NVML_FI_DEV_ECC_DBE_AGG_TOTAL", c.GPU_ECC, "uncorrected", instead=((
        "nvmlDeviceGetTotalEccErrors", "NVML_MEMORY_ERROR_TYPE_UNCORRECTED",
        "NVML_AGGREGATE_ECC"),)),
    NvmlField("NVML_FI_DEV_REMAPPED_COR", REMAPPED_ROWS.values[0], instead=REMAPPED_ROWS),
    _field("NVML_FI_DEV_REMAPPED_UNC", c.GPU_REMAPPED, "uncorrectable"),
    _field("NVML_FI_DEV_REMAPPED_PENDING", c.GPU_REMAP_PENDING),
    _field("NVML_FI_DEV_REMAPPED_FAILURE", c.GPU_REMAP_FAILED),
    _field(197, c.GPU_PCIE, "transmit"),
    _field(198, c.GPU_PCIE, "receive"),
    _field("NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX", c.GPU_NVLINK, "transmit", per=KIBI,
           scope=ALL_LINKS),
    _field("NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX", c.GPU_NVLINK, "receive", per=KIBI,
           scope=ALL_LINKS),
)

# Where a field of throttled seconds is lacking: the reasons that hold now, one bit each.
CLOCK_REASONS: tuple[Function, ...] = (
    ("nvmlDeviceGetCurrentClocksEventReasons",),
    ("nvmlDeviceGetCurrentClocksThrottleReasons",),
)


def _used_memory(answer: Any) -> float | None:
    """Bytes in use; None of a memory without a size, as one shared with the CPU may have it."""
    return answer.used if answer.total else None


MEMORY = Call((("nvmlDeviceGetMemoryInfo", "nvmlMemory_v2"), ("nvmlDeviceGetMemoryInfo",)), (
    GpuValue((c.GPU_MEMORY_USED, (BOARD,)), pick=_used_memory),
    GpuValue((c.GPU_MEMORY_TOTAL, (BOARD,)), pick=attrgetter("total"))))

PROCESSES = (
    _processes("compute", "nvmlDeviceGetComputeRunningProcesses_v3",
               "nvmlDeviceGetComputeRunningProcesses_v2"),
    _processes("graphics", "nvmlDeviceGetGraphicsRunningProcesses_v3",
               "nvmlDeviceGetGraphicsRunningProcesses_v2"),
    _processes("mps", "nvmlDeviceGetMPSComputeRunningProcesses_v3",
               "nvmlDeviceGetMPSComputeRunningProcesses_v2"),
)

# In every round, a call each.
EVERY_ROUND: tuple[Call, ...] = (
    Call((("nvmlDeviceGetUtilizationRates",),), (
        GpuValue((c.GPU_UTILIZATION, ()), PERCENT, attrgetter("gpu")),
        GpuValue((c.GPU_MEMORY_UTILIZATION, ()), PERCENT, attrgetter("memory")))),
    MEMORY,
    _call(c.GPU_TEMPERATURE, ("nvmlDeviceGetTemperatureV", "NVML_TEMPERATURE_GPU"),
          ("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU")),
    _call(c.GPU_CLOCK, ("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM"), labels=("sm",), per=MEGA),
)

# What never changes: asked for until there is an answer.
ONCE: tuple[Call, ...] = tuple(
    _call(c.GPU_CLOCK_LIMIT, ("nvmlDeviceGetMaxClockInfo", f"NVML_CLOCK_{constant}"),
          labels=(clock,), per=MEGA)
    for clock, constant in (("sm", "SM"), ("memory", "MEM"), ("graphics", "GRAPHICS"),
                            ("video", "VIDEO")))

# What hardly ever changes: each call in one of SELDOM_ROUNDS rounds, in turn.
SELDOM: tuple[Call, ...] = (
    *PROCESSES,
    _call(c.GPU_ENCODER_UTILIZATION, ("nvmlDeviceGetEncoderUtilization",), per=PERCENT,
          pick=itemgetter(0)),
    _call(c.GPU_DECODER_UTILIZATION, ("nvmlDeviceGetDecoderUtilization",), per=PERCENT,
          pick=itemgetter(0)),
    _call(c.GPU_CLOCK, ("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM"), labels=("memory",), per=MEGA),
    _call(c.GPU_CLOCK, ("nvmlDeviceGetClockInfo", "NVML_CLOCK_GRAPHICS"), labels=("graphics",),
          per=MEGA),
    _call(c.GPU_CLOCK, ("nvmlDeviceGetClockInfo", "NVML_CLOCK_VIDEO"), labels=("video",), per=MEGA),
    _call(c.GPU_SLOWDOWN, ("nvmlDeviceGetTemperatureThreshold",
                           "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN")),
)

# In every round, of each MIG instance.
OF_INSTANCES: tuple[Call, ...] = (MEMORY, *PROCESSES)


def instance_info(mig: str, uuid: str, profile: str) -> Series:
    """The series that says which MIG instances there are; its value is 1."""
    return c.GPU_MIG_INFO, (mig, uuid, profile)
