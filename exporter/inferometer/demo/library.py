"""The driver's library of the demo: NVML's functions by their names, over GPUs in Python.

`nvml.py` calls them as it calls the real ones, through pynvml and with its structures, so all that
reads GPUs is the exporter as it is. What is not here the driver lacks. Source of functions, return
codes and numbers of fields: NVML API reference, and nvml.h of API 12 and 13.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inferometer.demo.gpus import (
    CLOCKS_MEGAHERTZ,
    MEMORY_BYTES,
    NAME,
    POWER_LIMIT_WATTS,
    SLOWDOWN_CELSIUS,
    DemoGpu,
    Measured,
    by_index,
)

DRIVER_VERSION = "570.00.01"
SUCCESS, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 0, 2, 3, 6
INSUFFICIENT_SIZE, TIMEOUT, LOST = 7, 10, 15
XID_EVENT = 8  # nvmlEventTypeXidCriticalError
SLOWDOWN_THRESHOLD = 1
UNSIGNED_LONG_LONG = 3  # nvmlValueType_t
SM_CLOCK = 1
BYTES_A_KIBI, NANOSECONDS, MILLI = 1024, 1e9, 1e3
FIRST_HANDLE = 0x1000  # a handle is an address, and none of nothing

# Fields of nvmlDeviceGetFieldValues.
_FIELDS: Mapping[int, Callable[[Measured], float]] = {
    5: lambda now: now.corrected, 6: lambda now: 0,
    74: lambda now: NANOSECONDS * now.held_seconds["power_cap"], 76: lambda now: 0,
    82: lambda now: now.celsius + 6, 83: lambda now: MILLI * now.joules,
    138: lambda now: now.link_bytes / BYTES_A_KIBI, 139: lambda now: now.link_bytes / BYTES_A_KIBI,
    142: lambda now: now.corrected // 4, 143: lambda now: 0, 144: lambda now: 0, 145: lambda now: 0,
    185: lambda now: MILLI * now.watts, 190: lambda now: MILLI * POWER_LIMIT_WATTS,
    197: lambda now: now.bus_bytes / 3, 198: lambda now: now.bus_bytes,
    269: lambda now: 0, 270: lambda now: NANOSECONDS * now.held_seconds["hw_thermal"],
    271: lambda now: 0,
}
Answers = Callable[..., int]


def _put(reference: Any, number: float) -> int:
    """Write a number where a reference leads to."""
    reference._obj.value = int(number)
    return SUCCESS


def _fill(reference: Any, **members: Any) -> int:
    """Write the members of a structure."""
    for name, value in members.items():
        setattr(reference._obj, name, value)
    return SUCCESS


def _write(buffer: Any, text: str) -> int:
    buffer.value = text.encode()
    return SUCCESS


def _point(reference: Any, address: int) -> int:
    ctypes.c_void_p.from_buffer(reference._obj).value = address
    return SUCCESS


def _mig_mode(_: DemoGpu, current: Any, pending: Any) -> int:
    return _put(current, 0) | _put(pending, 0)


def _memory(gpu: DemoGpu, reference: Any) -> int:
    used = gpu.measure().memory_used
    return _fill(reference, total=MEMORY_BYTES, used=used, free=MEMORY_BYTES - used)


def _clock(gpu: DemoGpu, clock: Any, reference: Any) -> int:
    now = gpu.measure().megahertz
    return _put(reference, now if clock.value <= SM_CLOCK else CLOCKS_MEGAHERTZ[clock.value])


def _threshold(_: DemoGpu, threshold: Any, reference: Any) -> int:
    return _put(reference, SLOWDOWN_CELSIUS) if threshold.value == SLOWDOWN_THRESHOLD else (
        NOT_SUPPORTED)


def _processes(gpu: DemoGpu, count: Any, rows: Any) -> int:
    """One that holds what is in use, where there is work."""
    if gpu.work is None:
        return _put(count, 0)
    if rows is None:
        _put(count, 1)
        return INSUFFICIENT_SIZE
    rows[0].usedGpuMemory = gpu.measure().memory_used
    return _put(count, 1)


def _fields(gpu: DemoGpu, count: int, answers: Any) -> int:
    now = gpu.measure()
    for number in range(count):
        answer = answers[number]
        value = _FIELDS.get(answer.fieldId)
        answer.nvmlReturn = SUCCESS if value else NOT_SUPPORTED
        if value:
            answer.valueType, answer.value.ullVal = UNSIGNED_LONG_LONG, int(value(now))
    return SUCCESS


def _ratio(number: float) -> int:
    return round(100 * number)


_OF_A_GPU: Mapping[str, Answers] = {
    "nvmlDeviceGetName": lambda gpu, buffer, _: _write(buffer, NAME),
    "nvmlDeviceGetUUID": lambda gpu, buffer, _: _write(buffer, gpu.uuid),
    "nvmlDeviceGetMinorNumber": lambda gpu, number: _put(number, gpu.index),
    "nvmlDeviceGetPciInfo_v3": lambda gpu, info: _fill(info, busId=gpu.bus_id.encode()),
    "nvmlDeviceGetMigMode": _mig_mode,
    "nvmlDeviceGetUtilizationRates": lambda gpu, rates: _fill(
        rates, gpu=_ratio(gpu.measure().utilization),
        memory=_ratio(0.6 * gpu.measure().utilization)),
    "nvmlDeviceGetMemoryInfo": _memory,
    "nvmlDeviceGetMemoryInfo_v2": _memory,
    "nvmlDeviceGetTemperature": lambda gpu, _, celsius: _put(celsius, gpu.measure().celsius),
    "nvmlDeviceGetClockInfo": _clock,
    "nvmlDeviceGetMaxClockInfo": lambda _, clock, number: _put(
        number, CLOCKS_MEGAHERTZ[clock.value]),
    "nvmlDeviceGetTemperatureThreshold": _threshold,
    "nvmlDeviceGetFieldValues": _fields,
    "nvmlDeviceGetComputeRunningProcesses_v3": _processes,
    "nvmlDeviceGetGraphicsRunningProcesses_v3": lambda _, count, rows: _put(count, 0),
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": lambda _, count, rows: _put(count, 0),
}


class Library:
    """The library's functions, each an attribute of its name."""

    def __init__(self, gpus: Sequence[DemoGpu]) -> None:
        self._gpus = gpus
        self._sets: dict[int, list[DemoGpu]] = {}  # of events, by handle
        self._lock = threading.Lock()
        self._functions: dict[str, Answers] = {
            "nvmlInitWithFlags": lambda _: SUCCESS,
            "nvmlShutdown": lambda: SUCCESS,
            "nvmlSystemGetDriverVersion": lambda buffer, _: _write(buffer, DRIVER_VERSION),
            "nvmlDeviceGetCount_v2": lambda count: _put(count, len(gpus)),
            "nvmlDeviceGetHandleByIndex_v2": self._find,
            "nvmlEventSetCreate": self._create_set,
            "nvmlDeviceRegisterEvents": self._register,
            "nvmlEventSetWait_v2": self._take_event,
            "nvmlEventSetFree": lambda handle: SUCCESS,
            **{name: self._of_a_gpu(function) for name, function in _OF_A_GPU.items()},
        }

    def __getattr__(self, name: str) -> Answers:
        try:
            # `__dict__`, as __getattr__ asks for itself before __init__; it has no types.
            return self.__dict__["_functions"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    def _of_a_gpu(self, function: Answers) -> Answers:
        def call(handle: Any, *arguments: Any) -> int:
            gpu = self._gpu(handle)
            if gpu is None:
                return INVALID_ARGUMENT
            return LOST if gpu.ailment.lost else function(gpu, *arguments)
        return call

    def _gpu(self, handle: Any) -> DemoGpu | None:
        return by_index(self._gpus, _address(handle) - FIRST_HANDLE)

    def _find(self, index: Any, reference: Any) -> int:
        gpu = by_index(self._gpus, index.value)
        if gpu is None:
            return INVALID_ARGUMENT
        return LOST if gpu.ailment.lost else _point(reference, FIRST_HANDLE + index.value)

    def _create_set(self, reference: Any) -> int:
        with self._lock:
            handle = FIRST_HANDLE + len(self._sets)
            self._sets[handle] = []
        return _point(reference, handle)

    def _register(self, handle: Any, _: Any, events: Any) -> int:
        gpu = self._gpu(handle)
        if gpu is None or gpu.ailment.lost:
            return LOST
        self._sets[_address(events)].append(gpu)
        return SUCCESS

    def _take_event(self, events: Any, reference: Any, _: Any) -> int:
        for gpu in self._sets[_address(events)]:
            xid = gpu.take_event()
            if xid is not None:
                return _fill(reference, eventType=XID_EVENT, eventData=xid)
        return TIMEOUT


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0
