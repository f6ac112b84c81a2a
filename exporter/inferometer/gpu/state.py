"""What is known of one GPU over the exporter's life."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.exposition import block
from inferometer.gpu.nvml import Place, Round
from inferometer.samples import Block, Key


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
    _blocks: dict[Metric, Block] = field(default_factory=dict)  # the last of each metric
    _said: tuple[object, Sequence[tuple[Metric, Block]]] = (None, ())  # and what it was made of

    def say(self, fresh: Snapshot | None) -> Sequence[tuple[Metric, Block]]:
        """All there is to say of the GPU, with its snapshot only while that is fresh.

        Made when a page asks for it, as there are more rounds than pages, and anew only where
        something has changed since the page before.
        """
        of = (fresh, self.index, self.name, self.driver_version, self.pci_bus_id, self.xids,
              self.last_xid_time, self.last_read)
        if self._said[0] != of:
            self._said = of, self._make_blocks(fresh)
        return self._said[1]

    def _make_blocks(self, fresh: Snapshot | None) -> Sequence[tuple[Metric, Block]]:
        who = (str(self.index), self.uuid)
        points: dict[Metric, dict[Key, float]] = {}
        for (metric, extra), value in (*self._lasting(fresh is not None),
                                       *(fresh.points.items() if fresh else ())):
            points.setdefault(metric, {})[(*who, *extra)] = value
        self._blocks |= {metric: block(metric, its, self._blocks.get(metric))
                         for metric, its in points.items()}
        return [(metric, self._blocks[metric]) for metric in points]

    def _lasting(self, up: bool) -> Iterator[tuple[Place, float]]:
        """What is known of the GPU whether it is up or not."""
        yield (c.GPU_UP, ()), float(up)
        if self.name:
            yield (c.GPU_INFO, (self.name, self.driver_version, self.pci_bus_id)), 1.0
        for xid, count in self.xids.items():
            yield (c.GPU_XID, (xid,)), float(count)
        if self.last_xid_time is not None:
            yield (c.GPU_XID_LAST, ()), self.last_xid_time
        if self.last_read is not None:
            yield (c.GPU_LAST_SAMPLE, ()), self.last_read

    def take(self, result: Round, at: float, took: float, wall: float,
             longest_gap: float) -> None:
        """Publish a round that began `at`; a gap above the longest is not integrated over."""
        elapsed = at - self.snapshot.at if self.snapshot else 0.0
        self._integrate(result, elapsed if elapsed <= longest_gap else 0.0)
        self.snapshot, self.last_read = Snapshot(at, took, result.points), wall

    def _integrate(self, result: Round, elapsed: float) -> None:
        utilization = result.points.get((c.GPU_UTILIZATION, ()))
        if utilization is not None:
            self.busy_seconds += elapsed * utilization
            self.observed_seconds += elapsed
            result.points[c.GPU_BUSY, ()] = self.busy_seconds
            result.points[c.GPU_OBSERVED, ()] = self.observed_seconds
        for reason, held in result.held.items():
            seconds = self.throttled_seconds.get(reason, 0.0) + (elapsed if held else 0.0)
            self.throttled_seconds[reason] = seconds
            result.points[c.GPU_THROTTLED, (reason,)] = seconds
