"""What is known of one GPU over the exporter's life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.gpu.nvml import Place, Round

_UP: Place = (c.GPU_UP, ())
_LAST_SAMPLE: Place = (c.GPU_LAST_SAMPLE, ())
_XIDS: Mapping[str, Place] = {xid: (c.GPU_XID, (xid,)) for xid in c.XID.values}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One GPU's last full round: when it began, on the monotonic clock, and what it brought.

    `took` is how long that took, 0 if a call hung: what came before is old then, not slow.
    """

    at: float
    took: float
    points: Mapping[Place, float]


@dataclass(eq=False)
class Gpu:
    """What is known of one GPU over the exporter's life."""

    uuid: str  # empty while the GPU has never told it
    index: int
    name: str = ""
    pci_bus_id: str = ""
    driver_version: str = ""
    minor: str = ""  # the number of its device file, /dev/nvidia0
    lost: str = ""
    snapshot: Snapshot | None = None
    last_read: float | None = None  # Unix seconds
    busy_seconds: float = 0.0
    observed_seconds: float = 0.0
    adopted_at: float = 0.0
    gone: bool = False  # lost, and not even listed by the driver any more
    throttled_seconds: dict[str, float] = field(default_factory=dict)
    xids: dict[str, int] = field(default_factory=dict)
    last_xid_time: float | None = None
    _known: tuple[object, Mapping[Place, float]] = (None, {})  # the last, and what it was made of

    def known(self) -> Mapping[Place, float]:
        """What is said of the GPU whether it is up or not: the same object while it stays so."""
        of = (self.name, self.driver_version, self.pci_bus_id, self.xids, self.last_xid_time)
        if self._known[0] != of:
            points = {_XIDS[xid]: float(count) for xid, count in self.xids.items()}
            if self.name:
                points[c.GPU_INFO, (self.name, self.driver_version, self.pci_bus_id)] = 1.0
            if self.last_xid_time is not None:
                points[c.GPU_XID_LAST, ()] = self.last_xid_time
            self._known = of, points
        return self._known[1]

    def seen(self, fresh: Snapshot | None) -> Mapping[Place, float]:
        """What is said of its last round, given only while that is fresh."""
        if fresh:
            return fresh.points
        last_read = {} if self.last_read is None else {_LAST_SAMPLE: self.last_read}
        return {_UP: 0.0, **last_read}

    def take(self, result: Round, at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Publish a round that began `at`; a gap above the longest is not integrated over."""
        elapsed = at - self.snapshot.at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        wall = round(wall, 3)
        self.snapshot = Snapshot(at, took, {**result.points, _UP: 1.0, _LAST_SAMPLE: wall})
        self.last_read = wall

    def _integrate(self, result: Round, elapsed: float) -> None:
        utilization = result.points.get((c.GPU_UTILIZATION, ()))
        if utilization is not None:
            self.busy_seconds += elapsed * utilization
            self.observed_seconds += elapsed
            result.points[c.GPU_BUSY, ()] = round(self.busy_seconds, 6)
            result.points[c.GPU_OBSERVED, ()] = round(self.observed_seconds, 6)
        for reason, held in result.held.items():
            seconds = self.throttled_seconds.get(reason, 0.0) + (elapsed if held else 0.0)
            self.throttled_seconds[reason] = seconds
            result.points[c.GPU_THROTTLED, (reason,)] = seconds
