"""Frameworks that write GenAI names themselves, with small differences."""

from __future__ import annotations

import re

from inferometer.spans.flavours.genai import GENAI, OPERATIONS
from inferometer.spans.flavours.reading import count, text
from inferometer.spans.flavours.table import (
    CHAIN,
    MCP_OPERATION,
    NOTHING,
    TOOL,
    Means,
    Steps,
    milliseconds,
)
from inferometer.spans.span import Span

_BEDROCK = re.compile(r"(^|[./])(anthropic|amazon)\.")  # how its models are named

def no_handoff(span: Span) -> Means | None:
    """To pass on to another agent is no tool."""
    tool = span.attributes.get("gen_ai.tool.name")
    return NOTHING if tool == "transfer_to_agent" else None


def _only_asked_for(span: Span) -> Means | None:
    attributes = span.attributes
    asked = "gen_ai.tool.call.id" in attributes
    return CHAIN if attributes.get("gen_ai.operation.name") == "execute_tool" and not asked \
        else None


def _with_cached(span: Span) -> dict[str, object]:
    """Bedrock's input leaves out what its cache was asked for, which only the total has."""
    tokens, output, total = (count(span.attributes.get(f"gen_ai.usage.{name}_tokens"))
                             for name in ("input", "output", "total"))
    model = text(span.attributes.get("gen_ai.request.model"))
    if tokens is None or output is None or total is None or total <= tokens + output \
            or not _BEDROCK.search(model):
        return {}
    return {"input": total - output}


# Source: strands-agents/sdk-python, src/strands/telemetry/tracer.py. It always streams, and its
# time to first token is a whole number of milliseconds.
STRANDS = GENAI.but(
    "Strands Agents",
    scopes=("strands.*",),
    marks=("event_loop.cycle_id",),
    steps=(Steps("gen_ai.operation.name", {"execute_event_loop_cycle": CHAIN}), OPERATIONS),
    fields={"time_to_first_token": (milliseconds("gen_ai.server.time_to_first_token"),)},
    always_streams=True,
    usage=_with_cached,
)

# Source: google/adk-python, src/google/adk/telemetry/tracing.py.
GOOGLE_ADK = GENAI.but(
    "Google ADK",
    scopes=("gcp.vertex.agent",),
    marks=("gcp.vertex.agent.invocation_id",),
    odd=no_handoff,
    fields={
        "conversation": ("gcp.vertex.agent.session_id",),
        "response_id": ("gcp.vertex.agent.response_id",),
    },
)

# Source: anthropics/anthropic-sdk-python. The SDK itself makes a span of each call.
ANTHROPIC_SDK = GENAI.but(
    "Anthropic's SDK",
    scopes=("com.anthropic.sdk.*",),
    marks=(),
    fields={"request_id": ("anthropic.request.id",)},
)

# Source: pydantic/pydantic-ai, models/instrumented.py; its agents' sums have names of their own.
PYDANTIC_AI = GENAI.but(
    "Pydantic AI",
    scopes=("pydantic-ai*",),
    marks=(),
    fields={
        "agent": ("agent_name",),
    },
    asked=(*GENAI.asked, "model_request_parameters"),
)

# Source: microsoft/semantic-kernel, python/semantic_kernel/utils/telemetry. A function that no
# model asked for, such as a prompt, has a tool's operation too.
SEMANTIC_KERNEL = GENAI.but(
    "Semantic Kernel",
    scopes=("semantic_kernel*", "Microsoft.SemanticKernel*"),
    marks=(),
    odd=_only_asked_for,
    tool_name=lambda name: name.rpartition("-")[2],  # behind its plugin's
)

# Source: DataDog/dd-trace-py, ddtrace/llmobs/_utils.py: its spans have no scope, and a step's own
# name stands beside that of its kind.
DDTRACE = GENAI.but(
    "ddtrace",
    scopes=("ddtrace*",),
    marks=("_dd.llmobs.artificial_gen_ai_tags", "_dd.llmobs.span_kind"),
    fields={
        "request_model": ("openai.request.model",),
        "response_model": ("openai.response.model", "_dd.llmobs.model_name"),
        "agent": ("operation.name",),
        "tool": ("operation.name",),
    },
)

# Source: modelcontextprotocol/python-sdk and the conventions' docs/gen-ai/mcp.md. Client and server
# of one call are one above the other.
MCP = GENAI.but(
    "MCP",
    scopes=("mcp-*", "mcp", "fastmcp*"),
    marks=("mcp.method.name",),
    steps=(Steps("mcp.method.name", {"tools/call": TOOL}, otherwise=MCP_OPERATION), OPERATIONS),
    fields={
        "method": ("mcp.method.name",),
        "code": ("rpc.response.status_code",),
    },
)
