"""OpenLIT's SDK.

Source: openlit/openlit, sdk/python/src/openlit/semcov/__init__.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from inferometer.spans.flavours.databases import means_of
from inferometer.spans.flavours.genai import GENAI, OPERATIONS
from inferometer.spans.flavours.reading import count, document, step_into, text
from inferometer.spans.flavours.table import (
    CHAIN,
    MCP_OPERATION,
    NOTHING,
    TOOL,
    Means,
    Steps,
    inside,
)
from inferometer.spans.span import Kind, Span

_MESSAGES = "gen_ai.output.messages"
# Methods of MCP by what stands in a span's name behind `mcp `, where that is another.
_METHODS: Mapping[str, str] = {
    **{name: name for name in ("initialize", "tools/call", "tools/list", "resources/list",
                               "resources/read", "prompts/list", "prompts/get")},
    "client/ping": "ping",
    "client/set_logging": "logging/setLevel",
    "client/complete": "completion/complete",
}
_REQUEST = "mcp.request.payload"
# "root=CallToolRequest(method='tools/call', params=CallToolRequestParams(…, name='search', …"
_SENT = re.compile(r"root=\w+\(method='([A-Za-z/]+)'")
_SENT_NAME = re.compile(r"[(,] ?name='([^']*)'")


def _estimated(span: Span) -> bool:
    """Half a text's length, rounded up, where no usage came; nothing marks it as a guess.

    Usage that came has its cached tokens beside it, if only 0, but not that of embeddings.
    """
    attributes = span.attributes
    if attributes.get("gen_ai.operation.name") == "embeddings":
        return False
    if "gen_ai.usage.cache_read.input_tokens" not in attributes:
        return True
    output = count(attributes.get("gen_ai.usage.output_tokens"))
    answer = "".join(
        text(part.get("content"))
        for message in _list(document(attributes.get(_MESSAGES)))
        for part in _list(step_into(message, ("parts",))) if isinstance(part, dict))
    return bool(answer) and output == (len(answer) + 1) // 2


def _of_database(span: Span) -> Means | None:
    """What a vector database was asked for: it may be a search."""
    return means_of(span) if span.attributes.get("gen_ai.operation.name") == "vectordb" else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


OPENLIT = GENAI.but(
    "OpenLIT",
    scopes=("openlit*",),
    marks=("gen_ai.sdk.version",),
    steps=(Steps("gen_ai.operation.name", {
        "framework": CHAIN,
        "workflow": CHAIN,
        "agent": CHAIN,
    }), OPERATIONS),
    odd=_of_database,
    fields={"time_to_first_token": ("gen_ai.server.time_to_first_token",),
            "documents": ("db.response.returned_rows",)},
    says_streamed=True,
    least_first_token=0.02,  # it begins with the answer's head, which may come with the token
    estimated=_estimated,
    long=(_MESSAGES,),
)


def _method(span: Span) -> str:
    """What was asked, as MCP names it; of a request as it is sent the payload alone says so."""
    name = span.name.removeprefix("mcp ")
    if name != "transport/request":
        return _METHODS.get(name, "")
    sent = _SENT.search(text(span.attributes.get(_REQUEST)))
    return sent[1] if sent else ""


def _operation(span: Span) -> Means:
    """A server's own spans are of its start and of handlers that are registered, not called."""
    method = "" if span.kind is Kind.SERVER else _method(span)
    return NOTHING if not method else TOOL if method == "tools/call" else MCP_OPERATION


def _tool(name: str) -> str:
    """A tool's name; a span without one has its own in its stead, which names none."""
    if name.startswith("mcp "):
        return ""
    sent = _SENT_NAME.search(name) if name.startswith("root=") else None
    return sent[1] if sent else name


# Each request has up to four spans, one in another: of the session's function, of the coroutine
# that it makes, and of the request as it is sent. Where no content is kept only the name of a
# tool that is given by keyword is known, and whether the tool failed is not.
OPENLIT_MCP = OPENLIT.but(
    "OpenLIT, MCP",
    scopes=("openlit.instrumentation.mcp*",),
    marks=(),
    odd=_operation,
    method=_method,
    tool_name=_tool,
    protocol="mcp",
    estimated=None,
    fields={
        "tool": ("mcp.tool.name", inside(_REQUEST, "params", "args", "0", long=True)),
        "failed": (inside("mcp.response.payload", "isError", long=True),),
    },
    content=(*OPENLIT.content, "mcp.tool.arguments"),
)
