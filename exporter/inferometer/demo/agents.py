"""Agents of the demo's applications: runs of some calls to a model, with a tool after each.

Span names are those of docs/gen-ai/gen-ai-agent-spans.md of
open-telemetry/semantic-conventions-genai.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from inferometer.demo.endings import CallEnding
from inferometer.demo.fleet import Agent
from inferometer.demo.telemetry import INTERNAL, NANO, SpanPlace, new_id, step

CALLS = 1, 6  # of most runs
LONG_RUN, LONG_CALLS = 0.05, 12  # how often a run goes on for so long
TOOL_SECONDS, TOOL_FAILS = (0.05, 0.4), 0.04
TOOL_ERROR = "TimeoutError"


class AgentRuns:
    """One run of an agent after the other: each is a trace, which ends with its own span."""

    def __init__(self, agent: Agent, dice: Random) -> None:
        self._agent, self._dice = agent, dice
        self._started = 0  # in Unix nanoseconds
        self._begin()

    @property
    def place(self) -> SpanPlace:
        """Of the next call, below the run that goes on."""
        return SpanPlace(self._trace_id, self._span_id)

    def followed(self, ending: CallEnding, end: int) -> Iterator[Mapping[str, Any]]:
        """The spans that end with this call, or soon after: a tool's, and the run's at its last."""
        self._started = min(self._started or end, end - int(ending.seconds * NANO))
        self._left -= 1
        if self._left > 0 and not ending.error:
            yield self._tool(end)
            return
        yield step("invoke_agent", {"gen_ai.agent.name": self._agent.name}, ending.error,
                   SpanPlace(self._trace_id, ""), self._span_id, (self._started, end), INTERNAL)
        self._begin()

    def _begin(self) -> None:
        self._trace_id, self._span_id = new_id(self._dice, 16), new_id(self._dice, 8)
        self._left = LONG_CALLS if self._dice.random() < LONG_RUN else self._dice.randint(*CALLS)
        self._started = 0

    def _tool(self, end: int) -> Mapping[str, Any]:
        took = int(self._dice.uniform(*TOOL_SECONDS) * NANO)
        tool = {"gen_ai.tool.name": self._dice.choice(self._agent.tools),
                "mcp.method.name": "tools/call"}
        return step("execute_tool", tool,
                    TOOL_ERROR if self._dice.random() < TOOL_FAILS else "",
                    self.place, new_id(self._dice, 8), (end - took, end), INTERNAL)
