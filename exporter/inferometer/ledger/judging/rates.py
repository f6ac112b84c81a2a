"""What judges and people say of answers: reckoned every two minutes, from what is new.

A connection of its own reads them, so that neither senders nor scrapes wait for it. What was
reckoned is kept in memory alone: after a start all that is kept of the present judge is taken in
again, in the same order, and comes to the same.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import closing

from inferometer.config import JudgeSection
from inferometer.evaluations import ANSWER_RELEVANCE, FAITHFULNESS, REFUSAL, SELF_CONTRADICTION
from inferometer.ledger.counting import HOUR
from inferometer.ledger.database import Database
from inferometer.ledger.judging.reading import count_between, judged_after, labels_of, present_judge
from inferometer.quality.rates.figures import QualityFigures, figures_of
from inferometer.quality.rates.stream import QualityLimits
from inferometer.quality.rates.watch import QualityWatch
from inferometer.threads import Loop

SECONDS = 120.0  # from one time to the next
KEPT = 2 * HOUR  # a reading that is older tells of another time
LATE = 900 * 10**9  # nanoseconds after which no verdict of the day before is written any more
MARKS = 9  # of the last turns: one that comes in later than these is overlooked
_NOTHING = QualityFigures()


class JudgedRates:
    """Those of all that judge into a ledger, which go on writing it."""

    def __init__(self, opened: Callable[[], Database], limits: Callable[[], QualityLimits],
                 clock: Callable[[], int] = time.time_ns) -> None:
        self._opened, self._limits, self._clock = opened, limits, clock
        self._reckoned_at = 0  # Unix nanoseconds
        self._figures = _NOTHING
        self._judged: JudgeReplay | None = None
        self.loop = Loop("evaluation", self.reckon, lambda: SECONDS)

    def reading(self) -> QualityFigures:
        """The last figures; nothing where they could not be reckoned of late."""
        return self._figures if self._clock() - self._reckoned_at < KEPT else _NOTHING

    def reckon(self) -> None:
        """Take in what is new. Raises what the database does; then the old ones stay a while."""
        now, limits = self._clock(), self._limits()
        with closing(self._opened()) as database, database.snapshot():
            judge = present_judge(database)
            if judge is None:
                self._figures, self._reckoned_at = _NOTHING, now
                return
            if self._judged is None or (judge.number, limits) != (
                    self._judged.judge, self._judged.watch.limits):
                self._judged = JudgeReplay(judge.number, limits)
            self._judged.go_on(database, now)
        self._figures, self._reckoned_at = QualityFigures(
            figures_of(self._judged.watch, now), limits), now


class JudgeReplay:
    """All that is kept of one judge, taken in row by row."""

    def __init__(self, judge: int, limits: QualityLimits) -> None:
        self.judge = judge
        self.watch = QualityWatch(limits)
        # How far it was at the last times: its number, and how many answers.
        self._marks: deque[tuple[int, int]] = deque([(0, 0)], MARKS)

    def go_on(self, database: Database, now: int) -> None:
        """Take in what is new, in a snapshot; all of it anew where the old is another by now.

        Where retention has deleted rows, what is begun anew begins with the oldest that is kept.
        `now`: Unix nanoseconds.
        """
        labels, watch = labels_of(database, self.judge), self.watch
        (number, answers), judge = self._marks[0], self.judge
        written = count_between(database, judge, number, watch.number)
        if not watch.relabel(labels) or written != watch.answers - answers:
            watch = self.watch = QualityWatch(watch.limits, labels)
            self._marks.clear()
            self._marks.append((0, 0))
        for answer in judged_after(database, judge, watch.number):
            watch.observe(answer)
        self._marks.append((watch.number, watch.answers))
        if watch.answers:
            watch.advance(now - LATE)


def quality_limits(section: JudgeSection) -> QualityLimits:
    """What answers are held against, by the configuration."""
    return QualityLimits({
        FAITHFULNESS: section.max_unfaithful_ratio,
        ANSWER_RELEVANCE: section.max_irrelevant_ratio, REFUSAL: section.max_refusal_ratio,
        SELF_CONTRADICTION: section.max_self_contradiction_ratio}, section.max_score_drop)
