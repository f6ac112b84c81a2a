"""What is known of each GPU over the exporter's life, and which GPU is read at which index."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.config import GpuSection
from inferometer.families import Series
from inferometer.gpu.driver import Device, Round
from inferometer.gpu.gate import Gate, SessionEndedError
from inferometer.gpu.nvml import Placement
from inferometer.sieve import Refusals, Sieve

_UP: Series = (c.GPU_UP, ())
_LAST_SAMPLE: Series = (c.GPU_LAST_SAMPLE, ())
_LAST_XID: Series = (c.GPU_XID_LAST, ())
_UTILIZATION: Series = (c.GPU_UTILIZATION, ())
_BUSY: Series = (c.GPU_BUSY, ())
_OBSERVED: Series = (c.GPU_OBSERVED, ())
_XIDS: Mapping[str, Series] = {xid: (c.GPU_XID, (xid,)) for xid in c.XID.values}

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The last full round of one GPU.

    `began_at`: when the round began, on the monotonic clock.
    `took`: seconds it took; 0 if a call hung: what came before the call is old then, not slow.
    `placements`: of MIG instances, by the label `mig`, as far as the driver gives them.
    """

    began_at: float
    took: float
    points: Mapping[Series, float]
    placements: Mapping[str, Placement] = field(default_factory=dict)


@dataclass(eq=False)
class Gpu:
    """What is known of one GPU."""

    uuid: str  # empty while the GPU has never given it
    index: int
    name: str = ""
    pci_bus_id: str = ""
    driver_version: str = ""
    minor: str = ""  # number of its device file, as in /dev/nvidia0
    lost: str = ""  # why it does not answer; empty while it does
    snapshot: Snapshot | None = None
    last_read: float | None = None  # Unix seconds
    busy_seconds: float = 0.0
    observed_seconds: float = 0.0
    adopted_at: float = 0.0  # when it was first seen, on the monotonic clock
    gone: bool = False  # lost, and not even listed by the driver any more
    throttled_seconds: dict[Series, float] = field(default_factory=dict)
    xids: Mapping[str, int] = field(default_factory=dict)  # replaced, never changed
    last_xid_time: float | None = None  # Unix seconds
    sieve: Sieve = field(default_factory=Sieve)
    _lasting: tuple[object, Mapping[Series, float]] = (None, {})  # its sources, then the points

    def identify(self, device: Device) -> None:
        """Take over the names that the driver gives."""
        self.name = device.name or self.name
        self.pci_bus_id = device.pci_bus_id or self.pci_bus_id
        self.minor = device.minor or self.minor

    def lasting_points(self) -> Mapping[Series, float]:
        """The series that a GPU has whether it is up or not: the same object while they stay."""
        sources = (self.name, self.driver_version, self.pci_bus_id, self.xids, self.last_xid_time)
        if self._lasting[0] != sources:
            points = {_XIDS[xid]: float(count) for xid, count in self.xids.items()}
            if self.name:
                points[c.GPU_INFO, (self.name, self.driver_version, self.pci_bus_id)] = 1.0
            if self.last_xid_time is not None:
                points[_LAST_XID] = self.last_xid_time
            self._lasting = sources, points
        return self._lasting[1]

    def passing_points(self, fresh: Snapshot | None) -> Mapping[Series, float]:
        """The series of its last round, if that is given as fresh; else that the GPU is down."""
        if fresh:
            return fresh.points
        last_read = {} if self.last_read is None else {_LAST_SAMPLE: self.last_read}
        return {_UP: 0.0, **last_read}

    def take(self, result: Round, began_at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Take a round as the new snapshot.

        `wall`: when it began, in Unix seconds. A gap between rounds that is longer than
        `longest_gap` seconds is left out of busy, observed and throttled seconds.
        """
        result.points = self.sieve.sift(result.points, began_at, took)
        elapsed = began_at - self.snapshot.began_at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        wall = round(wall, 3)
        self.snapshot = Snapshot(began_at, took, {**result.points, _UP: 1.0, _LAST_SAMPLE: wall},
                                 result.placements)
        self.last_read = wall

    def _integrate(self, result: Round, elapsed: float) -> None:
        utilization = result.points.get(_UTILIZATION)
        if utilization is not None:
            self.busy_seconds += elapsed * utilization
            self.observed_seconds += elapsed
            result.points[_BUSY] = round(self.busy_seconds, 6)
            result.points[_OBSERVED] = round(self.observed_seconds, 6)
        for series, holds in result.throttling.items():
            seconds = self.throttled_seconds.get(series, 0.0) + (elapsed if holds else 0.0)
            self.throttled_seconds[series] = result.points[series] = seconds


@dataclass(eq=False)
class Slot:
    """An index of the driver in one session, and the GPU that its reader has seen there."""

    index: int
    session: int
    driver_version: str
    gpu: Gpu | None = None


class Registry:
    """All GPUs seen so far. A reader writes to it through its slot, while it owns that.

    A slot is owned until another one is opened for its index; nothing is published once its
    session has ended.
    """

    def __init__(self, gate: Gate, config: GpuSection, clock: Callable[[], float],
                 wall: Callable[[], float], refusals: Refusals) -> None:
        self.config = config  # in force now; the sampler replaces it
        self._refusals = refusals
        self._gate = gate
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        self._gpus: dict[str, Gpu] = {}  # by UUID, or by index while there is none
        self._slots: dict[int, Slot] = {}  # by index

    def gpus(self) -> list[Gpu]:
        """All GPUs seen so far, lost ones too."""
        with self._lock:
            return sorted(self._gpus.values(), key=lambda gpu: (gpu.index, gpu.uuid))

    def fresh(self, gpu: Gpu) -> Snapshot | None:
        """The GPU's snapshot while it is within its time to live."""
        snapshot = gpu.snapshot
        if snapshot is None:
            return None
        age = self._clock() - snapshot.began_at
        return snapshot if age <= self._longest_age(snapshot.took) else None

    def settling(self, gpu: Gpu) -> bool:
        """Whether the GPU is so new that its first round may still be under way."""
        never_read = gpu.last_read is None and not gpu.lost
        return never_read and self._clock() - gpu.adopted_at < self.config.time_to_live_seconds

    def _longest_age(self, took: float) -> float:
        """The time to live; three rounds where the driver is slow, but four such times at most."""
        ttl = self.config.time_to_live_seconds
        return min(max(ttl, 3 * took + self.config.interval_seconds), 4 * ttl)

    def open_slots(self, count: int, kept: Collection[int], driver_version: str) -> list[Slot]:
        """Have one slot for each index below `count`. Return the new ones: all but `kept`."""
        with self._lock:
            new = [Slot(index, self._gate.session, driver_version)
                   for index in range(count) if index not in kept]
            self._slots = {**{index: self._slots[index] for index in kept},
                           **{slot.index: slot for slot in new}}
        return new

    def owns(self, slot: Slot) -> bool:
        """Whether the slot is the one of its index, in the present session."""
        return slot.session == self._gate.session and self._slots.get(slot.index) is slot

    def adopt(self, slot: Slot, device: Device) -> Gpu:
        """The GPU that was found at the slot. Raises SessionEndedError."""
        with self._lock:
            if not self.owns(slot):
                raise SessionEndedError
            return self._adopt(slot, device)

    def _adopt(self, slot: Slot, device: Device) -> Gpu:
        gpu = self._gpu_of(slot, device)
        gpu.index, gpu.driver_version = slot.index, slot.driver_version
        gpu.identify(device)
        slot.gpu = gpu
        return gpu

    def _gpu_of(self, slot: Slot, device: Device) -> Gpu:
        """The GPU that a device is, by its UUID: what had none so far at the index is given it.

        While the driver gives no UUID, or one that another slot has, it is what was seen at the
        index last unless something says that it is another, else one without a name.
        """
        named = self._gpus.get(device.uuid) if device.uuid else None
        if named is not None and self._is_free(named, slot):
            self._gpus.pop(str(slot.index), None)
            return named
        if named is None and device.uuid:
            gpu = self._gpus.pop(str(slot.index), None) or self._nameless(slot)
            gpu.uuid = device.uuid
            return self._gpus.setdefault(gpu.uuid, gpu)
        guess = slot.gpu or self._seen_at(slot.index)
        if guess is not None and not (guess.uuid and (
                device.uuid or _differ(guess.pci_bus_id, device.pci_bus_id))):
            return guess
        return self._gpus.setdefault(str(slot.index), self._nameless(slot))

    def _nameless(self, slot: Slot) -> Gpu:
        return Gpu("", slot.index, lost=slot.gpu.lost if slot.gpu else "",
                   adopted_at=self._clock(), sieve=Sieve(self._refusals))

    def _is_free(self, gpu: Gpu, slot: Slot) -> bool:
        """Whether no other slot has the GPU."""
        return all(other.gpu is not gpu for other in self._slots.values() if other is not slot)

    def now(self) -> tuple[float, float]:
        """The time on the monotonic clock, and in Unix seconds."""
        return self._clock(), self._wall()

    def publish(self, slot: Slot, device: Device, result: Round,
                began: tuple[float, float]) -> None:
        """Take a round as the new snapshot; it `began` at this `now`. Raises SessionEndedError."""
        began_at, wall = began
        with self._lock:
            gpu = slot.gpu
            if gpu is None or not self.owns(slot):
                raise SessionEndedError
            if device.uuid != gpu.uuid and device.uuid:  # which it gave only now
                gpu = self._adopt(slot, device)
            gpu.identify(device)
            hung = result.slowest > self.config.time_to_live_seconds
            took = 0.0 if hung else self._clock() - began_at
            gpu.take(result, began_at, took, wall, self._longest_age(took))
            if gpu.lost:
                log.info("GPU is back", extra={"gpu": gpu.index, "uuid": gpu.uuid})
            gpu.lost, gpu.gone = "", False

    def lose(self, slot: Slot, reason: str) -> None:
        """Note that the GPU at the slot does not answer."""
        with self._lock:
            if self._slots.get(slot.index) is slot:
                slot.gpu = slot.gpu or self._seen_at(slot.index) or self._gpus.setdefault(
                    str(slot.index), self._nameless(slot))
                _lose(slot.gpu, reason)

    def _seen_at(self, index: int) -> Gpu | None:
        """The GPU last seen at an index, if it is at no other slot."""
        taken = {slot.gpu for slot in self._slots.values()}
        return next((gpu for gpu in self._gpus.values()
                     if gpu.index == index and gpu not in taken), None)

    def lose_absent(self) -> None:
        """Note that the driver no longer lists the GPUs that are at no slot."""
        with self._lock:
            present = {slot.gpu for slot in self._slots.values()}
            for key, gpu in list(self._gpus.items()):
                if gpu in present:
                    continue
                if not gpu.uuid:
                    del self._gpus[key]
                else:
                    gpu.gone = True
                    _lose(gpu, "no longer there")

    def end_session(self) -> None:
        """End the session, and with it every snapshot."""
        with self._lock:
            self._gate.end()
            for gpu in self._gpus.values():
                gpu.snapshot = None

    def expect_xids(self, gpu: Gpu) -> None:
        """The driver reports the GPU's XIDs from now on: 0 of the grave ones, not unknown."""
        with self._lock:
            gpu.xids = {**dict.fromkeys(c.XIDS_DRAIN, 0), **gpu.xids}

    def count_xid(self, gpu: Gpu, code: int) -> None:
        """Count one XID event."""
        xid = str(code) if str(code) in c.XID.values else "other"
        with self._lock:
            if not gpu.xids.get(xid):
                log.error("XID event", extra={"gpu": gpu.index, "uuid": gpu.uuid, "xid": code})
            gpu.xids = {**gpu.xids, xid: gpu.xids.get(xid, 0) + 1}  # a scrape may read the old
            gpu.last_xid_time = self._wall()


def _differ(one: str, other: str) -> bool:
    """Whether both are known and are not the same."""
    return bool(one and other and one != other)


def _lose(gpu: Gpu, reason: str) -> None:
    if not gpu.lost:
        log.error("GPU lost", extra={"gpu": gpu.index, "uuid": gpu.uuid, "why": reason})
    gpu.lost, gpu.snapshot = reason, None
