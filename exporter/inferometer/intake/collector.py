"""What the intake says of itself in a scrape."""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.intake.body import BodyMemory
from inferometer.intake.tally import IntakeTally


class IntakeCollector:
    """Bodies, bytes and spans that came in."""

    name = "intake"
    punctual = True

    def __init__(self, tally: IntakeTally, memory: BodyMemory) -> None:
        self._tally = tally
        self._memory = memory

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """Its counters, and what is held now."""
        family = Family(c.INTAKE_HELD)
        family.add(self._memory.bytes)
        return [*self._tally.families(), family]
