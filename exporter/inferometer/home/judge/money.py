"""Money against budgets and limits, as far as this exporter has counted it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from inferometer import catalogue as c
from inferometer.config import Budget
from inferometer.home import units
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.figures import requests
from inferometer.home.judge.model import OVER, PROBLEM, Finder, Finding, Judgement, Owner
from inferometer.home.judge.tracks import HOUR, WINDOW

MONEY: Owner = ("cost",)
_PERIODS = {"day": "%F", "month": "%Y-%m"}


class Ledger:
    """What was spent in the UTC day and month so far, since this exporter counts.

    In a hurry money goes as fast as time does for the rules.
    """

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.since: dict[str, float] = {}  # Unix seconds, from when it is counted
        self._present: dict[str, str] = {}
        self._total = 0.0

    def record(self, evidence: Evidence) -> None:
        """Take what all counters come to now; they only go up."""
        total = sum(usd for _, usd in evidence.numbers(c.COST))
        grown, self._total = max(0.0, total - self._total), max(total, self._total)
        now = datetime.fromtimestamp(evidence.now, UTC)
        for period, name in _PERIODS.items():
            if self._present.get(period) != f"{now:{name}}":
                self._present[period] = f"{now:{name}}"
                self.spent[period], self.since[period] = 0.0, evidence.now
            self.spent[period] += grown / evidence.pace


def used(evidence: Evidence, ledger: Ledger) -> Iterator[tuple[str, Budget, float]]:
    """Periods with a budget of the fleet, and the share of it that is spent."""
    for period, budget in evidence.limits.fleet.budgets_usd.items():
        if budget.usd > 0 and evidence.limits.ours and period in ledger.spent:
            yield period, budget, ledger.spent[period] / budget.usd


def remember(evidence: Evidence, ledger: Ledger) -> None:
    """Note what was spent, and on idle GPUs."""
    ledger.record(evidence)
    tracks = evidence.tally.tracks
    idle, gpus = ((tracks[key].total(evidence.step, WINDOW) or 0.0) if key in tracks else None
                  for key in (("idle",), ("spent", "gpu")))
    if idle is not None and gpus:
        evidence.tally.track("idle_share").put(evidence.step, min(1.0, idle / gpus))


def _per_hour(evidence: Evidence, names: tuple[str, ...]) -> float | None:
    """USD of the last hour for each of these that engines counted in it; no hosted calls."""
    counts = {fronts: sum(requests(model, name, evidence.step, HOUR)
                          for key, model in evidence.models()
                          if (key[0] in c.ROUTERS) == fronts for name in names)
              for fronts in (False, True)}
    many = counts[False] or counts[True]
    track = evidence.tally.tracks.get(("spent",))
    usd = track.total(evidence.step, HOUR) if track else None
    return usd / many if usd is not None and many else None


def judgements(ledger: Ledger) -> Iterable[Judgement]:
    """Those of money, by what is in the ledger."""
    return (
        Judgement("CostBudgetExceeded", "critical", PROBLEM, _exceeded(ledger, pages=True)),
        Judgement("CostBudgetExceeded", "warning", OVER, _exceeded(ledger, pages=False)),
        Judgement("CostBudgetNearlyUsed", "warning", OVER, _nearly(ledger)),
        Judgement("CostOfTheDayHigh", "warning", OVER, _day(ledger)),
        Judgement("CostOfIdleGpusHigh", "warning", OVER, _idle(chosen=True)),
        Judgement("CostOfIdleGpusHigh", "info", OVER, _idle(chosen=False)),
        Judgement("CostPerRequestHigh", "warning", OVER, _dear(
            "request_cost", ("success",), 1.0, "a self-hosted request costs")),
        Judgement("CostPerTokenHigh", "warning", OVER, _dear(
            "million_tokens_cost", ("input", "output"), 1e6, "a million self-hosted tokens cost")),
    )


def _exceeded(ledger: Ledger, pages: bool) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        for period, budget, share in used(evidence, ledger):
            if share > 1 and budget.page is pages:
                yield _spent(period, budget, share, units.ratio(1.0))
    return judge


def _nearly(ledger: Ledger) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        limit = evidence.limit("budget_used")
        for period, budget, share in used(evidence, ledger):
            if limit and limit.value < share <= 1:
                yield _spent(period, budget, share, units.ratio(limit.value))
    return judge


def _spent(period: str, budget: Budget, share: float, limit: str) -> Finding:
    return Finding((*MONEY, period), f"at least {units.ratio(share)} of the {period}'s budget of "
                   f"{units.usd(budget.usd)} is spent, limit {limit}")


def _day(ledger: Ledger) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        limit, spent = evidence.limit("daily_spend"), ledger.spent.get("day", 0.0)
        if limit and spent > limit.value:
            yield Finding((*MONEY, "day"), f"at least {units.usd(spent)} is spent since midnight "
                          f"UTC, {limit.words(units.usd)}")
    return judge


def _idle(chosen: bool) -> Finder:
    def judge(evidence: Evidence) -> Iterable[Finding]:
        limit, track = evidence.limit("gpu_idle_cost"), evidence.tally.tracks.get(("idle_share",))
        share = track.mean(evidence.step, HOUR) if track else None
        if limit and limit.chosen is chosen and share is not None and share > limit.value:
            yield Finding(MONEY, f"{units.ratio(share)} of the GPUs' cost of the last hour was for "
                          f"idle GPUs, {limit.words(units.ratio)}")
    return judge


def _dear(name: str, counted: tuple[str, ...], many: float, words: str
          ) -> Finder:
    """Over the whole fleet the largest limit of its models holds, if each of them has one."""
    def judge(evidence: Evidence) -> Iterable[Finding]:
        limits = [evidence.limit(name, key[1]) for key, _ in evidence.models()]
        usd = _per_hour(evidence, counted)
        chosen = [limit for limit in limits if limit]
        if usd is None or not chosen or len(chosen) < len(limits):
            return
        largest = max(chosen, key=lambda limit: limit.value)
        if usd * many > largest.value:
            yield Finding(MONEY, f"{words} {units.usd(usd * many)}, "
                          f"{largest.words(units.usd)}")
    return judge
