"""NVML: the only importer of pynvml. Opens the driver, finds GPUs, reads one GPU in one round.

Calls may be slow and hold a lock of the whole driver, so a round makes few: one brings all that
comes as fields, and what hardly ever changes is asked in every fifth round, its last answer
standing until then. Facts on calls and return codes: NVML API reference, nvml.h of API 12 and 13.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pynvml

from inferometer import catalogue as c
from inferometer.catalogue import Metric

SELDOM_ROUNDS = 5  # at the default interval nothing is older than values live by default
SLOW_ROUND_SECONDS = 0.5  # after so long a round asks for nothing that can wait
EVENTS_AT_ONCE = 100  # a flood of them must not keep its reader
BOARD: tuple[str, ...] = ("",)  # the value of the `mig` label for the GPU as a whole
ALL_LINKS = 0xFFFFFFFF  # scope of a field that is summed over all NVLinks
# Of the driver's units in one of ours; numbers are divided by them, so that they stay as short.
NANO, MILLI, PERCENT, KIBI, MEGA = 1e9, 1e3, 100.0, 1 / 1024, 1e-6

Extra = tuple[str, ...]  # label values after gpu and uuid
Place = tuple[Metric, Extra]
Point = tuple[Place, float]
Answer = TypeVar("Answer")
_Calls = tuple[Callable[[Any], list[Point]], ...]  # the first that is supported answers

# Codes after which asking this GPU again in the same way is pointless.
_UNSUPPORTED = frozenset({
    pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH, pynvml.NVML_ERROR_DEPRECATED,
})
_NO_FIELD = _UNSUPPORTED | {pynvml.NVML_ERROR_INVALID_ARGUMENT}
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

    points: dict[Place, float] = field(default_factory=dict)
    held: dict[str, bool] = field(default_factory=dict)
    slowest: float = 0.0


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
            return int(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            with contextlib.suppress(GpuLostError):  # it was asked of none
                _check_lost(error)
            return None

    def device(self, index: int) -> Device:
        """The GPU at an index. Raises GpuLostError, DriverLostError."""
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            return Device(index, handle, str(pynvml.nvmlDeviceGetUUID(handle)))
        except pynvml.NVMLError as error:
            _check_lost(error)
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
        self.minor = ""
        self._mig = False
        self._rounds = 0
        self._began_at = 0.0  # of the present round
        self._unsupported: set[object] = set()
        self._standing: dict[_Calls, list[Point] | None] = {}  # answers to what is seldom asked
        self._batch = _Batch(_FIELDS)
        self._lacking: list[_Field] = []
        self._identify()

    def read(self) -> Round:
        """One round. What fails is left out.

        Raises GpuLostError, DriverLostError.
        """
        result = Round()
        self._began_at = self.answered_at = time.monotonic()
        self._identify()
        self._see_mig_mode()
        for calls in _READINGS:
            self._put(result, calls, self.handle)
        self._put_fields(result)
        for turn, calls in enumerate(_SELDOM):
            self._put_seldom(result, calls, turn)
        self._put_instances(result)
        result.held = self._held()
        self._step(result)
        self._rounds += 1
        return result

    def _step(self, result: Round) -> None:
        now = time.monotonic()
        result.slowest = max(result.slowest, now - self.answered_at)
        self.answered_at = now

    def _identify(self) -> None:
        """Learn who the GPU is, as far as it has not told yet."""
        self.name = self.name or _text(pynvml.nvmlDeviceGetName, self.handle)
        self.pci_bus_id = self.pci_bus_id or _text(_pci_bus_id, self.handle)
        self.minor = self.minor or _text(pynvml.nvmlDeviceGetMinorNumber, self.handle)

    def _see_mig_mode(self) -> None:
        on = self._ask((_mig_mode,), self.handle) if self._rounds % SELDOM_ROUNDS == 0 else None
        if on is not None and on != self._mig:
            self._mig = on
            self._unsupported.clear()  # what a GPU supports depends on the mode
            self._standing.clear()
            self._batch, self._lacking = _Batch(_FIELDS), []

    def _put(self, result: Round, calls: _Calls, handle: Any,
             instance: str = "") -> list[Point] | None:
        """Add what one reading brings of the GPU or of a MIG instance."""
        points = self._ask(calls, handle, instance)
        self._step(result)
        if points is not None:
            result.points.update(_of(instance, points) if instance else points)
        return points

    def _put_seldom(self, result: Round, calls: _Calls, turn: int) -> None:
        """The same in this reading's turn only, or where no answer stands and there is time."""
        standing = self._standing.get(calls)
        if (self._rounds - turn) % SELDOM_ROUNDS == 0 or (
                standing is None and self.answered_at - self._began_at < SLOW_ROUND_SECONDS):
            self._standing[calls] = self._put(result, calls, self.handle)
        elif standing is not None:
            result.points.update(standing)

    def _ask(self, calls: tuple[Callable[[Any], Answer], ...], handle: Any,
             instance: str = "") -> Answer | None:
        """The answer to the first call that is supported here, None if there is none now."""
        for call in calls:
            if (call, instance) in self._unsupported:
                continue
            try:
                return call(handle)
            except pynvml.NVMLError as error:
                _check_lost(error)
                if error.value not in _UNSUPPORTED:
                    return None
                self._unsupported.add((call, instance))
        return None

    def _put_fields(self, result: Round) -> None:
        """What comes as fields, all in one call; by other calls what this driver or GPU lacks."""
        if self._batch.fields:
            self._put_batch(result)
            self._step(result)
        for value in self._lacking:
            if value.otherwise:
                self._put(result, value.otherwise, self.handle)

    def _put_batch(self, result: Round) -> None:
        lacking: list[_Field] = []
        try:
            answers = self._batch.ask(self.handle)
        except pynvml.NVMLError as error:
            _check_lost(error)
            if error.value in _UNSUPPORTED:
                self._lack(self._batch.fields)
            return
        for value, answer in zip(self._batch.fields, answers, strict=True):
            if answer.nvmlReturn in _NO_FIELD:
                lacking.append(value)
            elif answer.nvmlReturn == pynvml.NVML_SUCCESS and answer.valueType < len(_VALUE_TYPES):
                number = getattr(answer.value, _VALUE_TYPES[answer.valueType])
                result.points[value.place] = number / value.per
        if lacking:
            self._lack(lacking)

    def _lack(self, fields: Iterable[_Field]) -> None:
        self._lacking += fields
        self._batch = _Batch([value for value in _FIELDS if value not in self._lacking])

    def _held(self) -> dict[str, bool]:
        """Of the reasons to throttle that the driver does not count here, which hold now."""
        uncounted = [extra[0] for metric, extra in (value.place for value in self._lacking)
                     if metric is c.GPU_THROTTLED]
        bits = self._ask(_CLOCK_REASONS, self.handle) if uncounted else None
        if bits is None:
            return {}
        return {reason: bool(bits & CLOCK_REASONS[reason]) for reason in uncounted}

    def _put_instances(self, result: Round) -> None:
        """MIG instances; they change at run time, so they are looked up anew."""
        most = self._ask((_most_instances,), self.handle) if self._mig else None
        for index in range(most or 0):
            try:
                handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(self.handle, index)
                mig = (f"{pynvml.nvmlDeviceGetGpuInstanceId(handle)}/"
                       f"{pynvml.nvmlDeviceGetComputeInstanceId(handle)}")
                profile = _text(pynvml.nvmlDeviceGetName, handle).rpartition(" MIG ")[2]
                uuid = str(pynvml.nvmlDeviceGetUUID(handle))
            except pynvml.NVMLError as error:
                _check_lost(error)
                continue  # no instance has this index, while one after it may
            result.points[c.GPU_MIG_INFO, (mig, uuid, profile)] = 1.0
            for calls in _OF_INSTANCES:
                self._put(result, calls, handle, mig)


class Events:
    """The driver's XID events for one GPU, from now on."""

    def __init__(self, device: Device) -> None:
        self._set: Any = None
        self.registered = False
        try:
            self._set = pynvml.nvmlEventSetCreate()
            pynvml.nvmlDeviceRegisterEvents(
                device.handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
            self.registered = True
        except pynvml.NVMLError:
            pass  # not every GPU has events, and a lost one has none

    def come(self) -> list[int]:
        """The XIDs that have come since it was last asked; it does not wait for any."""
        codes: list[int] = []
        with contextlib.suppress(pynvml.NVMLError):  # there is none, or the GPU is lost
            for _ in range(EVENTS_AT_ONCE):
                event = pynvml.nvmlEventSetWait_v2(self._set, 0)
                if event.eventType == pynvml.nvmlEventTypeXidCriticalError:
                    codes.append(int(event.eventData))
        return codes

    def close(self) -> None:
        """Give the event set back."""
        if self._set is not None:
            with contextlib.suppress(pynvml.NVMLError):  # as of a lost GPU
                pynvml.nvmlEventSetFree(self._set)


def _check_lost(error: pynvml.NVMLError) -> None:
    """Raise GpuLostError or DriverLostError for a code that concerns the whole GPU or driver."""
    if error.value in _GPU_LOST:
        raise GpuLostError(_why(error)) from error
    if error.value in _DRIVER_LOST:
        raise DriverLostError(_why(error)) from error


_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

# Bits of nvmlDeviceGetCurrentClocksEventReasons, for drivers that do not count the time.
CLOCK_REASONS = {"power_cap": 0x4, "sync_boost": 0x10, "sw_thermal": 0x20, "hw_thermal": 0x40,
                 "hw_power_brake": 0x80}


def _number(metric: Metric, function: str, per: float = 1.0, *arguments: int,
            extra: Extra = ()) -> Callable[[Any], list[Point]]:
    """A call that returns one number. The function is looked up late: old pynvml lack some."""
    place = (metric, extra)

    def call(handle: Any) -> list[Point]:
        return [(place, _function(function)(handle, *arguments) / per)]

    return call


def _utilization(handle: Any) -> list[Point]:
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    return [((c.GPU_UTILIZATION, ()), rates.gpu / PERCENT),
            ((c.GPU_MEMORY_UTILIZATION, ()), rates.memory / PERCENT)]


def _coder(metric: Metric, function: str) -> Callable[[Any], list[Point]]:
    return lambda handle: [((metric, ()), _function(function)(handle)[0] / PERCENT)]


def _memory(version: int | None) -> Callable[[Any], list[Point]]:
    def call(handle: Any) -> list[Point]:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version)
        return [((c.GPU_MEMORY_USED, BOARD), float(memory.used)),
                ((c.GPU_MEMORY_TOTAL, BOARD), float(memory.total))]

    return call


def _remapped(handle: Any) -> list[Point]:
    correctable, uncorrectable, pending, failed = pynvml.nvmlDeviceGetRemappedRows(handle)
    return [((c.GPU_REMAPPED, ("correctable",)), float(correctable)),
            ((c.GPU_REMAPPED, ("uncorrectable",)), float(uncorrectable)),
            ((c.GPU_REMAP_PENDING, ()), float(pending != 0)),
            ((c.GPU_REMAP_FAILED, ()), float(failed != 0))]


def _processes(kind: str, function: str) -> Callable[[Any], list[Point]]:
    def call(handle: Any) -> list[Point]:
        processes = _function(function)(handle)
        points: list[Point] = [((c.GPU_PROCESSES, (*BOARD, kind)), float(len(processes)))]
        held = [p.usedGpuMemory for p in processes]
        if None not in held:  # the driver does not tell a process's memory everywhere
            points.append(((c.GPU_PROCESS_MEMORY, (*BOARD, kind)), float(sum(held))))
        return points

    return call


def _clock(domain: str, number: int) -> _Calls:
    return (_number(c.GPU_CLOCK, "nvmlDeviceGetClockInfo", MEGA, number, extra=(domain,)),)


def _ecc(kind: str, number: int) -> Callable[[Any], list[Point]]:
    return _number(c.GPU_ECC, "nvmlDeviceGetTotalEccErrors", 1.0, number,
                   pynvml.NVML_AGGREGATE_ECC, extra=(kind,))


@dataclass(frozen=True, eq=False)
class _Field:
    """A value of nvmlDeviceGetFieldValues, and the calls that bring it where there is none."""

    id: int
    place: Place
    per: float = 1.0
    scope: int = 0
    otherwise: _Calls = ()


class _FieldValue(ctypes.Structure):
    """As pynvml has it, but read without its detour: a round reads some hundred of its members."""

    _fields_ = pynvml.c_nvmlFieldValue_t._fields_


class _Batch:
    """Fields that are asked for in one call, laid out once."""

    def __init__(self, fields: Sequence[_Field]) -> None:
        self.fields = fields
        self._values = (_FieldValue * len(fields))()
        for value, answer in zip(fields, self._values, strict=True):
            answer.fieldId, answer.scopeId = value.id, value.scope

    def ask(self, handle: Any) -> ctypes.Array[_FieldValue]:
        """An answer for each field. Raises NVMLError."""
        ask = pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")
        pynvml._nvmlCheckReturn(ask(handle, len(self.fields), self._values))
        return self._values


_FIELDS = (
    _Field(185, (c.GPU_POWER, ()), MILLI,  # over the last second, as the call has it from Ampere on
           otherwise=(_number(c.GPU_POWER, "nvmlDeviceGetPowerUsage", MILLI),)),
    _Field(190, (c.GPU_POWER_LIMIT, ()), MILLI, otherwise=(
        _number(c.GPU_POWER_LIMIT, "nvmlDeviceGetEnforcedPowerLimit", MILLI),
        _number(c.GPU_POWER_LIMIT, "nvmlDeviceGetPowerManagementLimit", MILLI))),
    _Field(pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, (c.GPU_ENERGY, ()), MILLI,
           otherwise=(_number(c.GPU_ENERGY, "nvmlDeviceGetTotalEnergyConsumption", MILLI),)),
    _Field(pynvml.NVML_FI_DEV_MEMORY_TEMP, (c.GPU_MEMORY_TEMPERATURE, ())),
    *(_Field(number, (c.GPU_THROTTLED, (reason,)), NANO) for number, reason in (
        (pynvml.NVML_FI_DEV_PERF_POLICY_POWER, "power_cap"),
        (pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST, "sync_boost"),
        (269, "sw_thermal"), (270, "hw_thermal"), (271, "hw_power_brake"))),
    _Field(pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL, (c.GPU_ECC, ("corrected",)),
           otherwise=(_ecc("corrected", pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),)),
    _Field(pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL, (c.GPU_ECC, ("uncorrected",)),
           otherwise=(_ecc("uncorrected", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),)),
    _Field(pynvml.NVML_FI_DEV_REMAPPED_COR, (c.GPU_REMAPPED, ("correctable",)),
           otherwise=(_remapped,)),
    _Field(pynvml.NVML_FI_DEV_REMAPPED_UNC, (c.GPU_REMAPPED, ("uncorrectable",))),
    _Field(pynvml.NVML_FI_DEV_REMAPPED_PENDING, (c.GPU_REMAP_PENDING, ())),
    _Field(pynvml.NVML_FI_DEV_REMAPPED_FAILURE, (c.GPU_REMAP_FAILED, ())),
    _Field(197, (c.GPU_PCIE, ("transmit",))),
    _Field(198, (c.GPU_PCIE, ("receive",))),
    _Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, (c.GPU_NVLINK, ("transmit",)), KIBI,
           ALL_LINKS),
    _Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, (c.GPU_NVLINK, ("receive",)), KIBI,
           ALL_LINKS),
)

_MEMORY = (_memory(getattr(pynvml, "nvmlMemory_v2", None)), _memory(None))
_PROCESSES = tuple(
    tuple(_processes(kind, f"nvmlDeviceGet{function}RunningProcesses_{version}")
          for version in ("v3", "v2"))
    for kind, function in (
        ("compute", "Compute"), ("graphics", "Graphics"), ("mps", "MPSCompute"),
    )
)
_OF_INSTANCES = (_MEMORY, *_PROCESSES)
_READINGS: tuple[_Calls, ...] = (
    (_utilization,),
    _MEMORY,
    (_number(c.GPU_TEMPERATURE, "nvmlDeviceGetTemperatureV", 1.0, pynvml.NVML_TEMPERATURE_GPU),
     _number(c.GPU_TEMPERATURE, "nvmlDeviceGetTemperature", 1.0, pynvml.NVML_TEMPERATURE_GPU)),
    _clock("sm", pynvml.NVML_CLOCK_SM),
)
_SELDOM: tuple[_Calls, ...] = (
    *_PROCESSES,
    (_coder(c.GPU_ENCODER_UTILIZATION, "nvmlDeviceGetEncoderUtilization"),),
    (_coder(c.GPU_DECODER_UTILIZATION, "nvmlDeviceGetDecoderUtilization"),),
    _clock("memory", pynvml.NVML_CLOCK_MEM),
    _clock("graphics", pynvml.NVML_CLOCK_GRAPHICS),
    _clock("video", pynvml.NVML_CLOCK_VIDEO),
    (_number(c.GPU_SLOWDOWN, "nvmlDeviceGetTemperatureThreshold", 1.0,
             pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),),
)


def _function(name: str) -> Any:
    """A function of pynvml; one that this pynvml lacks counts as one this driver lacks."""
    function = getattr(pynvml, name, None)
    if function is None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return function


def _of(instance: str, points: list[Point]) -> list[Point]:
    """What the calls call the board's, as that of a MIG instance."""
    return [((metric, (instance, *extra[1:])), value) for (metric, extra), value in points]


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
