"""How long something takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def median_seconds(function: Callable[[], object], rounds: int) -> float:
    """The median of so many, after one more that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.monotonic()
        function()
        seconds.append(time.monotonic() - began)
    return median(seconds[1:])
