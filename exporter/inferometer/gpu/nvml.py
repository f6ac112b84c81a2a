"""NVML, the driver's library: loads it, calls it, and says what its return codes mean.

The only importer of pynvml. Handles are pynvml's, and good for one session.
Source of calls and return codes: NVML API reference, and nvml.h of API 12 and 13.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

from inferometer.families import Series
from inferometer.gpu.readings import Function, NvmlField

EVENTS_AT_ONCE = 100  # most events taken in one look, so that a flood of them ends


class CallError(Exception):
    """A call has no answer now. It may have one later."""


class UnsupportedError(CallError):
    """A call that this GPU or driver does not support: it is pointless to make it again."""


class GpuLostError(Exception):
    """The GPU fell off the bus or waits for a reset."""


class DriverLostError(Exception):
    """NVML as a whole does not answer: no library, no driver, or another driver than before."""


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
_ERRORS: dict[int, type[Exception]] = {
    **dict.fromkeys(_UNSUPPORTED, UnsupportedError), **dict.fromkeys(_GPU_LOST, GpuLostError),
    **dict.fromkeys(_DRIVER_LOST, DriverLostError)}
_look_up = vars(pynvml).__getitem__  # raises KeyError
_NAMES = {code: name.removeprefix("NVML_ERROR_") for name, code in vars(pynvml).items()
          if name.startswith("NVML_ERROR_") and isinstance(code, int)}
_NAMES[pynvml.NVML_ERROR_LIBRARY_NOT_FOUND] = "libnvidia-ml.so.1 not found"

_VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # nvmlValueType_t


def open_library() -> str:
    """Load the library and start a session. Return the driver's version, as in 570.00.01.

    Raises DriverLostError.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise DriverLostError(_reason(error)) from error
    return text(("nvmlSystemGetDriverVersion",))


def close_library(unload: bool) -> None:
    """End the session; with `unload`, also let go of the library, so that a new one is loaded.

    Unload only while no other thread is in a call.
    """
    with contextlib.suppress(pynvml.NVMLError):  # the driver may be gone already
        pynvml.nvmlShutdown()
    if unload and pynvml.nvmlLib is not None:
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
        raise UnsupportedError(f"pynvml has no {error}") from error
    try:
        return call(*arguments, *constants)
    except pynvml.NVMLError as error:
        raise _meaning(error) from error


def text(function: Function, *arguments: Any) -> str:
    """The answer of a function as text; empty if there is none, whatever the reason."""
    try:
        answer = ask(function, *arguments)
    except (CallError, GpuLostError, DriverLostError):
        return ""
    return _decoded(answer)


def pci_bus_id(handle: Any) -> str:
    """Where the GPU is plugged in, as in 00000000:01:00.0; empty if there is no answer."""
    try:
        return _decoded(pynvml.nvmlDeviceGetPciInfo(handle).busId)
    except pynvml.NVMLError:
        return ""


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
    own = ask(("nvmlDeviceGetMigDeviceHandleByIndex",), handle, index)
    numbers = (ask(("nvmlDeviceGetGpuInstanceId",), own),
               ask(("nvmlDeviceGetComputeInstanceId",), own))
    profile = text(("nvmlDeviceGetName",), own).rpartition(" MIG ")[2]
    return Instance(own, "{}/{}".format(*numbers), str(ask(("nvmlDeviceGetUUID",), own)), profile)


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

    def read(self, handle: Any) -> tuple[dict[Series, float], list[NvmlField]]:
        """The values that there are now, and the fields that the GPU or driver lacks.

        Raises CallError, GpuLostError, DriverLostError.
        """
        try:
            call = pynvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")
            pynvml._nvmlCheckReturn(call(handle, len(self.fields), self._answers))
        except pynvml.NVMLError as error:
            raise _meaning(error) from error
        points: dict[Series, float] = {}
        lacking: list[NvmlField] = []
        for (field, series, per), answer in zip(self._rows, self._answers, strict=True):
            code = answer.nvmlReturn
            if code in _NO_FIELD:
                lacking.append(field)
            elif code == pynvml.NVML_SUCCESS and answer.valueType < len(_VALUE_TYPES):
                points[series] = getattr(answer.value, _VALUE_TYPES[answer.valueType]) / per
        return points, lacking


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


def _decoded(answer: Any) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)


def _meaning(error: pynvml.NVMLError) -> Exception:
    return _ERRORS.get(error.value, CallError)(_reason(error))


def _reason(error: pynvml.NVMLError) -> str:
    return str(_NAMES.get(error.value, error))
