"""Gauges that an engine leaves standing when all its requests were aborted at once.

vLLM updates its gauges once a step: if the last requests are aborted there is no further step
(vllm-project/vllm issue 22545), and it says for good that they run and wait. It did count how many
were aborted.
"""

from __future__ import annotations

LEAVING_SECONDS = 60.0  # after the last token, in which all of them must have left
STILL_SECONDS = 30.0  # without a token, after which they will not be told of any more
LEFTOVER = "these requests were aborted, and the engine has not updated its gauges since"


class Leftover:
    """Whether requests that run or wait are those that were aborted."""

    def __init__(self) -> None:
        self._before = 0.0  # aborts on the page before the last progress
        self._aborts = 0.0
        self._grown_at = float("-inf")
        self._gauges = (0.0, 0.0)  # when they were last aborted

    def is_left(self, running: float, waiting: float, aborts: float, *, progressed_at: float,
                read_at: float) -> bool:
        """Whether the gauges of this page, read at `read_at`, speak of none but aborted requests.

        All times are in Unix seconds; `aborts` is the engine's count of aborted requests.
        """
        if progressed_at == read_at:
            self._before, self._gauges = self._aborts, (running, waiting)
        if aborts != self._aborts:
            self._gauges, self._grown_at = (running, waiting), read_at
        self._aborts = aborts
        return (read_at - progressed_at >= STILL_SECONDS and (running, waiting) == self._gauges
                and 0 < running + waiting <= aborts - self._before
                and self._grown_at - progressed_at <= LEAVING_SECONDS)
