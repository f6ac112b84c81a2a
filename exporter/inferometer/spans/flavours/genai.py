"""OpenTelemetry's GenAI conventions: old (1.28), middle (1.36 to 1.41) and 0.1.0.

Source: open-telemetry/semantic-conventions up to 1.41, then semantic-conventions-genai.
"""

from __future__ import annotations

from inferometer.spans.flavours.reading import count, genai_documents
from inferometer.spans.flavours.table import (
    AGENT,
    CHAIN,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    GENERATE,
    NOTHING,
    RERANK,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Flavour,
    Means,
    StepKind,
    Steps,
)
from inferometer.spans.span import Span

OPERATIONS = Steps("gen_ai.operation.name", {
    "chat": CHAT,
    "text_completion": COMPLETION,
    "generate_content": GENERATE,
    "embeddings": EMBEDDINGS,
    "invoke_agent": AGENT,
    "invoke_workflow": WORKFLOW,
    "create_agent": NOTHING,
    "handoff": NOTHING,
    "execute_tool": TOOL,
    "retrieval": RETRIEVAL,
    "rerank": RERANK,
    "plan": CHAIN,
    "agent_step": CHAIN,
    # Not in the conventions, but sent: by LiteLLM, Semantic Kernel, OpenLIT, Datadog, Microsoft's
    # extensions and older ones.
    "llm": CHAT,
    "agent": AGENT,
    "workflow": WORKFLOW,
    "task": CHAIN,
    "tool": TOOL,
    "orchestrate_tools": CHAIN,
    "text.completions": COMPLETION,
    "completion": CHAT,
    "chat.completions": CHAT,
    "chat_completion": CHAT,
    "responses": CHAT,
    "message": CHAT,
    "embedding": EMBEDDINGS,
    "embed": EMBEDDINGS,
    "vector_db_retrieve": RETRIEVAL,
    "execute_task": CHAIN,
    "image": Means(StepKind.CALL, "image_generation"),
    "image_generation": Means(StepKind.CALL, "image_generation"),
})

# How Traceloop said it before the conventions, and LiteLLM still does.
REQUEST_TYPES = Steps("llm.request.type", {
    "chat": CHAT,
    "completion": COMPLETION,
    "embedding": EMBEDDINGS,
    "responses": CHAT,
    "rerank": RERANK,
})


def with_cached(span: Span) -> dict[str, object]:
    """Bedrock's count of input leaves out all that its cache was asked for."""
    counts = [count(span.attributes.get(f"gen_ai.usage.{name}input_tokens"))
              for name in ("", "cache_read.", "cache_creation.")]
    return {} if counts[0] is None else {"input": sum(number or 0 for number in counts)}


GENAI = Flavour(
    name="OpenTelemetry GenAI",
    scopes=("opentelemetry.instrumentation.genai.*", "opentelemetry.instrumentation.openai_v2",
            "opentelemetry.util.genai*"),
    marks=("gen_ai.operation.name", "gen_ai.system", "gen_ai.provider.name",
           "gen_ai.request.model"),
    steps=(OPERATIONS, REQUEST_TYPES),
    tells_finish=("opentelemetry.instrumentation.genai.openai",
                  "opentelemetry.instrumentation.genai.langchain"),
    first_event=True,
    fields={
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "request_model": ("gen_ai.request.model",),
        "response_model": ("gen_ai.response.model",),
        "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "cached": ("gen_ai.usage.cache_read.input_tokens",
                   "gen_ai.usage.cache_read_input_tokens",
                   "gen_ai.usage.input_tokens.cached",
                   "gen_ai.usage.cached_input_tokens",
                   "gen_ai.usage.details.cache_read_tokens"),
        "cache_write": ("gen_ai.usage.cache_write.input_tokens",
                        "gen_ai.usage.cache_creation.input_tokens",
                        "gen_ai.usage.cache_write_input_tokens",
                        "gen_ai.usage.cache_creation_input_tokens",
                        "gen_ai.usage.details.cache_write_tokens"),
        "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "reasoning": ("gen_ai.usage.reasoning.output_tokens",
                      "gen_ai.usage.reasoning_tokens",
                      "gen_ai.usage.reasoning_output_tokens",
                      "gen_ai.usage.output_tokens.reasoning",
                      "gen_ai.usage.details.reasoning_tokens"),
        "total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
        "streamed": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
        "time_to_first_token": ("gen_ai.response.time_to_first_chunk",
                                "gen_ai.client.operation.time_to_first_chunk"),
        "finish_reason": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
        "response_id": ("gen_ai.response.id",),
        "request_id": ("gen_ai.request.id", "http.request.id"),
        "conversation": ("gen_ai.conversation.id", "session.id"),
        "user": ("enduser.id", "user.id", "gen_ai.user", "gen_ai.request.user"),
        "prompt_name": ("gen_ai.prompt.name",),
        "prompt_version": ("gen_ai.prompt.version",),
        "server_address": ("server.address",),
        "service_tier": ("openai.response.service_tier",
                         "gen_ai.openai.response.service_tier",
                         "anthropic.response.service_tier",
                         "llm.openai.service_tier"),
        "error": ("error.type",),
        "code": ("http.response.status_code", "http.status_code"),
        "agent": ("gen_ai.agent.name", "gen_ai.workflow.name"),
        "tool": ("gen_ai.tool.name",),
        "call_id": ("gen_ai.tool.call.id",),
        "system": ("db.system.name", "db.system"),
        "store": ("gen_ai.provider.name",),
        "model": ("gen_ai.request.model",),
    },
    long=("gen_ai.retrieval.documents",),
    content=("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
             "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
             "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"),
    answer=("gen_ai.output.messages",),
    asked=("gen_ai.output.type", "gen_ai.tool.definitions",
           "gen_ai.openai.request.response_format"),
    given=("gen_ai.input.messages", "gen_ai.system_instructions"),
    retrieved=("gen_ai.retrieval.documents",),
    documents=genai_documents,
)

# Source: open-telemetry/opentelemetry-python-contrib, botocore/extensions/bedrock.py.
GENAI_BEDROCK = GENAI.but(
    "OpenTelemetry GenAI, Bedrock", scopes=("opentelemetry.instrumentation.botocore*",), marks=(),
    usage=with_cached)
