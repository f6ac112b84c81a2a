"""Vercel's AI SDK: 6, and 7 with its LegacyOpenTelemetry. Roots repeat what is below them.

Source: vercel/ai, packages/ai/src/telemetry and content/docs/03-ai-sdk-core/60-telemetry.mdx.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, document, listing, step_into, text
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    NOTHING,
    RERANK,
    TOOL,
    Steps,
    milliseconds,
)
from inferometer.spans.span import Span


def _reranked(span: Span) -> tuple[Documents, Documents]:
    """Of what comes back each is a JSON text with its place among what was given."""
    given, ranking = (listing(span.attributes.get(f"ai.{name}"))
                      for name in ("documents", "ranking"))
    places = None if ranking is None else [
        step_into(document(text(one)), ("index",)) for one in ranking]
    return None if given is None else range(len(given)), places


# Version 7 with @ai-sdk/otel: GenAI's names, and a time to the first output, not first event.
VERCEL_OTEL = GENAI.but("Vercel AI SDK 7", scopes=("gen_ai",), marks=(), first_event=False)

VERCEL = GENAI.but(
    "Vercel AI SDK",
    scopes=("ai",),
    marks=("ai.operationId",),
    first_event=False,
    steps=(Steps("ai.operationId", {
        "ai.generateText": AGENT,
        "ai.streamText": AGENT,
        "ai.generateObject": CHAIN,
        "ai.streamObject": CHAIN,
        "ai.embed": CHAIN,
        "ai.embedMany": CHAIN,
        "ai.rerank": CHAIN,
        "ai.generateText.doGenerate": CHAT,
        "ai.streamText.doStream": CHAT,
        "ai.generateObject.doGenerate": CHAT,
        "ai.streamObject.doStream": CHAT,
        "ai.embed.doEmbed": EMBEDDINGS,
        "ai.embedMany.doEmbed": EMBEDDINGS,
        "ai.rerank.doRerank": RERANK,
        "ai.toolCall": TOOL,
    }, otherwise=NOTHING), *GENAI.steps),
    fields={
        "provider": ("ai.model.provider",),
        "request_model": ("ai.model.id",),
        "response_model": ("ai.response.model",),
        "input": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "cached": ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        "cache_write": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "output": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "reasoning": ("ai.usage.outputTokenDetails.reasoningTokens",
                      "ai.usage.reasoningTokens"),
        "time_to_first_token": (milliseconds("ai.response.msToFirstChunk"),),
        "finish_reason": ("ai.response.finishReason",),
        "response_id": ("ai.response.id",),
        "conversation": ("ai.telemetry.metadata.sessionId", "ai.telemetry.metadata.threadId"),
        "user": ("ai.telemetry.metadata.userId",),
        "agent": ("ai.telemetry.functionId",),
        "tool": ("ai.toolCall.name",),
        "call_id": ("ai.toolCall.id",),
        "model": ("ai.model.id",),
    },
    content=("ai.prompt", "ai.prompt.messages", "ai.response.text", "ai.response.toolCalls",
             "ai.response.object", "ai.toolCall.args", "ai.toolCall.result"),
    answer=("ai.response.text", "ai.response.object", "ai.response.toolCalls"),
    asked=("ai.operationId", "ai.prompt.tools"),
    given=("ai.prompt", "ai.prompt.messages"),
    reranked=_reranked,
    long=("ai.documents", "ai.ranking"),
)
