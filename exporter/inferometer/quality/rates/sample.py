"""The random sample of the last 28 days, of answers that are reckoned together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from inferometer.evaluations import JudgedAnswer, JudgementResult

DAY = 86_400 * 10**9  # nanoseconds
WINDOW = 28 * DAY


class RecentAnswers:
    """Verdicts in the order of judging, and how many could not be judged."""

    def __init__(self) -> None:
        self._verdicts: deque[tuple[int, tuple[bool, float]]] = deque()  # with when it was judged
        self._unjudged: deque[int] = deque()  # when they could not be

    def add(self, answer: JudgedAnswer) -> None:
        """Take one more. What a judge left open is no verdict, and no failure of the judge."""
        if answer.result != JudgementResult.JUDGED:
            self._unjudged.append(answer.judged)
        elif answer.flagged is not None:
            self._verdicts.append((answer.judged, (answer.flagged, answer.probability)))

    def forget(self, now: int) -> None:
        """Drop what is older than 28 days. `now`: Unix nanoseconds."""
        while self._verdicts and self._verdicts[0][0] <= now - WINDOW:
            self._verdicts.popleft()
        while self._unjudged and self._unjudged[0] <= now - WINDOW:
            self._unjudged.popleft()

    def verdicts(self, now: int) -> Sequence[tuple[bool, float]]:
        """Of 28 days: whether an answer was flagged, and how probably it came into the sample."""
        return [verdict for judged, verdict in self._verdicts if judged > now - WINDOW]

    def unjudged(self, now: int) -> int:
        """How many of 28 days could not be judged."""
        return sum(judged > now - WINDOW for judged in self._unjudged)
