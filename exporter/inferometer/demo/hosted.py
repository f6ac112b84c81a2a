"""A model that somebody else serves and bills: what a caller sees of it, and nothing more."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from inferometer.demo.clock import StoryClock
from inferometer.demo.endings import TURNED_AWAY, CallEnding
from inferometer.demo.engine import DAY_MINUTES, LOG_DEVIATION, LOG_MEAN, WELL, Condition

LONGEST_STEP = 60.0  # seconds that are made up for at most, after nobody looked
CALLS_A_SECOND, SWELL = 4.0, 0.25  # on average, and by which share of it they swell and ebb
INPUT_TOKENS, OUTPUT_TOKENS = 700, 130  # of a typical call
CACHED_EVERY = 128  # tokens: prompts are cached in steps of so many, from 1024 on
LEAST_CACHED = 1024
FIRST_TOKEN_SECONDS, TOKEN_SECONDS = 0.24, 0.011
TURNED_AWAY_SECONDS = 0.06


class HostedModel:
    """One model of a provider. `demand`, `slowness` and `failing` of a condition befall it.

    Whoever fails is turned away, as above a limit of calls per minute.
    """

    def __init__(self, clock: StoryClock, seed: int = 1,
                 seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._condition = WELL
        self._seen = seconds()
        self._due = self._due_failures = 0.0  # parts of a call

    def turn(self, condition: Condition) -> None:
        """Fare like that from now on."""
        with self._lock:
            self._condition = condition

    def endings(self) -> Sequence[CallEnding]:
        """How calls ended since the last call of this."""
        with self._lock:
            return list(self._ended())

    def _ended(self) -> Iterator[CallEnding]:
        now = self._seconds()
        passed, self._seen = min(now - self._seen, LONGEST_STEP), now
        swell = 1 + SWELL * math.sin(2 * math.pi * self._clock.minutes() / DAY_MINUTES)
        self._due += max(0.0, passed) * CALLS_A_SECOND * swell * self._condition.demand
        while self._due >= 1:
            self._due -= 1
            yield self._call()

    def _call(self) -> CallEnding:
        dice, condition = self._dice, self._condition
        self._due_failures += condition.failing
        if self._due_failures >= 1:
            self._due_failures -= 1
            return CallEnding(TURNED_AWAY_SECONDS * dice.lognormvariate(0, 0.3), TURNED_AWAY)
        long, short = self._length(INPUT_TOKENS), self._length(OUTPUT_TOKENS)
        first = FIRST_TOKEN_SECONDS * dice.lognormvariate(0, 0.25) * condition.slowness
        each_token = TOKEN_SECONDS * dice.lognormvariate(0, 0.2) * condition.slowness
        cached = long // CACHED_EVERY * CACHED_EVERY if long >= LEAST_CACHED else 0
        return CallEnding(first + each_token * (short - 1), "", first, long, cached, short)

    def _length(self, typical: int) -> int:
        return 1 + int(typical * self._dice.lognormvariate(LOG_MEAN, LOG_DEVIATION))
