"""MLflow's tracing: every value is a JSON text.

Source: mlflow/mlflow, mlflow/tracing/constant.py and mlflow/entities/span.py.
"""

from __future__ import annotations

from inferometer.spans.flavours.reading import Documents, document, listing
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    NOTHING,
    RERANK,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Flavour,
    Steps,
    inside,
)
from inferometer.spans.span import Span


def _documents(span: Span) -> Documents:
    return listing(span.attributes.get("mlflow.spanOutputs"))


def _reranked(span: Span) -> tuple[Documents, Documents]:
    """Of what a reranker was given, the documents are the only list."""
    given = document(span.attributes.get("mlflow.spanInputs"))
    lists = [value for value in given.values() if isinstance(value, list)] \
        if isinstance(given, dict) else []
    return lists[0] if len(lists) == 1 else None, _documents(span)


MLFLOW = Flavour(
    name="MLflow",
    scopes=("mlflow*",),
    marks=("mlflow.spanType",),
    steps=(Steps("mlflow.spanType", {
        '"CHAT_MODEL"': CHAT,
        '"LLM"': COMPLETION,
        '"EMBEDDING"': EMBEDDINGS,
        '"RETRIEVER"': RETRIEVAL,
        '"RERANKER"': RERANK,
        '"TOOL"': TOOL,
        '"AGENT"': AGENT,
        '"CHAIN"': CHAIN,
        '"WORKFLOW"': WORKFLOW,
        '"TASK"': CHAIN,
    }, otherwise=NOTHING),),
    fields={
        "provider": ("mlflow.llm.provider", "mlflow.message.format"),
        "request_model": ("model",),
        "response_model": ("mlflow.llm.model",),
        "input": (inside("mlflow.chat.tokenUsage", "input_tokens"),
                  inside("mlflow.spanOutputs", "usage", "prompt_tokens", long=True)),
        "cached": (inside("mlflow.chat.tokenUsage", "cache_read_input_tokens"),),
        "cache_write": (inside("mlflow.chat.tokenUsage", "cache_creation_input_tokens"),),
        "output": (inside("mlflow.chat.tokenUsage", "output_tokens"),),
        "reasoning": (inside("mlflow.spanOutputs", "usage", "completion_tokens_details",
                             "reasoning_tokens", long=True),
                      inside("mlflow.spanOutputs", "usage", "output_tokens_details",
                             "reasoning_tokens", long=True)),
        "streamed": ("stream",),
        "finish_reason": (inside("mlflow.spanOutputs", "choices", "0", "finish_reason", long=True),
                          inside("mlflow.spanOutputs", "stop_reason", long=True)),
        "response_id": (inside("mlflow.spanOutputs", "id", long=True),),
        "user": ("user", "mlflow.trace.user"),
        "conversation": ("mlflow.trace.session",),
    },
    first_token_events=("mlflow.chunk.item.0",),
    content=("mlflow.spanInputs", "mlflow.spanOutputs"),
    answer=("mlflow.spanOutputs",),
    asked=("mlflow.spanInputs",),
    given=("mlflow.spanInputs",),
    retrieved=("mlflow.spanOutputs",),
    documents=_documents,
    reranked=_reranked,
    quoted=True,
    long=("mlflow.spanInputs", "mlflow.spanOutputs"),
)
