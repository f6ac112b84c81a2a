"""The driver: its GPUs, and one round of readings of a GPU.

`readings.py` lists what is read. A call may be slow and holds a lock of the whole driver, so a
round makes few: one call brings all fields, and what hardly ever changes is read in every fifth
round; until then its last answer is used again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inferometer.families import Series
from inferometer.gpu import nvml
from inferometer.gpu.nvml import (
    CallError,
    FieldBatch,
    GpuLostError,
    Instance,
    MissingError,
    Placement,
    RefusedError,
    UnsupportedError,
)
from inferometer.gpu.peaks import peaks_of
from inferometer.gpu.readings import (
    CLOCK_REASONS,
    EVERY_ROUND,
    FIELDS,
    MOST_INSTANCES,
    OF_INSTANCES,
    ONCE,
    SELDOM,
    SELDOM_ROUNDS,
    Call,
    Function,
    NvmlField,
    instance_info,
)

SLOW_ROUND_SECONDS = 0.5  # a round that took longer leaves out what can wait


@dataclass
class Round:
    """What one round of calls to one GPU brought.

    `throttling`: for each series of throttled seconds that the driver does not count, whether its
    reason holds now.
    `slowest`: seconds that the slowest step took.
    `answered`: whether the GPU answered any call, if only that it does not support it.
    `placements`: of MIG instances, by the label `mig`, as far as they are known.
    """

    points: dict[Series, float] = field(default_factory=dict)
    throttling: dict[Series, bool] = field(default_factory=dict)
    slowest: float = 0.0
    answered: bool = True
    placements: dict[str, Placement] = field(default_factory=dict)


class Driver:
    """The driver. It may be opened and closed any number of times."""

    def open(self) -> str:
        """Start a session. Return the driver's version, as in 570.00.01. Raises DriverLostError."""
        return nvml.open_library()

    def close(self, unload: bool) -> None:
        """End the session; with `unload`, the next one loads the library that is installed then.

        Unload only while no other thread is in a call.
        """
        nvml.close_library(unload)

    def count(self) -> int | None:
        """The number of GPUs; None if the driver does not say it now. Raises DriverLostError."""
        try:
            return int(nvml.ask(("nvmlDeviceGetCount",)))
        except (CallError, GpuLostError):
            return None

    def device(self, index: int) -> Device:
        """The GPU at an index. Raises GpuLostError, DriverLostError."""
        try:
            handle = nvml.device(index)
        except CallError as error:
            raise GpuLostError(str(error)) from error
        return Device(index, handle, nvml.uuid(handle))


class Device:
    """One GPU in one session: its identity and its readings. Learns what it does not support."""

    answered_at = 0.0  # when a step of the present round last ended, on the monotonic clock

    def __init__(self, index: int, handle: Any, uuid: str) -> None:
        self.index = index
        self.uuid = uuid  # empty while the driver does not give it
        self.handle = handle
        self.name = ""
        self.pci_bus_id = ""
        self.minor = ""  # number of its device file, as in /dev/nvidia0
        self._mig = False
        self._placements: dict[str, Placement | None] = {}  # by an instance's UUID; None: not given
        self._rounds = 0
        self._answered = self._failed = False  # a call of this round
        self._began_at = 0.0  # of the present round
        self._suppose_all_supported()
        self._identify()

    def read(self) -> Round:
        """One round. A reading that fails is left out. Raises GpuLostError, DriverLostError."""
        result = Round()
        self._began_at = self.answered_at = time.monotonic()
        self._identify()
        self._see_mig_mode()
        self._answered = self._failed = False  # identity and mode may be from memory
        for call in EVERY_ROUND:
            self._put(result, call, self.handle)
        self._put_fields(result)
        for turn, call in enumerate(SELDOM):
            self._put_seldom(result, call, turn)
        if self._mig:
            self._put_instances(result)
        if self._lacking:
            result.throttling = self._throttling()
        result.answered = self._answered or self._answers_again(result)
        if result.answered:  # what is kept is no sign of life
            self._put_lasting(result)
        self._step(result)
        self._rounds += 1
        return result

    def _answers_again(self, result: Round) -> bool:
        """Whether it answers anything that it answered before, if only that it lacks it.

        What it lacks is not asked again otherwise; if that has a value now, all is asked again.
        Where the library lacks everything and nothing failed, the name has to do.
        """
        for call, last_answer in self._last_answers.items():
            if last_answer is not None:
                self._last_answers[call] = self._put(result, call, self.handle)
        for function, mig in sorted(self._unsupported):
            if not self._answered and not mig:
                self._unsupported.discard((function, mig))
                if self._ask((function,), self.handle) is not None:
                    self._suppose_all_supported()
        return self._answered or (not self._failed and bool(
            nvml.text(("nvmlDeviceGetName",), self.handle)))

    def _step(self, result: Round) -> None:
        now = time.monotonic()
        result.slowest = max(result.slowest, now - self.answered_at)
        self.answered_at = now

    def _suppose_all_supported(self) -> None:
        self._unsupported: set[tuple[Function, str]] = set()  # with the MIG instance, if any
        self._last_answers: dict[Call, dict[Series, float] | None] = {}  # of SELDOM
        self._batch = FieldBatch(FIELDS)
        self._lacking: list[NvmlField] = []

    def _identify(self) -> None:
        """Ask for the names that the driver has not given yet."""
        self.uuid = self.uuid or nvml.uuid(self.handle)
        self.name = self.name or nvml.text(("nvmlDeviceGetName",), self.handle)
        self.pci_bus_id = self.pci_bus_id or nvml.pci_bus_id(self.handle)
        self.minor = self.minor or nvml.text(("nvmlDeviceGetMinorNumber",), self.handle)

    def _see_mig_mode(self) -> None:
        if self._rounds % SELDOM_ROUNDS == 0:
            mode = self._ask((("nvmlDeviceGetMigMode",),), self.handle)
            if mode is not None and nvml.is_mig(mode) != self._mig:
                self._mig = not self._mig
                self._suppose_all_supported()  # what a GPU supports depends on the mode

    def _put(self, result: Round, call: Call, handle: Any,
             mig: str = "") -> dict[Series, float] | None:
        """Add the values of a call for the GPU or a MIG instance; None if there is no answer."""
        answer = self._ask(call.functions, handle, mig)
        self._step(result)
        if answer is None:
            return None
        points: dict[Series, float] = {}
        for value in call.values:
            number = value.pick(answer) if value.pick else answer
            if number is not None:
                points[value.of_instance(mig) if mig else value.series] = number / value.per
        result.points.update(points)
        return points

    def _put_seldom(self, result: Round, call: Call, turn: int) -> None:
        """Make the call in its turn, and also while it has no answer and there is time."""
        last_answer = self._last_answers.get(call)
        if (self._rounds - turn) % SELDOM_ROUNDS == 0 or (
                last_answer is None and self.answered_at - self._began_at < SLOW_ROUND_SECONDS):
            self._last_answers[call] = self._put(result, call, self.handle)
        elif last_answer is not None:
            result.points.update(last_answer)

    def _put_lasting(self, result: Round) -> None:
        """Add what never changes: each call is made until it has an answer."""
        for call in ONCE:
            answer = self._last_answers.get(call)
            if answer is None:
                self._last_answers[call] = self._put(result, call, self.handle)
            else:
                result.points.update(answer)
        if not self._mig:
            result.points.update(peaks_of(self.name))

    def _ask(self, functions: Iterable[Function], handle: Any, mig: str = "") -> Any:
        """The answer of the first function that is supported; None if it has no answer now."""
        for function in functions:
            if (function, mig) in self._unsupported:
                continue
            try:
                answer = nvml.ask(function, handle)
            except UnsupportedError as error:
                self._unsupported.add((function, mig))
                self._note(error)
            except CallError as error:
                self._note(error)
                return None
            else:
                self._answered = True
                return answer
        return None

    def _note(self, error: CallError) -> None:
        """Note whether a call without a value was an answer, or silence."""
        if isinstance(error, RefusedError):
            self._answered = self._answered or not isinstance(error, MissingError)
        else:
            self._failed = True

    def _put_fields(self, result: Round) -> None:
        """Add all fields by one call, and by other calls those that the GPU lacks."""
        if self._batch.fields:
            self._put_batch(result)
            self._step(result)
        for lacking in self._lacking:
            if lacking.instead:
                self._put(result, lacking.instead, self.handle)

    def _put_batch(self, result: Round) -> None:
        try:
            points, lacking, answered = self._batch.read(self.handle)
        except UnsupportedError as error:
            self._note(error)
            self._lack(self._batch.fields)
        except CallError as error:
            self._note(error)
        else:
            self._answered, self._failed = self._answered or answered, self._failed or not answered
            result.points.update(points)
            if lacking:
                self._lack(lacking)

    def _lack(self, fields: Iterable[NvmlField]) -> None:
        self._lacking += fields
        self._batch = FieldBatch([asked for asked in FIELDS if asked not in self._lacking])

    def _throttling(self) -> dict[Series, bool]:
        uncounted = [lacking for lacking in self._lacking if lacking.clock_reason]
        bits = self._ask(CLOCK_REASONS, self.handle) if uncounted else None
        if bits is None:
            return {}
        return {lacking.value.series: bool(bits & lacking.clock_reason) for lacking in uncounted}

    def _put_instances(self, result: Round) -> None:
        """Add the MIG instances. They change at run time, so each round looks for them."""
        most = self._ask((("nvmlDeviceGetMaxMigDeviceCount",),), self.handle)
        seen: set[str] = set()
        before, self._placements = self._placements, {}
        for index in range(min(most or 0, MOST_INSTANCES)):
            try:
                instance = nvml.instance(self.handle, index)
            except CallError:
                continue  # no instance has this index, but one after it may
            if instance.mig in seen:
                continue
            seen.add(instance.mig)
            info = instance_info(instance.mig, instance.uuid, instance.profile)
            result.points[info] = 1.0
            self._put_placement(result, instance, before)
            for call in OF_INSTANCES:
                self._put(result, call, instance.handle, instance.mig)

    def _put_placement(self, result: Round, instance: Instance,
                   before: Mapping[str, Placement | None]) -> None:
        """Add where the instance lies, which stays so: the driver is asked once in its life."""
        if instance.uuid:
            own = instance.uuid
            placement = before[own] if own in before else nvml.placement(self.handle, instance)
            self._placements[own] = placement
            result.placements |= {instance.mig: placement} if placement else {}
