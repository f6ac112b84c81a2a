"""Spring AI by Micrometer, whose values are all texts.

Source: spring-projects/spring-ai, spring-ai-model/src/main/java, package chat.observation and
tool.observation; spring-ai-docs, observability.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.table import CHAIN, NOTHING, RETRIEVAL, TOOL, Means, Steps
from inferometer.spans.running import SCOPE
from inferometer.spans.span import Span


def _store(span: Span) -> Means | None:
    """What is put into a vector store, or taken out of it, is no search."""
    if span.attributes.get("spring.ai.kind") != "vector_store":
        return None
    return RETRIEVAL if span.attributes.get("db.operation.name") == "query" else NOTHING


SPRING_AI = GENAI.but(
    "Spring AI",
    scopes=(SCOPE,),
    marks=("spring.ai.kind",),
    odd=_store,
    steps=(Steps("spring.ai.kind", {
        "chat_client": CHAIN, "advisor": CHAIN, "tool_call": TOOL,
    }), *GENAI.steps),
    fields={
        "tool": ("spring.ai.tool.definition.name",),
        "call_id": ("spring.ai.tool.call.id",),
        "conversation": ("spring.ai.chat.client.conversation.id",),
        "system": ("db.system",),
    },
    reads=("db.operation.name",),
)
