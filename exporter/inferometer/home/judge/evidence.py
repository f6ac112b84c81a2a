"""All that a judgement goes by: the present reading, the hour before it, and the limits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.home.history import STEP_SECONDS
from inferometer.home.judge.limits import EffectiveLimits, InForce
from inferometer.home.judge.tally import (
    HALF_HOUR,
    LatestPoints,
    ModelKey,
    ModelTally,
    Tally,
    numbers,
)
from inferometer.home.judge.tracks import WINDOW, Track
from inferometer.values import Key


@dataclass(frozen=True)
class Evidence:
    """Times are Unix seconds."""

    now: float
    latest: LatestPoints
    tally: Tally
    limits: EffectiveLimits

    @property
    def pace(self) -> float:
        """As of the tally."""
        return self.tally.pace

    @property
    def step_seconds(self) -> float:
        """What a step takes."""
        return STEP_SECONDS * self.pace

    @property
    def step(self) -> int:
        """The newest step."""
        return self.tally.step

    def models(self) -> Iterator[tuple[ModelKey, ModelTally]]:
        """Models of late, by engine and name."""
        for key, model in self.tally.models.items():
            if self.step - model.seen <= WINDOW:
                yield key, model

    def numbers(self, metric: Metric) -> Iterator[tuple[Key, float]]:
        """The present points of a gauge."""
        return numbers(self.latest, metric)

    def limit(self, name: str, model: str = "") -> InForce | None:
        """The limit in force."""
        return self.limits.get(name, model)

    def away(self, track: Track, now: float, flaps: int, lately: int) -> float | None:
        """The share of half an hour in which it was there, if it is not now, or comes and goes.

        One that changed `flaps` times and was away within `lately` steps comes and goes.
        """
        values = track.last(self.step, HALF_HOUR)
        share = sum(values) / len(values) if values else 0.0
        changes = sum(one != other for one, other in itertools.pairwise(values))
        flapping = (share < c.AWAY_RATIO and changes >= flaps
                    and min(track.last(self.step, lately), default=1.0) == 0)
        return share if now == 0 or flapping else None
