"""The demo's kubelet: which pod has which GPU."""

from __future__ import annotations

from collections.abc import Sequence

from inferometer.demo.fleet import SERVING, Seat
from inferometer.demo.gpus import DemoGpu
from inferometer.gpu.kubelet import Allowance, Holding, Kubelet

CONTAINER, RESOURCE = "engine", "nvidia.com/gpu"


class DemoKubelet(Kubelet):
    """Answers of itself: there is no socket, and nothing of gRPC."""

    def __init__(self, seats: Sequence[Seat], gpus: Sequence[DemoGpu]) -> None:
        self._holdings = [
            Holding(SERVING, seat.pod, CONTAINER, RESOURCE,
                    tuple(gpus[index].uuid for index in seat.gpus)) for seat in seats]

    def holdings(self, seconds: float, allowance: Allowance) -> list[Holding]:
        """All of them, whatever is asked."""
        return self._holdings
