"""The story's own time: minutes since it began, of which one may pass in a second."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60.0


class StoryClock:
    """Minutes of the story. `faster`: how many of them pass in a minute."""

    def __init__(self, faster: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.faster = faster
        self._clock = clock
        self._began = clock()

    def minutes(self) -> float:
        """Minutes of the story since it began."""
        return (self._clock() - self._began) * self.faster / MINUTE

    def seconds(self, minutes: float) -> float:
        """How long so many minutes of the story take, in seconds."""
        return minutes * MINUTE / self.faster
