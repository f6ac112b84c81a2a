"""What a trace comes to once it is quiet: each call, run, tool and search once.

The spans of each row are all that are this one call; those of a tool may be an operation over MCP
as well. Whoever settles a trace again, because a span came late, counts a row only if none of its
spans has been counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from inferometer.facts import (
    AgentRun,
    EngineCall,
    Evaluation,
    Fact,
    Feedback,
    McpOperation,
    ModelCall,
    Rerank,
    Retrieval,
    ToolCall,
    Usage,
)

F = TypeVar("F", bound=Fact)


class UsageState(StrEnum):
    """How much is known of a call's tokens."""

    KNOWN = "known"
    MISSING = "missing"  # no span of the call has any
    ESTIMATED = "estimated"  # by the sender's own tokenizer: counts as missing


def state_of(usage: Usage) -> UsageState:
    """How much is known of these."""
    if not usage:
        return UsageState.MISSING
    return UsageState.ESTIMATED if usage.estimated else UsageState.KNOWN


class CallRow(NamedTuple):
    """One call as one service made it.

    `call` has the identity, time, outcome and time to first token of the outermost span of the call
    in its service, and the usage of the innermost that has one. Where services pass a call on, each
    has a row and one of them is billed.
    """

    call: ModelCall
    spans: frozenset[bytes]  # span ids, the call's own included
    billed: bool = True  # tokens and money count here
    usage: UsageState = UsageState.MISSING
    calls: int | None = 1  # None: a wrapper's usage, whose calls nobody sent
    engine: EngineCall | None = None
    passed_on: int | None = None  # nanoseconds that it took the next service to which it was passed


class Step(NamedTuple, Generic[F]):
    """Anything else that happened, once."""

    fact: F
    spans: frozenset[bytes]


class RunRow(NamedTuple):
    """An agent's run, with what it did itself or had done."""

    fact: AgentRun
    spans: frozenset[bytes]
    calls: int | None = None  # None: its calls were not sent
    tool_calls: int = 0
    is_inner: bool = False  # whether it is part of another run


class Settlement(NamedTuple):
    """All of one trace, in the order of start."""

    rows: Sequence[CallRow] = ()
    runs: Sequence[RunRow] = ()
    tools: Sequence[Step[ToolCall]] = ()
    operations: Sequence[Step[McpOperation]] = ()  # over MCP: tools that are above among them
    retrievals: Sequence[Step[Retrieval]] = ()
    reranks: Sequence[Step[Rerank]] = ()
    evaluations: Sequence[Step[Evaluation]] = ()
    feedback: Sequence[Step[Feedback]] = ()
    engines: Sequence[EngineCall] = ()  # whose call is not in this trace: to join by response id
