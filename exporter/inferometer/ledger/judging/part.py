"""Judging as a part: what a judge has come to is shown, and in this process it judges if enabled.

`inferometer judge run` may judge for the same ledger instead, beside the gateway or while it rests.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inferometer.collector import Collector
from inferometer.config import Config
from inferometer.config.judge import RAGAS
from inferometer.documents.mistakes import Document
from inferometer.outside import masked
from inferometer.parts import Part, Row
from inferometer.pricing import Pricing, unpriced
from inferometer.reasons import reason_of
from inferometer.sinks.judging import JudgeCollector, JudgeCondition
from inferometer.sinks.metrics import CounterReading
from inferometer.threads import Loop

if TYPE_CHECKING:  # what it needs at run time is in an extra
    from inferometer.ledger.judging.figures import JudgingFigures
    from inferometer.ledger.judging.runner import JudgeRunner

_NOTHING = CounterReading(-1, {}, {})


class JudgePart(Part):
    """The judge of a gateway's answers."""

    sections = ("judge",)

    def __init__(self, config: Config, pricing: Pricing = unpriced) -> None:
        self._config, self._pricing = config, pricing
        self._figures: JudgingFigures | None = None
        self._runner: JudgeRunner | None = None
        self._loops: list[Loop] = []

    def check(self, config: Config, document: Document) -> None:
        """Report a judge that cannot be asked, or that would have nothing to read."""
        if config.takes_telemetry:
            check_judge(config, document)

    def configure(self, config: Config) -> None:
        """Choose and spend so much from now on."""
        self._config = config
        if self._figures is None:
            return
        from inferometer.ledger.judging.making import limits_of  # here alone, as in `start`

        limits = limits_of(config.judge)
        self._figures.limits = limits
        if self._runner is not None:
            self._runner.configure(limits)

    def collectors(self) -> Sequence[Collector]:
        """One, where anybody may judge."""
        return [JudgeCollector(self.reading, self._condition)] if self._is_asked_for() else []

    def reading(self) -> CounterReading:
        """What judging has counted, as it was last seen."""
        return self._figures.counters() if self._figures is not None else _NOTHING

    def start(self) -> None:
        """Read what is counted, and judge if that is enabled."""
        if not self._is_asked_for():
            return
        # Here alone: who has no gateway is not to have a database's library in memory.
        from inferometer.ledger.judging.figures import JudgingFigures
        from inferometer.ledger.judging.making import limits_of, runner_of
        from inferometer.ledger.opening import open_beside

        section = self._config.ledger
        self._figures = JudgingFigures(lambda: open_beside(section), limits_of(self._config.judge))
        self._loops = [self._figures.loop]
        if self._config.judge.enabled:
            self._runner = runner_of(self._config, self._pricing)
            self._loops += self._runner.loops()
        for loop in self._loops:
            loop.start()

    def loops(self) -> Sequence[Loop]:
        """What reads, chooses and asks."""
        return self._loops

    def stop(self) -> None:
        """Ask nothing more: a request that is on its way is sent once more after the next start."""
        for loop in self._loops:
            loop.stop()
        if self._runner is not None:
            self._runner.stop()

    def greeting(self, seconds: float) -> Iterable[Row]:
        """Who judges."""
        if self._is_asked_for():
            judge = self._config.judge
            by = "" if judge.enabled else ", by `inferometer judge run`"
            yield "judge", f"{judge.model}  {masked(judge.url)}{by}"

    def _is_asked_for(self) -> bool:
        return bool(self._config.takes_telemetry and self._config.judge.url)

    def _condition(self) -> JudgeCondition | None:
        return self._figures.condition() if self._figures is not None else None


def check_judge(config: Config, document: Document) -> None:
    """Report a judge that cannot be asked, or that would have nothing to read."""
    section = config.judge
    if not document.good("judge", "content"):
        return
    if section.enabled and not section.url:
        document.report("judge.enabled", "needs judge.url, which says whom to ask")
    if not section.url:
        return
    if not section.model:
        document.report("judge.url", "needs judge.model, which says what to ask for")
    if section.library == RAGAS and importlib.util.find_spec(RAGAS) is None:
        document.report("judge.library", "needs the packages of the extra: pip install "
                                         "'inferometer[ragas]'")
    if not section.evaluations:
        document.report("judge.evaluations", "must have one at least")
    if not config.content.store:
        document.report("judge.url", "needs content.store: true, as a judge reads what was said")
    for key in ("key_file", "ca_file"):
        if file := getattr(section, key):
            try:
                Path(file).read_bytes()
            except OSError as error:
                document.report(f"judge.{key}", f"{file}: {reason_of(error)}")
