"""Tells several processes that answer by turns behind one port from one that starts anew.

What one of them counts is no growth of what another counted: no rate may be made of both. Where
the page may be of another process that lives beside the last one, it is not passed on until the
next ones tell: if counters fell and no start time explains it, or if it started before the last one
answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from inferometer import catalogue as c
from inferometer.engines.page import Page

START = "process_start_time_seconds"
CLOCKS = 10.0  # seconds by which an engine's clock may differ from ours
ALONE = 20  # pages of one process in a row, after which it is the only one
UNSURE = 5  # pages in a row after which another process has taken the place of the last one
MOST_LIVES = 8  # that are remembered
MOST_COUNTS = 500  # of one of them, which fall together
BY_TURNS = "several processes answer here by turns, and count for themselves"
IN_DOUBT = "other counters than before: the engine started anew, or several processes answer"


@dataclass
class Life:
    """One process, or one life of it: when it started if its page has that, and what it counted.

    `counts` is by the hash of the series' text: it is remembered for long, and they may be many;
    `read_at` is when its last page was read.
    """

    start: float | None
    counts: dict[int, float]
    read_at: float

    def is_known(self) -> bool:
        """Whether it can be told from others: one that counted nothing yet is like any new one."""
        return self.start is not None or any(self.counts.values())


class Processes:
    """The processes that answered at one endpoint."""

    def __init__(self) -> None:
        self._lives: list[Life] = []  # the one that answered last comes last
        self._alone = ALONE  # pages in a row of the same process
        self._in_doubt = 0  # pages for which the last life may still be an earlier one

    def why_withheld(self, page: Page, counters: Sequence[int], read_at: float) -> str:
        """Why nothing can be said by this page; empty if one process answers.

        `counters` are the indices of values that only go up while a process lives.
        """
        if not counters:
            return ""  # as before an engine's first request
        self._alone += 1
        start = start_of(page)
        if self._lives and start is not None and start == self._lives[-1].start:
            self._lives[-1].read_at = read_at  # by far most pages
            self._in_doubt = max(0, self._in_doubt - 1)
        else:
            series, values = page.shape.series, page.values
            self._take(Life(start, {hash(series[index]): values[index]
                                    for index in counters[:MOST_COUNTS]
                                    if 0 <= values[index] <= c.LARGEST_COUNT}, read_at))
        if self._alone < ALONE:
            return BY_TURNS
        return IN_DOUBT if self._in_doubt else ""

    def _take(self, now: Life) -> None:
        """Take a page that may be of another life than the last one."""
        life = self._life_of(now)
        if life is not None:  # a page may lack some of what the last one had
            lacking = [(series, count) for series, count in life.counts.items()
                       if series not in now.counts]
            now = Life(life.start if now.start is None else now.start,
                       {**dict(lacking[: MOST_COUNTS - len(now.counts)]), **now.counts},
                       now.read_at)
        self._lives = [*(other for other in self._lives if other is not life), now][-MOST_LIVES:]

    def _life_of(self, now: Life) -> Life | None:
        """The earlier page's life that goes on; None if this one is new."""
        if not self._lives:
            return None
        current = self._lives[-1]
        if _goes_on(current, now):
            return self._doubted(current, now) if self._in_doubt else current
        earlier = next((life for life in reversed(self._lives[:-1])
                        if _goes_on(life, now) and life.is_known()), None)
        if earlier is not None:
            self._alone, self._in_doubt = 0, 0
        elif now.start is None or now.start < current.read_at - CLOCKS:
            self._in_doubt = UNSURE
        return earlier

    def _doubted(self, current: Life, now: Life) -> Life:
        """Whose life goes on, the present one's or the one's before it; both may."""
        former = self._lives[-2]
        both = now.start is None and _goes_on(former, now)
        self._in_doubt = self._in_doubt - 1 if both or now.start is not None else 0
        return former if both else current


def start_of(page: Page) -> float | None:
    """When the process of the page started, if the page is of one process."""
    family = page.families.get(START)
    samples = family.samples if family else []
    return c.SERVER_START.range.fit(page.values[samples[0].index]) if len(samples) == 1 else None


def _goes_on(life: Life, now: Life) -> bool:
    """Whether the later page can be of the same life."""
    if now.start is not None and life.start is not None:
        return now.start == life.start
    return all(count >= life.counts.get(series, -inf) for series, count in now.counts.items())
