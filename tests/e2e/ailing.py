"""A vLLM that falls ill on command: slow, failing, hung, dead, and well again."""

from __future__ import annotations

from dataclasses import dataclass

from inferometer.demo.clock import StoryClock
from inferometer.demo.dialects import VLLM
from inferometer.demo.endpoint import Endpoint
from inferometer.demo.engine import Condition, ScriptedEngine, Workload

SECONDS = 0.5  # that a request takes when all is well
# Some twenty requests a second whatever befalls it: there is always room for more.
SERVED = Workload("tiny", seats=4000, least=0.0025, most=0.0025, input_tokens=100, output_tokens=30,
                  prefill_seconds=0.07, token_seconds=0.0125)


@dataclass(frozen=True)
class Health:
    """How long a request takes, and which share fails."""

    seconds: float = SECONDS
    failing: float = 0.0
    hung: bool = False


class Patient(Endpoint):
    """One engine of the demo's on a port of its own; it starts well."""

    def __init__(self) -> None:
        super().__init__(ScriptedEngine(VLLM, SERVED, StoryClock(1)))
        self.live()

    def turn(self, health: Health) -> None:
        """Be like that from now on."""
        slowness = health.seconds / SECONDS
        self.engine.turn(Condition(demand=slowness, slowness=slowness, failing=health.failing,
                                   hung=health.hung))
