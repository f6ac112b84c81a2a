"""What is known of one GPU over the exporter's life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.gpu.nvml import Place, Round

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
    _said: tuple[object, Mapping[Place, float]] = (None, {})  # and what it was made of

    def say(self, fresh: Snapshot | None) -> Mapping[Place, float]:
        """All there is to say of the GPU, with its snapshot only while that is fresh.

        The same object again while there is nothing new.
        """
        of = (fresh, self.name, self.driver_version, self.pci_bus_id, self.xids,
              self.last_xid_time, self.last_read)
        if self._said[0] != of:
            self._said = of, {**self._known(), **(fresh.points if fresh else {}),
                              (c.GPU_UP, ()): float(fresh is not None)}
        return self._said[1]

    def _known(self) -> Mapping[Place, float]:
        """What is known of the GPU whether it is up or not."""
        points: dict[Place, float] = {}
        if self.name:
            points[c.GPU_INFO, (self.name, self.driver_version, self.pci_bus_id)] = 1.0
        for xid, count in self.xids.items():
            points[_XIDS[xid]] = float(count)
        if self.last_xid_time is not None:
            points[c.GPU_XID_LAST, ()] = self.last_xid_time
        if self.last_read is not None:
            points[c.GPU_LAST_SAMPLE, ()] = self.last_read
        return points

    def take(self, result: Round, at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Publish a round that began `at`; a gap above the longest is not integrated over."""
        elapsed = at - self.snapshot.at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        self.snapshot, self.last_read = Snapshot(at, took, result.points), round(wall, 3)

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
