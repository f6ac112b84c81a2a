"""NVML: the only importer of pynvml. Opens the driver, finds GPUs, reads one GPU in one round.

Facts on calls and return codes: NVML API reference, nvml.h of API 12 and 13.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pynvml

from inferometer import catalogue as c
from inferometer.catalogue import Metric

ALL_LINKS = 0xFFFFFFFF  # scope of a field that is summed over all NVLinks
NANOSECONDS, MILLI, MEGA, PERCENT, KIBI = 1e-9, 1e-3, 1e6, 0.01, 1024.0

Extra = tuple[str, ...]  # label values after gpu and uuid
Point = tuple[Metric, Extra, float]
Answer = TypeVar("Answer")

# Codes after which asking this GPU again in the same way is pointless.
_UNSUPPORTED = frozenset({
    pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH, pynvml.NVML_ERROR_DEPRECATED,
})
_GPU_LOST = frozenset({
    pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
})
_DRIVER_LOST = frozenset({
    pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
})
_NAMES = {code: name.removeprefix("NVML_ERROR_") for name, code in vars(pynvml).items()
          if name.startswith("NVML_ERROR_") and isinstance(code, int)}
_NAMES[pynvml.NVML_ERROR_LIBRARY_NOT_FOUND] = "libnvidia-ml.so.1 not found"


class DriverLostError(Exception):
    """NVML as a whole does not answer: no library, no driver, or another driver than before."""


class GpuLostError(Exception):
    """The GPU fell off the bus or waits for a reset."""


@dataclass
class Round:
    """What one round of calls to one GPU brought.

    `held`: of the reasons to throttle whose time the driver does not count, which hold now.
    `slowest`: seconds that the slowest step took.
    """

    points: dict[Metric, dict[Extra, float]] = field(default_factory=dict)
    held: dict[str, bool] = field(default_factory=dict)
    slowest: float = 0.0

    def put(self, points: Iterable[Point]) -> None:
        """Add points."""
        for metric, extra, value in points:
            self.points.setdefault(metric, {})[extra] = value


class Driver:
    """The driver's library, opened and closed as often as need be."""

    def open(self) -> str:
        """Load the library and start a session; the driver's version. Raises DriverLostError."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise DriverLostError(_why(error)) from error
        return _text(lambda _: pynvml.nvmlSystemGetDriverVersion(), None)

    def close(self, unload: bool) -> None:
        """End the session, and on `unload` let go of the library, so that a new one is loaded.

        Unload only while no other thread is in a call.
        """
        with contextlib.suppress(pynvml.NVMLError):  # it may be gone already
            pynvml.nvmlShutdown()
        if unload and pynvml.nvmlLib is not None:
            # pynvml never reloads; after an upgrade of the driver the old library is of no use.
            handle, pynvml.nvmlLib = pynvml.nvmlLib._handle, None
            pynvml._nvmlGetFunctionPointer_cache.clear()
            ctypes.CDLL(None).dlclose(ctypes.c_void_p(handle))

    def count(self) -> int | None:
        """How many GPUs the driver has, None if it would not say now. Raises DriverLostError."""
        try:
            with _Translated():
                return int(pynvml.nvmlDeviceGetCount())
        except (pynvml.NVMLError, GpuLostError):
            return None

    def device(self, index: int) -> Device:
        """The GPU at an index. Raises GpuLostError, DriverLostError."""
        try:
            with _Translated():
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                return Device(index, handle, str(pynvml.nvmlDeviceGetUUID(handle)))
        except pynvml.NVMLError as error:
            raise GpuLostError(_why(error)) from error


class Device:
    """One GPU: who it is, and how to read it. Remembers what it does not support."""

    answered_at = 0.0  # when a step of the present round last ended, on the monotonic clock

    def __init__(self, index: int, handle: Any, uuid: str) -> None:
        self.index = index
        self.uuid = uuid
        self.handle = handle
        self.name = ""
        self.pci_bus_id = ""
        self._mig = False
        self._unsupported: set[object] = set()
        self._identify()

    def read(self) -> Round:
        """One round of all calls. What fails is left out.

        Raises GpuLostError, DriverLostError.
        """
        result = Round()
        self.answered_at = time.monotonic()
        self._identify()
        self._see_mig_mode()
        for reading in _READINGS:
            result.put(self._points(reading, self.handle))
            self._step(result)
        result.put(self._fields())
        self._step(result)
        for mig, handle in self._instances(result):
            for reading in _SHARED_READINGS:
                result.put(self._points(reading, handle, (mig,)))
                self._step(result)
        result.held = self._held()
        self._step(result)
        return result

    def _step(self, result: Round) -> None:
        now = time.monotonic()
        result.slowest = max(result.slowest, now - self.answered_at)
        self.answered_at = now

    def _identify(self) -> None:
        """Learn who the GPU is, as far as it has not told yet."""
        self.name = self.name or _text(pynvml.nvmlDeviceGetName, self.handle)
        self.pci_bus_id = self.pci_bus_id or _text(_pci_bus_id, self.handle)

    def _see_mig_mode(self) -> None:
        on = self._ask((_mig_mode,), self.handle)
        if on is not None and on != self._mig:
            self._mig = on
            self._unsupported.clear()  # what a GPU supports depends on the mode

    def _points(self, calls: tuple[Callable[[Any], Iterable[Point]], ...], handle: Any,
                scope: Extra = ()) -> Iterable[Point]:
        """What one reading brings of the GPU, or in the scope of a MIG instance."""
        for metric, extra, value in self._ask(calls, handle, scope) or ():
            yield metric, _in_scope(metric, scope, extra), value

    def _ask(self, calls: tuple[Callable[[Any], Answer], ...], handle: Any,
             scope: Extra = ()) -> Answer | None:
        """The answer to the first call that is supported here, None if there is none now."""
        for call in calls:
            if (call, scope) in self._unsupported:
                continue
            try:
                with _Translated():
                    return call(handle)
            except pynvml.NVMLError as error:
                if error.value not in _UNSUPPORTED:
                    return None
                self._unsupported.add((call, scope))
        return None

    def _fields(self) -> Iterator[Point]:
        wanted = [f for f in _FIELDS if f not in self._unsupported]
        if not wanted or _FIELDS in self._unsupported:
            return
        try:
            with _Translated():
                answers = pynvml.nvmlDeviceGetFieldValues(
                    self.handle, [(f.id, f.scope) if f.scope else f.id for f in wanted])
        except pynvml.NVMLError as error:
            if error.value in _UNSUPPORTED:
                self._unsupported.add(_FIELDS)
            return
        for asked, answer in zip(wanted, answers, strict=True):
            if answer.nvmlReturn == pynvml.NVML_SUCCESS:
                if answer.valueType in range(len(_VALUE_TYPES)):
                    value = float(getattr(answer.value, _VALUE_TYPES[answer.valueType]))
                    yield asked.metric, asked.extra, value * asked.scale
            elif answer.nvmlReturn in _UNSUPPORTED | {pynvml.NVML_ERROR_INVALID_ARGUMENT}:
                self._unsupported.add(asked)

    def _held(self) -> dict[str, bool]:
        """Of the reasons to throttle that the driver does not count here, which hold now."""
        uncounted = [field.extra[0] for field in _THROTTLE_FIELDS
                     if not self._unsupported.isdisjoint((field, _FIELDS))]
        bits = self._ask(_CLOCK_REASONS, self.handle) if uncounted else None
        if bits is None:
            return {}
        return {reason: bool(bits & CLOCK_REASONS[reason]) for reason in uncounted}

    def _instances(self, result: Round) -> Iterator[tuple[str, Any]]:
        """MIG instances with their label; they change at run time, so they are looked up anew."""
        most = self._ask((_most_instances,), self.handle) if self._mig else None
        for index in range(most or 0):
            try:
                with _Translated():
                    handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(self.handle, index)
                    mig = (f"{pynvml.nvmlDeviceGetGpuInstanceId(handle)}/"
                           f"{pynvml.nvmlDeviceGetComputeInstanceId(handle)}")
                    profile = _text(pynvml.nvmlDeviceGetName, handle).rpartition(" MIG ")[2]
                    uuid = str(pynvml.nvmlDeviceGetUUID(handle))
            except pynvml.NVMLError:
                continue  # no instance has this index, while one after it may
            result.put([(c.GPU_MIG_INFO, (mig, uuid, profile), 1.0)])
            yield mig, handle


class Events:
    """The driver's XID events for one GPU, from now on."""

    def __init__(self, device: Device) -> None:
        self._set: Any = None
        self.registered = False
        self.failing = False  # whether the last wait came to nothing before its time
        try:
            self._set = pynvml.nvmlEventSetCreate()
            pynvml.nvmlDeviceRegisterEvents(
                device.handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
            self.registered = True
        except pynvml.NVMLError:
            pass  # not every GPU has events, and a lost one has none

    def wait(self, milliseconds: int) -> int | None:
        """The next event's XID; None if none came."""
        try:
            event = pynvml.nvmlEventSetWait_v2(self._set, milliseconds)
        except pynvml.NVMLError as error:
            self.failing = error.value != pynvml.NVML_ERROR_TIMEOUT
            return None
        self.failing = False
        is_xid = event.eventType == pynvml.nvmlEventTypeXidCriticalError
        return int(event.eventData) if is_xid else None

    def close(self) -> None:
        """Give the event set back."""
        if self._set is not None:
            with contextlib.suppress(pynvml.NVMLError):  # as of a lost GPU
                pynvml.nvmlEventSetFree(self._set)


class _Translated:
    """Turns codes that concern the whole GPU or driver into our errors."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        code = getattr(error, "value", None) if isinstance(error, pynvml.NVMLError) else None
        if code in _GPU_LOST:
            raise GpuLostError(_why(error)) from error
        if code in _DRIVER_LOST:
            raise DriverLostError(_why(error)) from error


@dataclass(frozen=True)
class _Field:
    """A value of nvmlDeviceGetFieldValues."""

    id: int
    metric: Metric
    extra: Extra
    scale: float
    scope: int = 0


_THROTTLE_FIELDS = tuple(
    _Field(number, c.GPU_THROTTLED, (reason,), NANOSECONDS)
    for number, reason in (
        (pynvml.NVML_FI_DEV_PERF_POLICY_POWER, "power_cap"),
        (pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST, "sync_boost"),
        (269, "sw_thermal"), (270, "hw_thermal"), (271, "hw_power_brake"),
    )
)
_FIELDS = (
    *_THROTTLE_FIELDS,
    _Field(pynvml.NVML_FI_DEV_MEMORY_TEMP, c.GPU_MEMORY_TEMPERATURE, (), 1.0),
    _Field(197, c.GPU_PCIE, ("transmit",), 1.0),
    _Field(198, c.GPU_PCIE, ("receive",), 1.0),
    _Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, c.GPU_NVLINK, ("transmit",), KIBI,
           ALL_LINKS),
    _Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, c.GPU_NVLINK, ("receive",), KIBI,
           ALL_LINKS),
)
_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

# Bits of nvmlDeviceGetCurrentClocksEventReasons, for drivers that do not count the time.
CLOCK_REASONS = {"power_cap": 0x4, "sync_boost": 0x10, "sw_thermal": 0x20, "hw_thermal": 0x40,
                 "hw_power_brake": 0x80}


def _number(metric: Metric, function: str, scale: float = 1.0, *arguments: int,
            extra: Extra = ()) -> Callable[[Any], list[Point]]:
    """A call that returns one number. The function is looked up late: old pynvml lack some."""

    def call(handle: Any) -> list[Point]:
        return [(metric, extra, float(_function(function)(handle, *arguments)) * scale)]

    return call


def _utilization(handle: Any) -> list[Point]:
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    return [(c.GPU_UTILIZATION, (), rates.gpu * PERCENT),
            (c.GPU_MEMORY_UTILIZATION, (), rates.memory * PERCENT)]


def _coder(metric: Metric, function: str) -> Callable[[Any], list[Point]]:
    return lambda handle: [(metric, (), _function(function)(handle)[0] * PERCENT)]


def _memory(version: int | None) -> Callable[[Any], list[Point]]:
    def call(handle: Any) -> list[Point]:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version)
        return [(c.GPU_MEMORY_USED, (), float(memory.used)),
                (c.GPU_MEMORY_TOTAL, (), float(memory.total))]

    return call


def _remapped(handle: Any) -> list[Point]:
    correctable, uncorrectable, pending, failed = pynvml.nvmlDeviceGetRemappedRows(handle)
    return [(c.GPU_REMAPPED, ("correctable",), float(correctable)),
            (c.GPU_REMAPPED, ("uncorrectable",), float(uncorrectable)),
            (c.GPU_REMAP_PENDING, (), float(pending != 0)),
            (c.GPU_REMAP_FAILED, (), float(failed != 0))]


def _processes(kind: str, function: str) -> Callable[[Any], list[Point]]:
    def call(handle: Any) -> list[Point]:
        processes = _function(function)(handle)
        points: list[Point] = [(c.GPU_PROCESSES, (kind,), float(len(processes)))]
        held = [p.usedGpuMemory for p in processes]
        if None not in held:  # the driver does not tell a process's memory everywhere
            points.append((c.GPU_PROCESS_MEMORY, (kind,), float(sum(held))))
        return points

    return call


def _ecc(kind: str, number: int) -> Callable[[Any], list[Point]]:
    return _number(c.GPU_ECC, "nvmlDeviceGetTotalEccErrors", 1.0, number,
                   pynvml.NVML_AGGREGATE_ECC, extra=(kind,))


_MEMORY = (_memory(getattr(pynvml, "nvmlMemory_v2", None)), _memory(None))
_PROCESSES = tuple(
    tuple(_processes(kind, f"nvmlDeviceGet{function}RunningProcesses_{version}")
          for version in ("v3", "v2"))
    for kind, function in (
        ("compute", "Compute"), ("graphics", "Graphics"), ("mps", "MPSCompute"),
    )
)
_SHARED_READINGS = (_MEMORY, *_PROCESSES)  # what a MIG instance has of its own
_READINGS: tuple[tuple[Callable[[Any], Iterable[Point]], ...], ...] = (
    (_utilization,),
    (_coder(c.GPU_ENCODER_UTILIZATION, "nvmlDeviceGetEncoderUtilization"),),
    (_coder(c.GPU_DECODER_UTILIZATION, "nvmlDeviceGetDecoderUtilization"),),
    *_SHARED_READINGS,
    (_number(c.GPU_POWER, "nvmlDeviceGetPowerUsage", MILLI),),
    (_number(c.GPU_POWER_LIMIT, "nvmlDeviceGetEnforcedPowerLimit", MILLI),
     _number(c.GPU_POWER_LIMIT, "nvmlDeviceGetPowerManagementLimit", MILLI)),
    (_number(c.GPU_ENERGY, "nvmlDeviceGetTotalEnergyConsumption", MILLI),),
    (_number(c.GPU_TEMPERATURE, "nvmlDeviceGetTemperatureV", 1.0, pynvml.NVML_TEMPERATURE_GPU),
     _number(c.GPU_TEMPERATURE, "nvmlDeviceGetTemperature", 1.0, pynvml.NVML_TEMPERATURE_GPU)),
    (_number(c.GPU_SLOWDOWN, "nvmlDeviceGetTemperatureThreshold", 1.0,
             pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),),
    *((_number(c.GPU_CLOCK, "nvmlDeviceGetClockInfo", MEGA, number, extra=(clock,)),)
      for clock, number in (("sm", pynvml.NVML_CLOCK_SM), ("memory", pynvml.NVML_CLOCK_MEM),
                            ("graphics", pynvml.NVML_CLOCK_GRAPHICS),
                            ("video", pynvml.NVML_CLOCK_VIDEO))),
    (_ecc("corrected", pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),),
    (_ecc("uncorrected", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),),
    (_remapped,),
)


def _function(name: str) -> Any:
    """A function of pynvml; one that this pynvml lacks counts as one this driver lacks."""
    function = getattr(pynvml, name, None)
    if function is None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return function


def _in_scope(metric: Metric, scope: Extra, extra: Extra) -> Extra:
    """Extra labels with the MIG instance, empty for the whole GPU, where the family has one."""
    if c.MIG not in metric.labels:
        return extra
    return (*(scope or ("",)), *extra)


def _mig_mode(handle: Any) -> bool:
    return bool(pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE)


def _most_instances(handle: Any) -> int:
    return int(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle))


def _clock_reasons(function: str) -> Callable[[Any], int]:
    return lambda handle: int(_function(function)(handle))


_CLOCK_REASONS = (
    _clock_reasons("nvmlDeviceGetCurrentClocksEventReasons"),
    _clock_reasons("nvmlDeviceGetCurrentClocksThrottleReasons"),
)


def _pci_bus_id(handle: Any) -> Any:
    return pynvml.nvmlDeviceGetPciInfo(handle).busId


def _text(call: Callable[[Any], Any], handle: Any) -> str:
    """A text about a GPU, empty where the driver does not tell."""
    try:
        value = call(handle)
    except pynvml.NVMLError:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _why(error: BaseException | None) -> str:
    return str(_NAMES.get(getattr(error, "value", -1), error))
