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

    @property
    def verdicts(self) -> Sequence[tuple[bool, float]]:
        """Whether an answer was flagged, and the probability that it came into the sample."""
        return [verdict for _, verdict in self._verdicts]

    @property
    def judged(self) -> int:
        """How many verdicts there are."""
        return len(self._verdicts)

    @property
    def unjudged_ratio(self) -> float | None:
        """Part of the sample that could not be judged; None where there is no sample."""
        total = len(self._verdicts) + len(self._unjudged)
        return len(self._unjudged) / total if total else None
