"""Requests out of answers: an engine may count each of the `n` answers of a request as one.

How many requests there were, and how many answers they asked for, is then on the page: the count
and the sum of a histogram of `n`. What is left to share is how those requests ended.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

E = TypeVar("E", bound=Hashable)
MOST_UNSETTLED = 10_000  # answers at a time of requests that have not ended altogether


class RequestsOfAnswers(Generic[E]):
    """The requests of one model and rank, by ending, from the answers by ending.

    As long as no request asked for several answers, the counts are the engine's own. From then on
    each request that ended is counted once, under the ending that is furthest behind its share of
    the answers: of requests whose answers ended differently the ending is a guess, their number is
    exact.
    """

    def __init__(self) -> None:
        self._answers: Mapping[E, float] = {}  # as they were read last, and the same of requests
        self._requests: float | None = None
        self._asked: float | None = None
        self._counts: dict[E, float] = {}
        self._due: dict[E, float] = {}  # by ending: requests it should have more than it has
        self._unsettled: dict[E, float] = {}  # answers of requests that have not ended altogether
        self.several = False  # whether any request asked for several answers

    def add(self, answers: Mapping[E, float], requests: float, asked: float
            ) -> Mapping[E, float]:
        """Add a reading: answers by ending, requests, and the answers they asked for.

        Returns the requests by ending.
        """
        ended, settled = _grown(self._requests, requests), _grown(self._asked, asked)
        self.several = self.several or settled > ended
        if self.several:
            for ending, count in answers.items():
                more = _grown(self._answers.get(ending), count)
                self._unsettled[ending] = self._unsettled.get(ending, 0.0) + more
                self._counts.setdefault(ending, 0.0)
            self._share(ended, settled)
            if sum(self._unsettled.values()) > MOST_UNSETTLED:
                self._settle()
        else:
            self._counts = dict(answers)
        self._answers, self._requests, self._asked = answers, requests, asked
        return self._counts

    def _share(self, ended: float, settled: float) -> None:
        shares = self._unsettled if any(self._unsettled.values()) else dict.fromkeys(
            self._counts, 1.0)
        if not shares:
            return  # no ending of an answer is on the page
        total = sum(shares.values())
        for ending, part in shares.items():
            self._due[ending] = self._due.get(ending, 0.0) + ended * part / total
        for ending in shares:
            more = float(int(max(0.0, self._due[ending])))
            self._count(ending, more)
            ended -= more
        for _ in range(min(int(ended), len(shares))):
            self._count(max(self._due, key=self._due.__getitem__), 1.0)
        left = max(0.0, 1 - settled / total)
        self._unsettled = {ending: part * left for ending, part in self._unsettled.items()}

    def _settle(self) -> None:
        """Count answers that no request claims, as where the histogram of `n` stands still."""
        for ending, part in self._unsettled.items():
            self._counts[ending] += float(round(part))
        self._unsettled = {}

    def _count(self, ending: E, more: float) -> None:
        self._counts[ending] += more
        self._due[ending] -= more


def _grown(earlier: float | None, now: float) -> float:
    """How much a counter grew; one that fell counts from nothing again."""
    return now if earlier is None or now < earlier else now - earlier
