"""What a scenario's settled traces say, and what was true of it, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inferometer.facts import Outcome
from inferometer.spans.settlement import Settlement, UsageState

TOKENS = ("input", "cached", "cache_write", "output", "reasoning")


@dataclass(frozen=True)
class Figures:
    """Sums of one scenario."""

    calls: int
    succeeded: int
    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    first_tokens: int  # streams whose time to first token is known
    tools: tuple[str, ...]
    documents: tuple[int | None, ...]
    reranks: tuple[int | None, ...]
    operations: tuple[str, ...] = ()  # over MCP: the method, and how it ended

    def differences(self, true: Figures) -> dict[str, tuple[Any, Any]]:
        """Each field that is not the true one, with both."""
        mine, theirs = asdict(self), asdict(true)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def summed(settled: Sequence[Settlement]) -> Figures:
    rows = [row for trace in settled for row in trace.rows]
    billed = [row.call.usage for row in rows if row.billed and row.usage is UsageState.KNOWN]
    reranks = [step.fact for trace in settled for step in trace.reranks]
    return Figures(
        calls=sum(row.calls or 0 for row in rows),
        succeeded=sum(row.calls is not None and row.call.outcome is Outcome.SUCCESS
                      for row in rows),
        **{name: sum(getattr(usage, name) or 0 for usage in billed) for name in TOKENS},
        first_tokens=sum(row.call.time_to_first_token is not None for row in rows),
        tools=tuple(sorted(step.fact.tool for trace in settled for step in trace.tools)),
        documents=tuple(step.fact.documents for trace in settled for step in trace.retrievals),
        reranks=tuple(rerank.documents for rerank in reranks),
        operations=tuple(sorted(f"{step.fact.method} {step.fact.outcome}" for trace in settled
                                for step in trace.operations)))


def true(scenario: Mapping[str, Any]) -> Figures:
    return Figures(
        calls=scenario["model_calls"], succeeded=scenario["model_calls_ok"],
        **{name: scenario["tokens"][name] for name in TOKENS},
        first_tokens=sum(bool(call.get("ttft")) for call in scenario["calls"]),
        tools=tuple(sorted(scenario["tools_run"])),
        documents=tuple(scenario["retrievals"]), reranks=tuple(scenario["reranks"]),
        operations=tuple(scenario.get("operations", ())))
