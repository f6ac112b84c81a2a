"""Answers a question: finds passages, asks the model with them, hands on what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry.util.genai.handler import TelemetryHandler

from .conversations import Conversation, Exchange
from .logs import HEADER, current_request_id
from .reranking import Reranker
from .retrieval import Hit, Index
from .settings import Settings

FOUND, SHOWN = 12, 4  # passages that are looked at, and those that the model is given
LEAST_SCORE = 0.2  # the cosine below which a passage is about something else
REMEMBERED = 2  # exchanges before this one that the model is given
INSTRUCTIONS = ("Answer from the passages alone, in plain text, in a few sentences. Say so where "
                "they do not hold the answer.")


@dataclass
class Answering:
    """What is needed to answer."""

    settings: Settings
    client: AsyncOpenAI
    index: Index
    reranker: Reranker
    handler: TelemetryHandler

    def sources(self, question: str) -> list[Hit]:
        """The passages for a question, best first; none where no page is about it."""
        hits = self.index.find(question, FOUND, LEAST_SCORE)
        return self.reranker.order(question, hits, SHOWN) if hits else []

    async def pieces(self, conversation: Conversation, exchange: Exchange,
                     sources: Sequence[Hit]) -> AsyncIterator[str]:
        """The answer, as it comes; it is written down in the exchange. Raises OpenAIError."""
        stream = await self.client.chat.completions.create(
            model=self.settings.model, max_tokens=self.settings.max_tokens, stream=True,
            stream_options={"include_usage": True},
            messages=self._messages(conversation, exchange, sources),
            extra_headers={HEADER: current_request_id()})
        async with stream:
            async for chunk in stream:
                if chunk.choices and (piece := chunk.choices[0].delta.content):
                    exchange.answer += piece
                    yield piece

    def _messages(self, conversation: Conversation, exchange: Exchange,
                  sources: Sequence[Hit]) -> list[ChatCompletionMessageParam]:
        room = self.settings.context_characters
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": f"{INSTRUCTIONS}\n\n{_context(sources, room)}"}]
        for earlier in conversation.exchanges[:-1][-REMEMBERED:]:
            messages += [{"role": "user", "content": earlier.question[:room // 8]},
                         {"role": "assistant", "content": earlier.answer[:room // 8]}]
        return [*messages, {"role": "user", "content": exchange.question[:room // 2]}]


def _context(sources: Sequence[Hit], characters: int) -> str:
    if not sources:
        return "No passage is about it."
    most = characters // len(sources)
    return "\n\n".join(
        f"[{number}] {hit.passage.page}: {hit.passage.heading}\n{hit.passage.text}"[:most]
        for number, hit in enumerate(sources, 1))
