"""What is asked of a ledger, or of the store that its rows go to: who used most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from inferometer.ledger.counting import HOUR, MEASURES
from inferometer.ledger.database import Database
from inferometer.pricing import NANO

# Columns of `top`: of calls, and how often what else there was ended, by its kind of row.
OF_CALLS = ("requests", "success", "error", "rejected", "invalid", "abort", "usage_missing",
            "input", "cached", "cache_write", "output", "reasoning", "price_unknown", "over_cost",
            "within_limits")
OF_STEPS = {"tool": "tool_calls", "mcp": "mcp_operations", "run": "agent_runs",
            "retrieval": "retrievals", "rerank": "reranks", "evaluation": "evaluations",
            "feedback": "feedback"}
TIMES = ("mean_duration_seconds", "mean_time_to_first_token_seconds")
COST, WITHOUT_COST = "cost_usd", "calls_without_cost"
COLUMNS = (*OF_CALLS, COST, WITHOUT_COST, *TIMES, *OF_STEPS.values(), "documents")
# Groups that are of one kind of row.
ONLY = {"tool": "tool", "agent": "run", "model": "call", "provider": "call", "operation": "call"}


@dataclass
class Top:
    """One group: its name, and its figures by the names of COLUMNS; None is not known."""

    name: str
    figures: dict[str, float | None] = field(default_factory=lambda: {
        name: None if name in (COST, *TIMES) else 0 for name in COLUMNS})


class AskedStore(Protocol):
    """A store that can be asked."""

    def totals(self, by: str, hour: int, most: int) -> Iterable[Sequence[Any]]:
        """Of each group, one of GROUPS, and each kind of row: both names, and then the sums.

        Sums are by the names of MEASURES, since this hour of Unix time. Groups may be left out that
        are not among so many in the order of `top`; 0 leaves none out.
        """
        ...


class LedgerAnswers:
    """The answers of a ledger itself, from its roll-ups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self, by: str, hour: int, most: int) -> Iterable[Sequence[Any]]:
        """See AskedStore; none is left out."""
        return self._database.connection.execute(
            self._database.statements.totals_by[by], (hour,))


def top(store: AskedStore, by: str, since: int, most: int = 0) -> Sequence[Top]:
    """Groups by what they used, most tokens first; since this hour of arrival began.

    All of them, or so many.
    """
    groups: dict[str, Top] = {}
    for name, kind, *sums in store.totals(by, since // HOUR, most):
        if ONLY.get(by, kind) != kind:
            continue
        _add(groups.setdefault(name, Top(name)).figures, kind,
             dict(zip(MEASURES, sums, strict=True)))
    return sorted(groups.values(), key=lambda group: (*(
        -(group.figures[name] or 0) for name in ("input", "requests", *OF_STEPS.values())),
        group.name))[:most or None]


def _add(figures: dict[str, float | None], kind: str, sums: Mapping[str, int]) -> None:
    if kind != "call":
        figures[OF_STEPS[kind]] = sums["ended"]
        figures["documents"] = (figures["documents"] or 0) + sums["documents"]
        return
    figures.update({name: sums[name] for name in OF_CALLS[1:]}, requests=sums["ended"])
    figures.update(_cost(sums))
    for name, count, total in zip(TIMES, ("timed", "first_tokens"), ("duration", "first_token"),
                                  strict=True):
        figures[name] = sums[total] / sums[count] / 1e9 if sums[count] else None


def _cost(sums: Mapping[str, int]) -> dict[str, float | None]:
    """What calls cost in USD, and of how many that is not known, which the sum lacks.

    A sum that is nothing but for those is not known.
    """
    without = sums["price_unknown"] + sums["usage_missing"]
    return {COST: sums["cost"] / NANO if sums["cost"] or not without else None,
            WITHOUT_COST: without}
