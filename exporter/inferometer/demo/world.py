"""The demo's world: engines on GPUs, a model that others serve, and what befalls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inferometer.demo.clock import StoryClock
from inferometer.demo.endings import CallEnding
from inferometer.demo.endpoint import Endpoint
from inferometer.demo.engine import WELL, Condition, ScriptedEngine
from inferometer.demo.fleet import FLEET, GPUS, HOSTED, Seat
from inferometer.demo.gpus import DemoGpu, Load
from inferometer.demo.hosted import HostedModel
from inferometer.demo.library import Library
from inferometer.demo.pods import DemoKubelet


class World:
    """Engines that serve, the GPUs they are on, and a hosted model. All is well at first."""

    def __init__(self, clock: StoryClock, seats: Sequence[Seat] = FLEET, gpus: int = GPUS) -> None:
        self.clock = clock
        self.seats = seats
        self.engines: Mapping[str, Endpoint] = {
            seat.name: Endpoint(ScriptedEngine(seat.dialect, seat.workload, clock, seed))
            for seed, seat in enumerate(seats)}
        self.hosted = HostedModel(clock)
        owners = {index: seat for seat in seats for index in seat.gpus}
        self.gpus = [
            DemoGpu(index, clock, self._work(owners[index].name) if index in owners else None,
                    linked=index in owners and len(owners[index].gpus) > 1)
            for index in range(gpus)]
        self.library = Library(self.gpus)
        self.kubelet = DemoKubelet(seats, self.gpus)

    def start(self) -> None:
        """Let every engine listen. Raises OSError."""
        for endpoint in self.engines.values():
            endpoint.live()

    def stop(self) -> None:
        """End every engine."""
        for endpoint in self.engines.values():
            endpoint.die()

    def turn(self, name: str, condition: Condition) -> None:
        """Let an engine, or the hosted model, fare like that from now on."""
        (self.hosted if name == HOSTED else self.engines[name].engine).turn(condition)

    def endings(self, name: str) -> Sequence[CallEnding]:
        """How requests to an engine, or to the hosted model, ended since the last call of this."""
        return (self.hosted if name == HOSTED else self.engines[name]).endings()

    def heal(self) -> None:
        """Let all be well again: what was dead starts anew."""
        for gpu in self.gpus:
            gpu.heal()
        self.hosted.turn(WELL)
        for endpoint in self.engines.values():
            endpoint.engine.turn(WELL)
            endpoint.live()

    def _work(self, name: str) -> Load:
        """How busy an engine keeps its GPUs."""
        endpoint = self.engines[name]
        return lambda: min(1.0, 0.15 + 0.87 * endpoint.engine.busy()) if endpoint.alive else 0.0
