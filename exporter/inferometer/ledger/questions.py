"""What is asked of a ledger, or of the store that its rows go to: who used most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from inferometer.ledger.counting import HOUR, MEASURES
from inferometer.ledger.database import Database
from inferometer.ledger.ranking import totals_of_first
from inferometer.pricing import NANO
from inferometer.sinks.answers import CHECKS, KINDS

# Columns of `top`: of calls, and how often what else there was ended, by its kind of row.
OF_CALLS = ("requests", "success", "error", "rejected", "invalid", "abort", "usage_missing",
            "input", "cached", "cache_write", "output", "reasoning", "price_unknown", "over_cost",
            "within_limits")
OF_STEPS = {"tool": "tool_calls", "mcp": "mcp_operations", "run": "agent_runs",
            "retrieval": "retrievals", "rerank": "reranks", "evaluation": "evaluations",
            "feedback": "feedback"}
# What answers were checked for, and those that were refusals: several kinds in one column each.
CHECK_COLUMNS = ("parse_checks", "parse_failures", "refusals")
TIMES = ("mean_duration_seconds", "mean_time_to_first_token_seconds")
COST, WITHOUT_COST = "cost_usd", "calls_without_cost"
COLUMNS = (*OF_CALLS, COST, WITHOUT_COST, *TIMES, *OF_STEPS.values(), "documents",
           *CHECK_COLUMNS)
TIES = 1000  # groups beyond those asked for that are looked at, as they may have as much
_INPUT = MEASURES.index("input")
# Groups that are of few kinds of rows.
ONLY = {"tool": ("tool", "tool_arguments"), "agent": ("run",), "model": ("call", *sorted(KINDS)),
        "provider": ("call",), "operation": ("call",)}


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
        """See AskedStore. None is left out but users: those are more than a thousand others."""
        connection, statements = self._database.connection, self._database.statements
        if most and by == "user":
            first = totals_of_first(self._database, hour, most, TIES)
            if first is not None:
                return first
            # First by what decides it: all sums of all users would be many times that.
            leaders = connection.execute(
                statements.totals_of_leaders, (hour, hour, most + TIES, 0)).fetchall()
            if _are_enough(leaders, most):
                return leaders
        return connection.execute(statements.totals_by[by], (hour,))


def _are_enough(leaders: Sequence[Sequence[Any]], most: int) -> bool:
    """Whether whoever was left out has less than the last of so many, or nobody was."""
    tokens: dict[str, int] = {}
    for name, _, *sums in leaders:
        tokens[name] = tokens.get(name, 0) + sums[_INPUT]
    greatest = sorted(tokens.values(), reverse=True)
    return len(greatest) < most + TIES or greatest[-1] < greatest[most - 1]


def top(store: AskedStore, by: str, since: int, most: int = 0) -> Sequence[Top]:
    """Groups by what they used, most tokens first; since this hour of arrival began.

    All of them, or so many.
    """
    groups: dict[str, Top] = {}
    for name, kind, *sums in store.totals(by, since // HOUR, most):
        if kind not in ONLY.get(by, (kind,)):
            continue
        _add(groups.setdefault(name, Top(name)).figures, kind,
             dict(zip(MEASURES, sums, strict=True)))
    return sorted(groups.values(), key=lambda group: (*(
        -(group.figures[name] or 0) for name in ("input", "requests", *OF_STEPS.values())),
        group.name))[:most or None]


def _add(figures: dict[str, float | None], kind: str, sums: Mapping[str, int]) -> None:
    if kind in KINDS:
        _add_checks(figures, kind, sums)
        return
    if kind != "call":
        figures[OF_STEPS[kind]] = sums["ended"]
        figures["documents"] = (figures["documents"] or 0) + sums["documents"]
        return
    figures.update({name: sums[name] for name in OF_CALLS[1:]}, requests=sums["ended"])
    figures.update(_cost(sums))
    for name, count, total in zip(TIMES, ("timed", "first_tokens"), ("duration", "first_token"),
                                  strict=True):
        figures[name] = sums[total] / sums[count] / 1e9 if sums[count] else None


def _add_checks(figures: dict[str, float | None], kind: str, sums: Mapping[str, int]) -> None:
    columns = (("parse_checks", "ended"), ("parse_failures", "error")) if kind in CHECKS \
        else (("refusals", "ended"),)
    for column, measure in columns:
        figures[column] = (figures[column] or 0) + sums[measure]


def _cost(sums: Mapping[str, int]) -> dict[str, float | None]:
    """What calls cost in USD, and of how many that is not known, which the sum lacks.

    A sum that is nothing but for those is not known.
    """
    without = sums["price_unknown"] + sums["usage_missing"]
    return {COST: sums["cost"] / NANO if sums["cost"] or not without else None,
            WITHOUT_COST: without}
