"""Haystack's own tracing. Usage is in a component's output, where content is traced.

Source: deepset-ai/haystack, haystack/core/pipeline/base.py, haystack/components/agents and
haystack/components/generators/chat/openai.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.genai import GENAI
from inferometer.spans.flavours.reading import Documents, document, listing, step_into
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    NOTHING,
    RERANK,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Flavour,
    Means,
    Origins,
    inside,
)
from inferometer.spans.span import Span

_TYPE, _INPUT = "haystack.component.type", "haystack.component.input"
_OUTPUT = "haystack.component.output"
_AGENT_OUTPUT = "haystack.agent.step.llm.output"
_ENDINGS = {"Generator": CHAT, "TextEmbedder": EMBEDDINGS, "DocumentEmbedder": EMBEDDINGS,
            "Retriever": RETRIEVAL, "Ranker": RERANK, "Agent": AGENT}


def _component(span: Span) -> Means | None:
    """A component is what the end of its class's name says."""
    name = str(span.attributes.get(_TYPE, ""))
    return next((means for ending, means in _ENDINGS.items() if name.endswith(ending)),
                CHAIN if name else None)


def _documents(span: Span) -> Documents:
    return listing(step_into(document(span.attributes.get(_OUTPUT)), ("documents",)))


def _reranked(span: Span) -> tuple[Documents, Documents]:
    given = document(span.attributes.get(_INPUT))
    return listing(step_into(given, ("documents",))), _documents(span)


def _reply(*path: str) -> Origins:
    return (inside(_OUTPUT, "replies", "0", "meta", *path, long=True),
            inside(_OUTPUT, "meta", "0", *path, long=True),
            inside(_OUTPUT, "meta", *path, long=True),
            inside(_AGENT_OUTPUT, "replies", "0", "meta", *path, long=True))


HAYSTACK = Flavour(
    name="Haystack",
    scopes=("haystack*",),
    marks=(_TYPE, "haystack.agent.step", "haystack.tool.name", "haystack.agent.max_steps"),
    names={
        "haystack.pipeline.run": WORKFLOW,
        "haystack.async_pipeline.run": WORKFLOW,
        "haystack.agent.run": AGENT,
        "haystack.agent.step": CHAIN,
        "haystack.agent.step.llm": CHAT,
        "haystack.agent.step.tool": TOOL,
        "haystack.agent.hook": NOTHING,
    },
    odd=_component,
    fields={
        "response_model": _reply("model"),
        "input": (*_reply("usage", "prompt_tokens"),
                  *_reply("usage", "input_tokens")),
        "cached": (*_reply("usage", "prompt_tokens_details",
                           "cached_tokens"),),
        "output": (*_reply("usage", "completion_tokens"),
                   *_reply("usage", "output_tokens")),
        "reasoning": (*_reply("usage", "completion_tokens_details",
                              "reasoning_tokens"),),
        "finish_reason": _reply("finish_reason"),
        "first_token": _reply("completion_start_time"),  # of streams alone, in local time
        "error": GENAI.fields["error"],
        "failed": ("haystack.tool.error",),
        "tool": ("haystack.tool.name",),
        "agent": ("haystack.component.name",),
    },
    content=(_INPUT, _OUTPUT, _AGENT_OUTPUT),
    answer=(_OUTPUT, _AGENT_OUTPUT),
    asked=(_INPUT,),
    given=(_INPUT,),
    retrieved=(_OUTPUT,),
    documents=_documents,
    reranked=_reranked,
    long=(_INPUT, _OUTPUT, _AGENT_OUTPUT),
)
