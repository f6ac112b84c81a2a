"""Figures beside their limits, as the page shows them whether or not they are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from inferometer.home import units
from inferometer.home.judge import figures, money
from inferometer.home.judge.evidence import Evidence
from inferometer.home.judge.limits import InForce
from inferometer.home.judge.tally import ModelKey, ModelTally

REQUEST, FIRST_TOKEN, PER_TOKEN, ERRORS, GOODPUT = (
    "Request p95", "TTFT p95", "TPOT p95", "Errors", "Goodput")
_P95 = {REQUEST: "request_duration_p95", FIRST_TOKEN: "time_to_first_token_p95",
        PER_TOKEN: "time_per_output_token_p95"}


@dataclass(frozen=True)
class LimitedFigure:
    """A figure and the limit that it is held against; None is what is not known, or not there.

    `from_` is the lower end of one that is known as a band.
    """

    label: str
    value: float | None
    limit: float | None
    shown: Callable[[float], str]
    from_: float | None = None
    least: bool = False  # whether what is below the limit is amiss

    @property
    def over(self) -> bool:
        """Whether it is beyond its limit."""
        if self.value is None or self.limit is None:
            return False
        return self.value < self.limit if self.least else self.value > self.limit

    @property
    def share(self) -> float:
        """How much of its limit it is; 0 where that is not known."""
        if self.value is None or not self.limit:
            return 0.0
        return self.limit / max(self.value, 1e-9) if self.least else self.value / self.limit


def of_models(evidence: Evidence) -> Mapping[ModelKey, Sequence[LimitedFigure]]:
    """Latency, errors and goodput of each model."""
    return {key: [*_of_model(evidence, key, model)] for key, model in evidence.models()}


def _of_model(evidence: Evidence, key: ModelKey, model: ModelTally) -> Iterator[LimitedFigure]:
    for label, name in _P95.items():
        limit = evidence.limit(name, key[1])
        metric, make = figures.FIGURES[name]
        value = figures.judged(model, name, evidence.step)
        if value is None:
            value = make(model.window(metric, evidence.step), figures.enough(model))
        yield LimitedFigure(label, value, _value(limit), units.seconds)
    yield LimitedFigure(ERRORS, figures.error_ratio(model, evidence.step),
                   _value(evidence.limit("error", key[1])), units.share)
    band = figures.goodput(model, evidence.step, evidence.limits, key[1])
    yield LimitedFigure(GOODPUT, band and band[1], _value(evidence.limit("goodput", key[1])),
                   units.ratio, band and band[0], least=True)


def _value(limit: InForce | None) -> float | None:
    return limit.value if limit else None


def of_money(evidence: Evidence, ledger: money.Ledger) -> Sequence[LimitedFigure]:
    """Budgets of the fleet, and how much of each is spent."""
    limit = _value(evidence.limit("budget_used"))
    return [LimitedFigure(f"Budget of the {period}, {units.usd(budget.usd)}", share,
                     limit, units.ratio)
            for period, budget, share in money.used(evidence, ledger)]
