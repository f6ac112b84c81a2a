"""In how many judged answers there may be one false alarm: as many as a year has.

The year before says it, from the first day of each calendar month on, in UTC. In the first 28 days
each day does, and on the first one what was judged so far is taken for a day's.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from inferometer.quality.rates.sample import DAY

YEAR = 365  # days
YOUNG = 28  # days after the first answer, in which little is known of a year
FIRST = 36_500.0  # that are assumed while it is young, if it is not more: a hundred a day
LEAST = 365.0


class YearlyAnswers:
    """Counts the answers of all streams that a detector looks at."""

    def __init__(self) -> None:
        self._by_day: deque[list[int]] = deque()  # days since 1970 with their counts, in order
        self._first = -1  # day
        self._in_year = 0

    def add(self, day: int) -> None:
        """Count one more; days come in their order."""
        if self._first < 0:
            self._first = day
        if not self._by_day or self._by_day[-1][0] < day:
            self._by_day.append([day, 0])
        self._by_day[-1][1] += 1
        self._in_year += 1

    def is_young(self, day: int) -> bool:
        """Whether there was no answer 28 days before."""
        return self._first < 0 or day - self._first < YOUNG

    def estimate(self, day: int) -> float:
        """How many a year has, by the days before this one; on the first day by it alone."""
        while self._by_day and self._by_day[0][0] < day - YEAR:
            self._in_year -= self._by_day.popleft()[1]
        days = min(YEAR, max(1, day - self._first))
        return max(FIRST if self.is_young(day) else LEAST, self._in_year * YEAR / days)


def begins_month(day: int) -> bool:
    """Whether it is the first of a calendar month, UTC."""
    return datetime.fromtimestamp(day * DAY // 10**9, UTC).day == 1
