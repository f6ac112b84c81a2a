"""NVML, the driver's library: loads it, calls it, and says what its return codes mean.

The only importer of pynvml. Handles are pynvml's, and good for one session.
Source of calls and return codes: NVML API reference, and nvml.h of API 12 and 13.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pynvml

from inferometer.families import Series
from inferometer.gpu.readings import Function, NvmlField

EVENTS_AT_ONCE = 100  # most events taken in one look, so that a flood of them ends
MOST_PROCESSES = 4096  # of one class on a GPU; a driver that says more is not believed


class CallError(Exception):
    """A call has no answer now. It may have one later."""


class RefusedError(CallError):
    """The GPU answers that it gives no value: it does answer."""


class UnsupportedError(RefusedError):
    """A call that this GPU or driver does not support: it is pointless to make it again."""


class MissingError(UnsupportedError):
    """A call that the library or pynvml does not have: the GPU was not asked."""


class GpuLostError(Exception):
    """The GPU fell off the bus or waits for a reset."""


OTHER = "other"


class DriverLostError(Exception):
    """NVML as a whole does not answer: no library, no driver, or another driver than before.

    `fault`: why, as a value of the label of gpu_driver_up.
    """

    def __init__(self, why: str, fault: str = OTHER) -> None:
        super().__init__(why)
        self.fault = fault


# Why the driver does not answer, by the return code that says so; OTHER by any other.
FAULTS: Mapping[int, str] = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "no_library",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "no_driver",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "version_mismatch",
    pynvml.NVML_ERROR_NO_PERMISSION: "no_permission",
    pynvml.NVML_ERROR_OPERATING_SYSTEM: "no_permission",  # "blocked by the OS or its cgroups"
    pynvml.NVML_ERROR_TIMEOUT: "no_answer",
}
_UNSUPPORTED = frozenset({
    pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH, pynvml.NVML_ERROR_DEPRECATED,
})
# What a GPU says of itself or of the question. All else is silence: a code of an error within, or
# one that any call has where the handle is of no GPU.
_REFUSED = frozenset({
    pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_NOT_FOUND,
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE, pynvml.NVML_ERROR_CORRUPTED_INFOROM,
    pynvml.NVML_ERROR_IN_USE, pynvml.NVML_ERROR_NO_DATA,
    pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED, pynvml.NVML_ERROR_FREQ_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NOT_READY, pynvml.NVML_ERROR_INVALID_STATE,
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
_ERRORS: dict[int, type[Exception]] = {
    **dict.fromkeys(_REFUSED, RefusedError), **dict.fromkeys(_UNSUPPORTED, UnsupportedError),
    **dict.fromkeys(_GPU_LOST, GpuLostError), **dict.fromkeys(_DRIVER_LOST, DriverLostError),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: MissingError}
_NAMES = {code: name.removeprefix("NVML_ERROR_") for name, code in vars(pynvml).items()
          if name.startswith("NVML_ERROR_") and isinstance(code, int)}
_LIBRARY = "libnvidia-ml.so.1"
_NAMES[pynvml.NVML_ERROR_LIBRARY_NOT_FOUND] = f"{_LIBRARY} not found"

_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # nvmlValueType_t


def open_library() -> str:
    """Load the library and start a session. Return the driver's version, as in 570.00.01.

    Raises DriverLostError.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        cause = error.__context__
        if isinstance(cause, OSError) and not _is_missing(cause):
            raise DriverLostError(f"{_LIBRARY} cannot be loaded: {cause}") from error
        raise _driver_lost(error) from error
    return text(("nvmlSystemGetDriverVersion",))


def replace_library(library: object | None) -> None:
    """Take an object with the library's functions by their names in its place; None: the real one.

    For the demo. It stays for the life of the process: it is never unloaded.
    """
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()


def close_library(unload: bool) -> None:
    """End the session; with `unload`, also let go of the library, so that a new one is loaded.

    Unload only while no other thread is in a call.
    """
    with contextlib.suppress(pynvml.NVMLError):  # the driver may be gone already
        pynvml.nvmlShutdown()
    if unload and isinstance(pynvml.nvmlLib, ctypes.CDLL):
        # pynvml never reloads; after an upgrade of the driver the old library is of no use.
        handle, pynvml.nvmlLib = pynvml.nvmlLib._handle, None
        pynvml._nvmlGetFunctionPointer_cache.clear()
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(handle))


def ask(function: Function, *arguments: Any) -> Any:
    """The answer of a function that is called with these arguments, then its constants.

    Raises CallError, GpuLostError, DriverLostError.
    """
    try:
        call, *constants = map(_look_up, function)
    except KeyError as error:  # what this pynvml lacks counts as what this driver lacks
        raise MissingError(f"pynvml has no {error.args[0]}") from error
    try:
        return call(*arguments, *constants)
    except pynvml.NVMLError as error:
        raise _meaning(error) from error
    except UnicodeDecodeError as error:  # pynvml takes every text for UTF-8
        return str(error.object, "utf-8", "replace")


def text(function: Function, *arguments: Any) -> str:
    """The answer of a function as text; empty if there is none, whatever the reason.

    What is not UTF-8 of it is replaced.
    """
    try:
        return str(ask(function, *arguments))
    except (CallError, GpuLostError, DriverLostError):
        return ""


def device(index: int) -> Any:
    """The handle of the GPU at an index. Raises CallError, GpuLostError, DriverLostError."""
    return _handle(ask(("nvmlDeviceGetHandleByIndex",), index))


def uuid(handle: Any) -> str:
    """The UUID of a GPU or MIG instance; empty if it is not given now, or is none.

    One with characters that no UUID has is none: replaced, two could become the same.
    Raises GpuLostError, DriverLostError.
    """
    try:
        answer = str(ask(("nvmlDeviceGetUUID",), handle))
    except CallError:
        return ""
    return answer if answer.isascii() and answer.isprintable() else ""


def pci_bus_id(handle: Any) -> str:
    """Where the GPU is plugged in, as in 00000000:01:00.0; empty if there is no answer."""
    try:
        return str(pynvml.nvmlDeviceGetPciInfo(handle).busId)
    except pynvml.NVMLError:
        return ""
    except UnicodeDecodeError as error:
        return str(error.object, "utf-8", "replace")


def is_mig(mode: Sequence[int]) -> bool:
    """Whether an answer of nvmlDeviceGetMigMode says that the GPU is in MIG mode now."""
    return bool(mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE)


@dataclass(frozen=True)
class Instance:
    """A MIG instance. `mig`: GPU instance/compute instance, as in 1/0."""

    handle: Any
    mig: str
    uuid: str
    profile: str


def instance(handle: Any, index: int) -> Instance:
    """The MIG instance at an index of the GPU. Raises CallError, GpuLostError, DriverLostError."""
    own = _handle(ask(("nvmlDeviceGetMigDeviceHandleByIndex",), handle, index))
    numbers = (ask(("nvmlDeviceGetGpuInstanceId",), own),
               ask(("nvmlDeviceGetComputeInstanceId",), own))
    profile = text(("nvmlDeviceGetName",), own).rpartition(" MIG ")[2]
    return Instance(own, "{}/{}".format(*numbers), uuid(own), profile)


Placement = tuple[int, int]  # number of a MIG instance's profile, and the slice that it starts at


def placement(handle: Any, of: Instance) -> Placement | None:
    """Where a MIG instance lies on its GPU; None if that is not given, as to few it is.

    Raises GpuLostError, DriverLostError.
    """
    number = int(of.mig.partition("/")[0])
    try:
        part = _handle(ask(("nvmlDeviceGetGpuInstanceById",), handle, number))
        info = ask(("nvmlGpuInstanceGetInfo",), part)
    except CallError:
        return None
    return int(info.profileId), int(info.placement.start)


def _handle(answer: Any) -> Any:
    if not answer:  # an address of nothing: no call may be made with it
        raise CallError("the driver gives no handle")
    return answer


class _FieldValue(ctypes.Structure):
    """nvmlFieldValue_t without pynvml's detour: a round reads some hundred of its members."""

    _fields_ = pynvml.c_nvmlFieldValue_t._fields_


class FieldBatch:
    """Fields that are read in one call, laid out in memory once."""

    def __init__(self, fields: Sequence[NvmlField]) -> None:
        self.fields = fields
        self._rows = [(field, field.value.series, field.value.per) for field in fields]
        self._answers = (_FieldValue * len(fields))()
        for field, answer in zip(fields, self._answers, strict=True):
            answer.fieldId = _look_up(field.id) if isinstance(field.id, str) else field.id
            answer.scopeId = field.scope

    def read(self, handle: Any) -> tuple[dict[Series, float], list[NvmlField], bool]:
        """The values that there are now, the fields that the GPU or driver lacks, and whether the
        GPU answers at all.

        Raises CallError, GpuLostError, DriverLostError.
        """
        try:
            call = pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")
            pynvml._nvmlCheckReturn(call(handle, len(self.fields), self._answers))
        except pynvml.NVMLError as error:
            raise _meaning(error) from error
        points: dict[Series, float] = {}
        lacking: list[NvmlField] = []
        refused = False
        for (field, series, per), answer in zip(self._rows, self._answers, strict=True):
            code = answer.nvmlReturn
            if code in _NO_FIELD:
                lacking.append(field)
            elif code == pynvml.NVML_SUCCESS and answer.valueType < len(_VALUE_TYPES):
                points[series] = getattr(answer.value, _VALUE_TYPES[answer.valueType]) / per
            else:
                refused = refused or code in _REFUSED
        return points, lacking, bool(points or lacking or refused)


class Events:
    """The driver's XID events of one GPU, from the moment this is made."""

    def __init__(self, handle: Any) -> None:
        self._set: Any = None
        self.registered = False
        try:
            self._set = pynvml.nvmlEventSetCreate()
            pynvml.nvmlDeviceRegisterEvents(
                handle, pynvml.nvmlEventTypeXidCriticalError, self._set)
            self.registered = True
        except pynvml.NVMLError:
            pass  # not every GPU has events, and a lost one has none

    def take(self) -> list[int]:
        """The XIDs since the last look. Does not wait for any."""
        codes: list[int] = []
        with contextlib.suppress(pynvml.NVMLError):  # there is no event, or the GPU is lost
            for _ in range(EVENTS_AT_ONCE):
                event = pynvml.nvmlEventSetWait_v2(self._set, 0)
                if event.eventType == pynvml.nvmlEventTypeXidCriticalError:
                    codes.append(int(event.eventData))
        return codes

    def close(self) -> None:
        """Give the event set back."""
        if self._set is not None:
            with contextlib.suppress(pynvml.NVMLError):  # fails for a lost GPU
                pynvml.nvmlEventSetFree(self._set)


class _Process(ctypes.Structure):
    """nvmlProcessInfo_t of versions 2 and 3."""

    _fields_ = pynvml.c_nvmlProcessInfo_v2_t._fields_


def _processes(name: str, handle: Any) -> list[int | None]:
    """Bytes of device memory of each process; None for one of which the driver does not know it.

    pynvml makes room for as many as the driver says there are, and reads as many as it says then.
    """
    call = pynvml._nvmlGetFunctionPointer(name)
    count = ctypes.c_uint(0)
    code = call(handle, ctypes.byref(count), None)
    if code == pynvml.NVML_SUCCESS:
        return []
    if code != pynvml.NVML_ERROR_INSUFFICIENT_SIZE:
        raise pynvml.NVMLError(code)
    if count.value > MOST_PROCESSES:
        raise RefusedError(f"the driver says that there are {count.value} processes")
    room = 2 * count.value + 5  # some may start meanwhile
    count.value, processes = room, (_Process * room)()
    pynvml._nvmlCheckReturn(call(handle, ctypes.byref(count), processes))
    unknown = pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value
    sizes = [process.usedGpuMemory for process in processes[:min(count.value, room)]]
    return [None if size == unknown else size for size in sizes]


# Calls that are made here in pynvml's place.
_OWN: Mapping[str, Callable[..., Any]] = {
    name: partial(_processes, name)
    for kind in ("Compute", "Graphics", "MPSCompute")
    for name in (f"nvmlDeviceGet{kind}RunningProcesses_v{version}" for version in (2, 3))}


def _look_up(name: str) -> Any:
    """A call or a constant by its name. Raises KeyError."""
    return _OWN[name] if name in _OWN else vars(pynvml)[name]


def _meaning(error: pynvml.NVMLError) -> Exception:
    kind = _ERRORS.get(error.value, CallError)
    return _driver_lost(error) if kind is DriverLostError else kind(_reason(error))


def _driver_lost(error: pynvml.NVMLError) -> DriverLostError:
    return DriverLostError(_reason(error), FAULTS.get(error.value, OTHER))


def _reason(error: pynvml.NVMLError) -> str:
    # The library's own words for a code unknown here are not asked for: it may be the one at fault.
    return str(_NAMES.get(error.value, f"code {error.value}"))


def _is_missing(error: OSError) -> bool:
    """Whether the library is not there at all, in the words of glibc or musl."""
    return _LIBRARY in str(error) and "No such file" in str(error)
