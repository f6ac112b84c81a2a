"""What is known of one GPU over the exporter's life."""

from __future__ import annotations

from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.gpu.nvml import Extra, Round


@dataclass(frozen=True)
class Snapshot:
    """One GPU's last full round: when it began, on the monotonic clock, and what it brought.

    `took` is how long that took, 0 if a call hung: what came before is old then, not slow.
    """

    at: float
    took: float
    points: dict[Metric, dict[Extra, float]]


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

    def take(self, result: Round, at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Publish a round that began `at`; a gap above the longest is not integrated over."""
        elapsed = at - self.snapshot.at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        self.snapshot, self.last_read = Snapshot(at, took, result.points), wall

    def _integrate(self, result: Round, elapsed: float) -> None:
        utilization = result.points.get(c.GPU_UTILIZATION, {}).get(())
        if utilization is not None:
            self.busy_seconds += elapsed * utilization
            self.observed_seconds += elapsed
            result.put([(c.GPU_BUSY, (), self.busy_seconds),
                        (c.GPU_OBSERVED, (), self.observed_seconds)])
        for reason, held in result.held.items():
            seconds = self.throttled_seconds.get(reason, 0.0) + (elapsed if held else 0.0)
            self.throttled_seconds[reason] = seconds
            result.put([(c.GPU_THROTTLED, (reason,), seconds)])
