"""Agents and tools: the gateways' own series, which no rule records, asked when a row is opened."""

from __future__ import annotations

from dashboards.model import Panel, PanelRow, Query
from dashboards.panels import timeseries
from dashboards.variables import of_services
from inferometer import catalogue as c
from inferometer.catalogue import Label, Metric
from recording_rules.promql import WINDOW, any_of, by, ratio

EMPTY = ("No data: no agent or tool ran in this time, or the instrumentation has no spans of them: "
         "see docs/telemetry.md.")
SHORT = "No data: no trace came to so many calls in this time."


def _rate(name: str, label: Label, *matchers: str) -> str:
    return (f"sum {by((c.SERVICE_NAME.name, label.name))} "
            f"(rate({of_services(name, *matchers)}[{WINDOW}]))")


def _lines(title: str, description: str, unit: str, expr: str, label: Label) -> Panel:
    legend = f"{{{{{c.SERVICE_NAME.name}}}}} {{{{{label.name}}}}}"
    return timeseries(title, description, unit, Query(expr, legend), empty=EMPTY)


def _unsuccessful(metric: Metric, label: Label) -> str:
    return ratio(_rate(metric.name, label, any_of(c.OUTCOME, *c.OUTCOMES[1:])),
                 _rate(metric.name, label))


def _per_run(metric: Metric) -> str:
    return ratio(_rate(f"{metric.name}_sum", c.AGENT), _rate(f"{metric.name}_count", c.AGENT))


ROW = PanelRow("Agents and tools", (
    _lines("Runs", "Ended per second, of agents, workflows and chains.", "ops",
           _rate(c.AGENT_RUNS.name, c.AGENT), c.AGENT),
    _lines("Unsuccessful runs", "Share of runs that failed, were turned away or were given up.",
           "percentunit", _unsuccessful(c.AGENT_RUNS, c.AGENT), c.AGENT),
    _lines("Calls per run", "To models, on average, of agents and outermost workflows: a rise is "
           "an agent that no longer comes to an end.", "short", _per_run(c.AGENT_CALLS), c.AGENT),
    _lines("Tool calls per run", "On average: a rise beside it is a tool that is called over and "
           "over.", "short", _per_run(c.AGENT_TOOL_CALLS), c.AGENT),
    _lines("Tool calls", "Ended per second.", "ops", _rate(c.TOOL_CALLS.name, c.TOOL), c.TOOL),
    _lines("Unsuccessful tool calls", "Share of a tool's calls that failed: agents try again, and "
           "pay for it.", "percentunit", _unsuccessful(c.TOOL_CALLS, c.TOOL), c.TOOL),
    _lines("MCP operations", "Ended per second, requests and notifications, by the service that "
           "sent them; calls of tools are among them.", "ops",
           _rate(c.MCP_OPERATIONS.name, c.METHOD), c.METHOD),
    _lines("Unsuccessful MCP operations", "Share of them that failed: a server that is down, or is "
           "asked for what it does not have.", "percentunit",
           _unsuccessful(c.MCP_OPERATIONS, c.METHOD), c.METHOD),
    timeseries("Long traces", "Traces that came to so many calls in the last hour, also while they "
               "go on.", "short",
               Query(f"sum {by((c.CALLS.name,))} "
                     f"(increase({of_services(c.CLIENT_LONG_TRACES.name)}[1h])) > 0",
                     "{{calls}}"),
               empty=SHORT, width=24),
), collapsed=True)
